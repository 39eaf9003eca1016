/** One way to call the API: typed by path, errors as `ApiError` with the server's own sentence. */

import type { paths } from "./schema";
import type { ErrorBody } from "./types";

type JsonOf<Operation> = Operation extends {
  responses: { 200: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;
type TextOperation = { responses: { 200: { content: { "text/plain; charset=utf-8": unknown } } } };
type Paths<Method extends string> = {
  [P in keyof paths]: paths[P] extends Record<Method, object> ? P : never;
}[keyof paths];
type GetPath = Paths<"get">;
type PostPath = Paths<"post">;
type TextPath = { [P in keyof paths]: paths[P] extends { get: TextOperation } ? P : never }[keyof paths];

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

/** An answer in plain text, with its headers. */
export async function getText(path: TextPath, where: Where = {}): Promise<{ text: string; headers: Headers }> {
  const response = await answerTo("GET", path, where, "text/plain");
  try {
    return { text: await response.text(), headers: response.headers };
  } catch (cause) {
    if (where.signal?.aborted) throw cause;
    throw new ApiError(`the answer to GET ${path} broke off`, response.status, "unreadable");
  }
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
  const response = await answerTo(method, path, where, "application/json", body);
  try {
    return await response.json();
  } catch (cause) {
    if (where.signal?.aborted) throw cause;
    throw new ApiError(`the answer to ${method} ${path} is not JSON`, response.status, "unreadable");
  }
}

async function answerTo(method: string, path: string, where: Where, accept: string, body?: unknown): Promise<Response> {
  const init: RequestInit = { method, headers: { accept }, credentials: "same-origin" };
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
  return response;
}

/** What an answer that is not a 2xx says. A proxy's HTML page has no body of ours. */
export async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as Partial<ErrorBody> | null;
  const message = body?.error ?? `the server answered ${response.status}`;
  return new ApiError(message, response.status, body?.code ?? "unreadable", body?.request_id ?? null);
}
