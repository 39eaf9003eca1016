// Watches a running sweep fill the leaderboard in a real browser.
//
// Says "ready" once the page is open: a sweep submitted then cannot end before anybody looks.
//
//   CULTIVAR_LOGIN_URL    the one-time URL that `cultivar up` prints
//   CULTIVAR_DATASET      the dataset to look at; left out: the one the page opens with
//   CULTIVAR_CHROMIUM     default /usr/bin/chromium
//   OUT_DIR               where during.png and after.png go; default: here
//   CULTIVAR_DEADLINE_S   how long the sweep may take, default 900

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { launch } from "./browser.mjs";
import { Checks, eventually, expect } from "./checks.mjs";

const loginUrl = process.env.CULTIVAR_LOGIN_URL;
if (!loginUrl) {
  console.error("CULTIVAR_LOGIN_URL is not set: want the login URL that `cultivar up` prints");
  process.exit(2);
}
const outDir = process.env.OUT_DIR ?? ".";
const sweepDeadline = Number(process.env.CULTIVAR_DEADLINE_S ?? 900);
/** Seconds for what takes a moment where nothing else computes. */
const PATIENCE_S = 300;
const { origin } = new URL(loginUrl);
/** Rows on one page of the leaderboard. */
const PAGE_SIZE = 50;

await mkdir(outDir, { recursive: true });
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
context.setDefaultTimeout(PATIENCE_S * 1000);
const page = await context.newPage();

const trouble = { console: [], foreign: [], policy: [] };
page.on("console", (message) => message.type() === "error" && trouble.console.push(message.text()));
page.on("pageerror", (error) => trouble.console.push(String(error)));
context.on("request", (request) => {
  const url = new URL(request.url());
  if (url.origin !== origin && url.protocol !== "data:") trouble.foreign.push(request.url());
});
await context.exposeBinding("reportViolation", (_, text) => trouble.policy.push(text));
await context.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) => {
    window.reportViolation(`${event.violatedDirective} blocked ${event.blockedURI}`);
  });
});

const checks = new Checks();
const dataset = () => page.locator(".picker select").inputValue();
const rowIds = () => page.locator("tr.config").evaluateAll((rows) => rows.map((row) => row.dataset.config));
const countOf = async (id) => Number((await page.locator(`[data-count="${id}"] dd`).textContent()).replaceAll(",", ""));

async function api(path, query = {}) {
  const url = new URL(path, origin);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  const response = await context.request.get(url.href);
  expect(response.ok(), `GET ${url.pathname} answered ${response.status()}`);
  return response.json();
}

await checks.run("the login URL opens the page and leaves the address bar", async () => {
  const url = new URL(loginUrl);
  if (process.env.CULTIVAR_DATASET) url.searchParams.set("dataset", process.env.CULTIVAR_DATASET);
  await page.goto(url.href);
  await page.locator(".columns").waitFor();
  expect(new URL(page.url()).hash === "", `the fragment is still there: ${page.url()}`);
});

await checks.run("the event stream is live", async () => {
  await page.locator('[data-stream="live"]').waitFor();
});

const nFirst = (await rowIds()).length;
console.log("ready");

await checks.run("rows of running trials appear and move on", async () => {
  const progress = () => page.locator(".live-row").evaluateAll((rows) => rows.map((row) => `${row.dataset.trial} ${row.textContent}`));
  const before = await eventually("row of a running trial", PATIENCE_S, async () => {
    const rows = await progress();
    return rows.length > 0 && rows;
  });
  await eventually("change in the rows of running trials", PATIENCE_S, async () => {
    const rows = await progress();
    return rows.length > 0 && rows.join() !== before.join();
  });
  return `${before.length} at first`;
});

await checks.run("the leaderboard fills while the sweep runs", async () => {
  const n = await eventually("new leaderboard row beside a running trial", sweepDeadline, async () => {
    const rows = await rowIds();
    return rows.length > nFirst && (await page.locator(".live-row").count()) > 0 && rows.length;
  });
  return `${nFirst} rows at first, then ${n}`;
});

await checks.run("the learning curve draws", async () => {
  const points = await eventually("point in the learning-curve panel", PATIENCE_S, async () => {
    return Number(await page.locator(".curve-view").getAttribute("data-points"));
  });
  const nColored = await eventually("coloured pixel on the learning curve's canvas", PATIENCE_S, () => page.locator(".curve-view canvas").evaluate(colored));
  return `${points} points, ${nColored} pixels`;
});

