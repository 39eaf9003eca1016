// Pictures of the page for looking at: node screenshots.mjs LOGIN_URL OUT_DIR [SECONDS_BEFORE]

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { launch } from "./browser.mjs";

const [loginUrl, outDir, seconds = "0"] = process.argv.slice(2);
if (!outDir) throw new Error("want LOGIN_URL and OUT_DIR");
await mkdir(outDir, { recursive: true });
const browser = await launch();
const session = await browser.newContext();
const first = await session.newPage();
first.on("console", (message) => console.log(message.type(), message.text()));
await first.goto(loginUrl);
await first.locator(".columns, .roomy-card, .signin").first().waitFor();
const storageState = await session.storageState();
const page = new URL(loginUrl);
page.hash = "";

const views = [];
for (const colorScheme of ["light", "dark"]) {
  for (const [name, viewport] of Object.entries({ desktop: { width: 1280, height: 900 }, mobile: { width: 390, height: 844 } })) {
    const context = await browser.newContext({ viewport, colorScheme, storageState });
    const view = await context.newPage();
    await view.goto(page.href);
    await view.locator("body").waitFor();
    views.push([`${name}-${colorScheme}`, view]);
  }
}
await first.waitForTimeout(Number(seconds) * 1000 + 1500);
for (const [name, view] of views) {
  await view.screenshot({ path: join(outDir, `${name}.png`), fullPage: name.startsWith("mobile") });
  const overflow = await view.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  console.log(name, overflow > 0 ? `scrolls sideways by ${overflow} px` : "fits");
}
await browser.close();
