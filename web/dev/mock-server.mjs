// Serves the built page and a made-up API, live: `npm run build && npm run mock`, then open the printed URL.
//   --port N     default 7979; 0 picks a free one
//   --rows N     so many more finished configurations
//   --speed N    training in faster motion
//   --no-data    a server without datasets
// POST /mock/drop cuts every event stream, POST /mock/down cuts them for 20 s.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import * as answers from "./mock/answers.mjs";
import { World } from "./mock/world.mjs";

const { values: args } = parseArgs({
  options: {
    port: { type: "string", default: "7979" },
    rows: { type: "string", default: "0" },
    speed: { type: "string", default: "1" },
    "no-data": { type: "boolean", default: false },
  },
});

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
// The real server's policy, so that what breaks it breaks here.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const loginToken = `cvt_${randomBytes(32).toString("base64url")}`;
const sessionToken = `cvt_${randomBytes(32).toString("base64url")}`;
const world = new World({ speed: Number(args.speed), nExtra: Number(args.rows) });
const streams = new Set();
const history = [];
let downUntil = 0;

world.on("event", (event) => {
  let text = `event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
  // Progress has no place in the stream: only the latest matters.
  if (event.kind !== "progress") {
    const id = `${900 + Math.floor(history.length / 3)}-${history.length + 1}`;
    text = `id: ${id}\n${text}`;
    history.push({ id, text });
  }
  for (const stream of streams) stream.write(text);
});

const server = createServer((request, response) => {
  handle(request, response).catch((error) => fail(response, 500, "internal", String(error)));
});

async function handle(request, response) {
  const url = new URL(request.url, "http://mock");
  response.setHeader("content-security-policy", POLICY);
  response.setHeader("x-content-type-options", "nosniff");
  if (url.pathname.startsWith("/mock/")) return disturb(url.pathname, response);
  if (!url.pathname.startsWith("/api/")) return serveFile(url.pathname, response);
  if (url.pathname === "/api/v1/session" && request.method === "POST") return logIn(request, response);
  if (!(request.headers.cookie ?? "").includes(sessionToken)) {
    return fail(response, 401, "unauthorized", "no token: open the page's login URL");
  }
  if (url.pathname === "/api/v1/events") return follow(request, response);
  const logged = /^\/api\/v1\/trials\/([^/]+)\/logs$/.exec(url.pathname);
  if (logged) return log(logged[1], url, response);
  const answer = route(request.method, url);
  return answer === undefined ? fail(response, 404, "not_found", `there is no ${url.pathname}`) : json(response, 200, answer);
}

function route(method, url) {
  const dataset = url.searchParams.get("dataset");
  const [, , , resource, id, action] = url.pathname.split("/");
  if (method === "POST" && resource === "trials" && action === "cancel") return world.cancel(id);
  if (resource === "session") return answers.session();
  if (resource === "datasets") return answers.datasets({ isEmpty: args["no-data"] });
  if (resource === "sweeps") return answers.sweeps(world);
  if (resource === "leaderboard") return answers.leaderboard(world, dataset);
  if (resource === "transfer") return answers.transfer(world, dataset);
  if (resource === "trials" && action === "series") {
    const metric = url.searchParams.get("metric");
    return { metric, points: world.series.get(id)?.[metric] ?? [] };
  }
  if (resource === "trials" && id && !action && world.trials.has(id)) return answers.trial(world.trials.get(id));
  if (resource === "trials" && !id) {
    const limit = Number(url.searchParams.get("limit") ?? 100);
    const all = world.list(url.searchParams.get("state")).filter((trial) => !dataset || trial.dataset === dataset);
    return { trials: all.slice(0, limit), next_cursor: all.length > limit ? all[limit - 1].id : null };
  }
  return undefined;
}

/** What a trainer would have written by now: a line for each epoch that has been validated. */
function log(id, url, response) {
  const trial = world.trials.get(id);
  if (!trial) return fail(response, 404, "not_found", `there is no trial ${id}`);
  const lines = (world.series.get(id)?.val_top1 ?? []).map(({ epoch, value }) => `epoch ${Math.round(epoch)}: val_top1 ${value.toFixed(4)}`);
  const after = Number(url.searchParams.get("after") ?? 0);
  const words = url.searchParams.get("q")?.toLowerCase() ?? "";
  const found = lines.slice(after).filter((line) => line.toLowerCase().includes(words));
  const head = after === 0 && found.length > 0 ? ["--- attempt 1"] : [];
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "log-cursor": String(lines.length) });
  response.end([...head, ...found].map((line) => `${line}\n`).join(""));
}

async function logIn(request, response) {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (JSON.parse(body).login_token !== loginToken) return fail(response, 401, "unauthorized", "this login token is unknown or used");
  response.setHeader("set-cookie", `cultivar_session_mock=${sessionToken}; Path=/; HttpOnly; SameSite=Strict`);
  return json(response, 200, answers.session());
}

function follow(request, response) {
  if (Date.now() < downUntil) return fail(response, 503, "unavailable", "down for the mock");
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": hello\n\n");
  const after = history.findIndex(({ id }) => id === request.headers["last-event-id"]);
  if (after >= 0) for (const { text } of history.slice(after + 1)) response.write(text);
  streams.add(response);
  const keepAlive = setInterval(() => response.write(":\n\n"), 15000);
  response.on("close", () => {
    clearInterval(keepAlive);
    streams.delete(response);
  });
}

function disturb(path, response) {
  if (path === "/mock/down") downUntil = Date.now() + 20000;
  for (const stream of streams) stream.destroy();
  return json(response, 200, { dropped: true });
}

async function serveFile(path, response) {
  const name = path === "/" ? "index.html" : normalize(path).replace(/^[/\\]+/, "");
  try {
    const file = await readFile(join(DIST, name));
    response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "cache-control": "no-cache" });
    response.end(file);
  } catch {
    fail(response, 404, "not_found", `there is no ${path}; was the page built?`);
  }
}

function json(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function fail(response, status, code, error) {
  if (!response.headersSent) json(response, status, { error, code });
  else response.end();
}

server.listen(Number(args.port), "127.0.0.1", () => {
  world.start();
  console.log(`http://127.0.0.1:${server.address().port}/#login=${loginToken}`);
});