await checks.run("a trial's log fills and is searched", async () => {
  const lines = page.locator(".log-line");
  await eventually("log line", PATIENCE_S, () => lines.count());
  const search = page.getByLabel("Search the log lines");
  await search.fill("EPOCH");
  const n = await eventually("search that leaves lines with its words alone", PATIENCE_S, async () => {
    const texts = await lines.allTextContents();
    const isAnswered = (await page.locator(".log-foot").textContent()).includes("found");
    return isAnswered && texts.every((text) => /epoch/i.test(text)) && texts.length;
  });
  await search.fill("");
  return `${n} found`;
});

// The picture is best with half of the sweep done and a trial in mid-step; not worth a failure.
await eventually("half-finished sweep with a trial in mid-step", sweepDeadline / 2, async () => {
  const left = (await countOf("queued")) + (await countOf("running"));
  const figures = await page.locator(".live-row .live-figures dd").allTextContents();
  return left === 0 || ((await countOf("completed")) >= left && figures.length > 0 && !figures.slice(0, 4).includes("–"));
}).catch((error) => console.log(`note    ${error.message}`));
await page.screenshot({ path: join(outDir, "during.png") });

await checks.run("the sweep ends and the page says so", async () => {
  const name = await dataset();
  await eventually("end of the sweep", sweepDeadline, async () => {
    const sweeps = await api("/api/v1/sweeps");
    return sweeps.filter((sweep) => sweep.dataset === name).every((sweep) => sweep.finished);
  });
  await eventually("page without running trials", PATIENCE_S, async () => (await page.locator(".live-row").count()) === 0);
  await eventually("header that counts none running or queued", PATIENCE_S, async () => (await countOf("running")) + (await countOf("queued")) === 0);
});

await checks.run("the page shows what the API says", async () => {
  const name = await dataset();
  const board = await eventually("agreement of the page with GET /api/v1/leaderboard", PATIENCE_S, async () => {
    const answer = await api("/api/v1/leaderboard", { dataset: name, limit: "1000" });
    const shown = await rowIds();
    const wanted = answer.rows.slice(0, PAGE_SIZE).map((row) => row.config_id);
    // Published results take places on the page, too.
    const nPublished = await page.locator("tr.published").count();
    const isWhole = shown.length >= Math.min(wanted.length, PAGE_SIZE - nPublished);
    return isWhole && shown.length > 0 && shown.join() === wanted.slice(0, shown.length).join() && answer;
  });
  const shown = await rowIds();
  expect(shown.length > nFirst, `the page had ${nFirst} rows at first and has ${shown.length} at the end`);
  const top = await page.locator("tr.config").first().locator(".c-val .figure").textContent();
  const best = `${(board.rows[0].val_top1.mean * 100).toFixed(1)}%`;
  expect(board.metric !== "val_top1" || top === best, `the top row reads ${top}, the API says ${best}`);
  expect((await countOf("test-accesses")) === board.n_test_accesses, "the header's test accesses are not the API's");
  return `${shown.length} configurations, best ${best}`;
});
await page.screenshot({ path: join(outDir, "after.png") });

await checks.run("rows can be ticked by keyboard", async () => {
  const box = page.locator("tr.config input[type=checkbox]").last();
  const before = await box.isChecked();
  await box.focus();
  await page.keyboard.press("Space");
  expect((await box.isChecked()) !== before, "Space did not tick the last row");
});

await checks.run("nothing scrolls sideways on a phone", async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(excess <= 0, `the page is ${excess} px wider than a 390 px screen`);
});

await checks.run("no error in the console", () => expect(trouble.console.length === 0, trouble.console.slice(0, 3).join("; ")));
await checks.run("no request left for another origin", () => expect(trouble.foreign.length === 0, trouble.foreign.slice(0, 3).join("; ")));
await checks.run("nothing broke the content security policy", () => expect(trouble.policy.length === 0, trouble.policy.slice(0, 3).join("; ")));

await browser.close();
process.exitCode = checks.close();

/** Pixels of a curve's own colour: the grid and the labels are grey. Runs in the page. */
function colored(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) {
    const spread = Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
    if (data[i + 3] > 200 && spread > 60) n += 1;
  }
  return n;
}
