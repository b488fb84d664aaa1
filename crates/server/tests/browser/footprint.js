// Drives the pages that `libellus footprint TARGET --html FILE` writes in a real browser.
//
//   npm ci && node footprint.js FOLDER [FOLDER FOR SCREENSHOTS]
//
// FOLDER holds pages; one of them is `hostile.html`, of files with names that try to be markup. Otherwise as check.js.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { DESKTOP, MOBILE, ZOOMED, check, finish, fits, isDark, pictures, tabTo, violations } from "./browser.js";

const [folder, drawn] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node footprint.js FOLDER [FOLDER FOR SCREENSHOTS]");
  process.exit(2);
}

const names = (await readdir(folder)).filter((name) => name.endsWith(".html")).sort();
const PAGES = names.map((name) => [path.basename(name, ".html"), pathToFileURL(path.resolve(folder, name)).href]);
assert.ok(PAGES.some(([name]) => name === "hostile") && PAGES.length > 1, "there are pages");

/** The name of the tile with the focus; nothing if it is on none. */
const focused = (page) =>
  page.evaluate(() => (document.activeElement?.matches(".tile") ? document.activeElement.querySelector("b").textContent : null));
const whereabouts = (page) => page.locator(".way [aria-current]").textContent();

/** Chooses a grouping, by its place. */
async function group(page, number) {
  await page.locator("[name=by]").nth(number).check();
}

/** Looks at every grouping of every page, and one level into it. */
async function everywhere(page, look) {
  for (const [name, url] of PAGES) {
    await page.goto(url);
    for (let number = 0; number < (await page.locator("[name=by]").count()); number += 1) {
      await group(page, number);
      await look(`${name}, grouping ${number}`);
      const opens = page.locator(".tile:not([aria-disabled])");
      if ((await opens.count()) === 0) continue;
      await opens.first().click();
      await look(`${name}, grouping ${number}, inside`);
    }
  }
}

await check("opens from a file: nothing fetched, refused or complained of", {}, async (page) => {
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!request.isNavigationRequest() && !request.url().startsWith("data:")) complaints.push(`request for ${request.url()}`);
  });
  for (const [name, url] of PAGES) {
    await page.goto(url);
    assert.ok((await page.locator(".tile").count()) > 0, `${name} has tiles`);
    const policy = await page.locator("meta[http-equiv=Content-Security-Policy]").getAttribute("content");
    assert.ok(policy.startsWith("default-src 'none'") && !policy.includes("unsafe"), policy);
  }
  assert.deepEqual(complaints, []);
});

await check("hostile names stay names", {}, async (page) => {
  await page.goto(PAGES.find(([name]) => name === "hostile")[1]);
  const elements = await page.evaluate(() => [...document.querySelectorAll("script, img, iframe, b b, a:not(.skip)")].map((one) => one.outerHTML.slice(0, 40)));
  assert.equal(elements.length, 2, `there is the data and the script: ${elements}`);
  await group(page, (await page.locator("[name=by]").count()) - 1);
  assert.match(await page.locator(".tiles").textContent(), /<\/script><img src=x onerror=alert\(1\)>/);
  assert.match(await page.locator("main").textContent(), /\\u\{202e\}/, "what turns the direction of writing is shown as a number");
  assert.equal(await page.evaluate(() => document.title.includes("what it is made of")), true);
});

await check("keyboard: one stop, arrows move, Enter goes in, Escape and Backspace go back", {}, async (page) => {
  await page.goto(PAGES.find(([name]) => name !== "hostile")[1]);
  await tabTo(page, ".tile");
  const first = await focused(page);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus is visible");
  const reached = new Set([first]);
  for (const key of ["ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"]) {
    await page.keyboard.press(key);
    reached.add(await focused(page));
  }
  assert.ok(reached.size > 2 && !reached.has(null), `arrows move: ${[...reached].join("; ")}`);
  assert.equal(await page.locator(".tile[tabindex='0']").count(), 1, "only one tile is a stop");
  await page.keyboard.press("End");
  const last = await focused(page);
  await page.keyboard.press("Home");
  assert.equal(await focused(page), first);
  assert.notEqual(first, last);
  for (const back of ["Escape", "Backspace"]) {
    const before = await whereabouts(page);
    await page.keyboard.press("Enter");
    assert.notEqual(await whereabouts(page), before, "Enter goes in");
    assert.notEqual(await focused(page), null, "the focus stays on the map");
    assert.match(await page.locator("[role=status]").textContent(), /parts$/, "and it is said");
    await page.keyboard.press(back);
    assert.equal(await whereabouts(page), before, `${back} goes back`);
    assert.equal(await focused(page), first, "to the tile that was opened");
  }
  await page.keyboard.press("Enter");
  await page.locator(".way button").first().click();
  assert.equal(await focused(page), first, "the way back is made of buttons");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), null, "Tab leaves the map");
});

