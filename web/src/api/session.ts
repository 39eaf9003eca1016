/** The way in: a one-time token in the URL's fragment becomes a cookie, and leaves the history. */

import { ApiError, get, post } from "./request";
import type { SessionView } from "./types";

const FRAGMENT = /^#?login=(.+)$/;

/** The login token in a fragment, a whole login URL, or pasted bare; null where there is none. */
export function loginTokenIn(text: string): string | null {
  const trimmed = text.trim();
  const hash = trimmed.indexOf("#");
  const match = FRAGMENT.exec(hash >= 0 ? trimmed.slice(hash) : trimmed);
  if (match?.[1]) return decodeURIComponent(match[1]);
  return /^[\w-]{20,}$/.test(trimmed) ? trimmed : null;
}

/** Takes the token out of the address bar, so that it stays in no history and no bookmark. */
export function takeLoginToken(): string | null {
  const token = FRAGMENT.test(window.location.hash) ? loginTokenIn(window.location.hash) : null;
  if (token !== null) {
    window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  }
  return token;
}

export async function logIn(token: string): Promise<SessionView> {
  return (await post("/api/v1/session", { login_token: token })) as SessionView;
}

/** Who is signed in; null where nobody is. */
export async function whoAmI(signal?: AbortSignal): Promise<SessionView | null> {
  try {
    return await get("/api/v1/session", signal ? { signal } : {});
  } catch (error) {
    if (error instanceof ApiError && error.isUnauthorized) return null;
    throw error;
  }
}
