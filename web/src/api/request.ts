/** One way to call the API: typed by path, errors as `ApiError` with the server's own sentence. */

import type { paths } from "./schema";
import type { ErrorBody } from "./types";

type JsonOf<Operation> = Operation extends {
  responses: { 200: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;
type Paths<Method extends string> = {
  [P in keyof paths]: paths[P] extends Record<Method, object> ? P : never;
}[keyof paths];
type GetPath = Paths<"get">;
type PostPath = Paths<"post">;

interface Where {
  /** Fills the `{name}`s of the path. */
  path?: Record<string, string>;
  /** Left-out values are not sent. */
  query?: Record<string, string | number | null | undefined>;
  signal?: AbortSignal;
}

/** Any answer that is not a 2xx, and any request that got no answer. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    message: string,
    /** 0 where no answer came. */
    readonly status: number,
    /** The server's stable word, or `unreachable`, or `unreadable`. */
    readonly code: string,
    readonly requestId: string | null = null,
  ) {
    super(message);
  }

  get isUnauthorized(): boolean {
    return this.status === 401;
  }
}

export async function get<P extends GetPath>(path: P, where: Where = {}): Promise<JsonOf<paths[P]["get" & keyof paths[P]]>> {
  return (await send("GET", path, where)) as JsonOf<paths[P]["get" & keyof paths[P]]>;
}

export async function post(path: PostPath, body: unknown, where: Where = {}): Promise<unknown> {
  return send("POST", path, where, body);
}

/** Writes `{name}`s and the query string into a path. */
export function urlOf(path: string, { path: names = {}, query = {} }: Where): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = names[name];
    if (value === undefined) throw new Error(`no value for {${name}} in ${path}`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value != null) search.set(key, String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

async function send(method: string, path: string, where: Where, body?: unknown): Promise<unknown> {
  const init: RequestInit = { method, headers: { accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    init.headers = { ...init.headers, "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  if (where.signal) init.signal = where.signal;
  let response: Response;
  try {
    response = await fetch(urlOf(path, where), init);
  } catch (cause) {
    if (where.signal?.aborted) throw cause;
    throw new ApiError("the server did not answer", 0, "unreachable");
  }
  if (!response.ok) throw await errorOf(response);
  try {
    return await response.json();
  } catch (cause) {
    if (where.signal?.aborted) throw cause;
    throw new ApiError(`the answer to ${method} ${path} is not JSON`, response.status, "unreadable");
  }
}

/** What an answer that is not a 2xx says. A proxy's HTML page has no body of ours. */
export async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as Partial<ErrorBody> | null;
  const message = body?.error ?? `the server answered ${response.status}`;
  return new ApiError(message, response.status, body?.code ?? "unreadable", body?.request_id ?? null);
}