await check("every tile can be hit, none covers another, and the table says the same", {}, async (page) => {
  await everywhere(page, async (name) => {
    const { whole, boxes, names, rows, opened, groups } = await page.evaluate(() => {
      const box = (element) => element.getBoundingClientRect().toJSON();
      return {
        whole: box(document.querySelector(".tiles")),
        boxes: [...document.querySelectorAll(".tile")].map(box),
        names: [...document.querySelectorAll(".tile b")].map((one) => one.textContent),
        rows: document.querySelectorAll("#map tbody tr").length,
        groups: JSON.parse(document.querySelector("#data").textContent),
        opened: Number(document.querySelector("[name=by]:checked").value),
      };
    });
    assert.ok(rows >= boxes.length - 1, `${name}: ${rows} rows for ${boxes.length} tiles`);
    // As large as what it stands for: but for a last one that is drawn larger so that it can be hit.
    const bytes = new Map(groups[opened][4].map(([part, size]) => [part, size]));
    const scale = boxes.map(({ width, height }, at) => (width * height) / bytes.get(names[at])).filter((one) => one > 0);
    if (!name.endsWith("inside") && scale.length > 2) {
      assert.ok(Math.max(...scale) / Math.min(...scale) < 1.05, `${name}: areas are not in proportion: ${scale}`);
    }
    const room = boxes.reduce((sum, { width, height }) => sum + width * height, 0);
    assert.ok(Math.abs(room / (whole.width * whole.height) - 1) < 0.01, `${name}: tiles take ${room} of ${whole.width * whole.height}`);
    for (const [at, box] of boxes.entries()) {
      assert.ok(box.width >= 23.5 && box.height >= 23.5, `${name}: tile ${at} is ${box.width} × ${box.height}`);
      const covered = boxes.slice(at + 1).find((other) => box.left < other.right - 1 && other.left < box.right - 1 && box.top < other.bottom - 1 && other.top < box.bottom - 1);
      assert.equal(covered, undefined, `${name}: tile ${at} covers another`);
    }
  });
});

await check("without JavaScript: tables instead of the map", { javaScriptEnabled: false }, async (page) => {
  for (const [name, url] of PAGES) {
    await page.goto(url);
    assert.equal(await page.locator("#map").isVisible(), false);
    assert.ok((await page.locator("main > section:not(#map) tbody tr").count()) > 0, `${name} has rows`);
  }
});

for (const [size, viewport] of Object.entries({ "360 px wide": MOBILE, "zoomed to 400 %": ZOOMED })) {
  await check(`${size}: nothing sticks out`, { viewport }, (page) => everywhere(page, (name) => fits(page, name)));
}

await check("the window changes: the map follows, and keeps its place", {}, async (page) => {
  await page.goto(PAGES[0][1]);
  await page.locator(".tile:not([aria-disabled])").first().click();
  const [place, tile] = [await whereabouts(page), await focused(page)];
  await page.setViewportSize(MOBILE);
  await page.waitForFunction((width) => document.querySelector(".tiles").getBoundingClientRect().width <= width, MOBILE.width);
  assert.deepEqual([await whereabouts(page), await focused(page)], [place, tile]);
});

await check("dark mode: light text on a dark page", { colorScheme: "dark" }, async (page) => {
  await page.goto(PAGES[0][1]);
  await isDark(page);
});

await check("prints: the map with its colours, and every table", {}, async (page) => {
  for (const [name, url] of PAGES) {
    await page.goto(url);
    const paper = await page.pdf({ format: "A4" });
    assert.equal(paper.subarray(0, 5).toString(), "%PDF-", name);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator(".tile").first().isVisible(), true, name);
    assert.equal(await page.locator("fieldset").isVisible(), false, name);
    await fits(page, name);
  }
});

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries({ desktop: DESKTOP, mobile: MOBILE })) {
    await check(`WCAG 2.2 AA by axe-core: ${colorScheme}, ${size}`, { colorScheme, viewport }, async (page) => {
      await everywhere(page, async (name) => {
        await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
        assert.deepEqual(await violations(page), [], name);
      });
    });
  }
}

if (drawn) {
  await pictures(drawn, {}, async (page, take) => {
    for (const [name, url] of PAGES) {
      await page.goto(url);
      await take(`footprint ${name}`);
      if (await page.locator("h2#packages, h2#plan, h2#findings").count()) {
        await page.locator("h2#packages, h2#plan, h2#findings").first().scrollIntoViewIfNeeded();
        await page.evaluate(() => document.querySelector("h2#plan, h2#findings, h2#packages").scrollIntoView());
        await take(`footprint ${name} below`);
      }
    }
  });
}

await finish();
