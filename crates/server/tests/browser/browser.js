// What the checks of all pages share: the browser, one line per check, and looking with axe-core.

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

export const DESKTOP = { width: 1280, height: 900 };
export const MOBILE = { width: 360, height: 740 };
/** A desktop at 400 %. */
export const ZOOMED = { width: 320, height: 256 };
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

let failures = 0;

/** Runs one check in a browser context of its own and prints how it went. */
export async function check(name, options, body) {
  const context = await browser.newContext({ viewport: DESKTOP, ...options });
  context.setDefaultTimeout(10_000);
  try {
    await body(await context.newPage(), context);
    console.log(`ok    ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${name}: ${error.message}`);
  } finally {
    await context.close();
  }
}

/** Presses Tab until `selector` has the focus, as a reader without a mouse would. */
export async function tabTo(page, selector) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  assert.fail(`60 presses of Tab do not reach ${selector}`);
}

/** What axe-core finds against WCAG 2.2 AA. */
export async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate((tags) => window.axe.run({ runOnly: tags }), WCAG);
  return found.map(({ id, nodes }) => `${id} at ${nodes.map((node) => node.target).join(", ")}`);
}

/** Nothing is wider than the window. */
export async function fits(page, name) {
  const [width, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width <= window, `${name} is ${width} px wide in a window of ${window}`);
}

/** Light text on a dark page. */
export async function isDark(page) {
  const [background, text] = await page.evaluate(() => {
    const brightness = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
    const style = getComputedStyle(document.documentElement);
    return [brightness(style.backgroundColor), brightness(style.color)];
  });
  assert.ok(background < 60 && text > 200, `background ${background}, text ${text} of 255`);
}

/** Pictures of pages, on a desktop in both schemes and on a telephone. `open` opens each and gives its name. */
export async function pictures(folder, options, visit) {
  await mkdir(folder, { recursive: true });
  const variants = {
    desktop: { viewport: DESKTOP },
    dark: { viewport: DESKTOP, colorScheme: "dark" },
    mobile: { viewport: MOBILE, deviceScaleFactor: 2 },
  };
  for (const [variant, of] of Object.entries(variants)) {
    await check(`screenshots: ${variant}`, { ...options, ...of }, (page) =>
      visit(page, (name, how) =>
        page.screenshot({ path: path.join(folder, `${name.replaceAll(" ", "-")}-${variant}.png`), ...how }),
      ),
    );
  }
}

/** Says how it went, and ends. */
export async function finish() {
  await browser.close();
  console.log(failures === 0 ? "all checks passed" : `${failures} checks failed`);
  process.exitCode = failures === 0 ? 0 : 1;
}
