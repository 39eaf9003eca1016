import { afterEach, expect, test, vi } from "vitest";

import { ApiError, get, getText, post, urlOf } from "./request";

afterEach(() => vi.unstubAllGlobals());

function answer(body: string, status = 200) {
  const calls: [string, RequestInit][] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push([url, init]);
    return new Response(body, { status });
  });
  return calls;
}

async function errorOfGet(): Promise<ApiError> {
  const error = await get("/api/v1/sweeps").catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

test("a path and a query are written out and escaped", () => {
  expect(urlOf("/api/v1/trials/{id}/series", { path: { id: "a/b" }, query: { metric: "val_top1", cursor: null } })).toBe(
    "/api/v1/trials/a%2Fb/series?metric=val_top1",
  );
  expect(() => urlOf("/api/v1/trials/{id}", {})).toThrow("{id}");
});

test("the server's own sentence is the message", async () => {
  answer(JSON.stringify({ error: "there is no dataset birds", code: "not_found", request_id: "r1" }), 404);
  expect(await errorOfGet()).toMatchObject({ message: "there is no dataset birds", status: 404, code: "not_found", requestId: "r1" });
});

test("a proxy's page is an error with its status", async () => {
  answer("<html>Bad gateway</html>", 502);
  expect(await errorOfGet()).toMatchObject({ status: 502, code: "unreadable", message: "the server answered 502" });
});

test("no answer at all is an error of its own", async () => {
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  expect(await errorOfGet()).toMatchObject({ status: 0, code: "unreachable" });
});

test("an answer that is not JSON is an error, not a crash", async () => {
  answer("<!doctype html>");
  expect(await errorOfGet()).toMatchObject({ code: "unreadable" });
});

test("plain text comes as it is, refusals as JSON", async () => {
  const where = { path: { id: "t1" } };
  answer("--- attempt 1\none\n");
  expect((await getText("/api/v1/trials/{id}/logs", where)).text).toBe("--- attempt 1\none\n");
  answer(JSON.stringify({ error: "there is no trial t1", code: "not_found" }), 404);
  await expect(getText("/api/v1/trials/{id}/logs", where)).rejects.toMatchObject({ message: "there is no trial t1", status: 404 });
});

test("a missing session is told apart", async () => {
  answer(JSON.stringify({ error: "no token", code: "unauthorized" }), 401);
  expect((await errorOfGet()).isUnauthorized).toBe(true);
});

test("a request given up is not an error of the server", async () => {
  const ending = new AbortController();
  vi.stubGlobal("fetch", async () => Promise.reject(new DOMException("aborted", "AbortError")));
  ending.abort();
  await expect(get("/api/v1/sweeps", { signal: ending.signal })).rejects.toMatchObject({ name: "AbortError" });
});

test("a post carries JSON", async () => {
  const calls = answer("{}");
  await post("/api/v1/session", { login_token: "t" });
  expect(calls[0]![1]).toMatchObject({ method: "POST", body: '{"login_token":"t"}', headers: { "content-type": "application/json" } });
});
