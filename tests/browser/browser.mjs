// Starts Chromium so that it leaves the network alone.

import { chromium } from "playwright-core";

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function launch() {
  return chromium.launch({
    timeout: 120_000,
    executablePath: process.env.CULTIVAR_CHROMIUM ?? "/usr/bin/chromium",
    // Chromium's own sandbox refuses to run as root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: FLAGS,
  });
}
