// Drives the search page of a running server in a real browser.
//
//   npm ci && node check.js http://127.0.0.1:5001 [FOLDER FOR SCREENSHOTS]
//
// The server needs some books, e.g. `libellus serve --sample`. The browser is Debian's `chromium`, or the one
// that CHROMIUM names. One line per check; the exit code is 1 when one failed.

import assert from "node:assert/strict";
import { MOBILE, DESKTOP, ZOOMED, check as checkIn, finish, fits, isDark, pictures, tabTo, violations } from "./browser.js";

const [base, folder] = process.argv.slice(2);
if (!base) {
  console.error("usage: node check.js BASE_URL [FOLDER FOR SCREENSHOTS]");
  process.exit(2);
}

const QUERY = "surviving alone on an island";
const RESULTS = `/?q=${encodeURIComponent(QUERY)}`;
const LONG_WORD = `/?q=${"Donaudampfschifffahrtsgesellschaft".repeat(8)}`;
const LANGUAGES = ["en", "de", "fr", "hi", "te", "ar"];

const check = (name, options, body) => checkIn(name, { baseURL: base, ...options }, body);

/** The address of the first book found. */
async function firstBook(page) {
  await page.goto(RESULTS);
  return page.locator(".hit h2 a").first().getAttribute("href");
}

/** Every kind of page, by name. */
async function pages(page) {
  return {
    start: "/",
    results: RESULTS,
    words: "/?q=sea&mode=keyword",
    corrected: "/?q=a+captian+and+a+whale",
    "no results": "/?q=zzyzxqq&mode=keyword",
    narrowed: "/?q=war&language=en&year_from=1800&sort=newest",
    related: "/?q=quantum+chromodynamics+lattice+simulations",
    book: await firstBook(page),
    "bad request": "/?q=sea&limit=abc",
    "not found": "/nowhere",
  };
}

await check("keyboard: skip link, search, choice of mode, opening a book", {}, async (page) => {
  await page.goto("/");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip", "the first stop is the skip link");
  const box = await page.locator(".skip").boundingBox();
  assert.ok(box.y >= 0, "the skip link is visible when it has the focus");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main", "the skip link moves the focus");
  await tabTo(page, "#q");
  await page.keyboard.type(QUERY);
  await tabTo(page, "input[name=mode]");
  for (const mode of ["semantic", "keyword"]) {
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.locator(`input[value=${mode}]`).isChecked(), true, `arrow keys choose ${mode}`);
  }
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("q") === QUERY);
  await tabTo(page, ".hit h2 a");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus is visible");
  const title = await page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/books\//);
  assert.equal(await page.locator("h1").textContent(), title);
});

await check("without JavaScript: searching and opening a book", { javaScriptEnabled: false }, async (page) => {
  await page.goto("/");
  await page.locator("#q").fill(QUERY);
  await page.locator("button[type=submit]").click();
  await page.waitForURL(/\?q=/);
  assert.ok((await page.locator(".hit").count()) > 0, "there are hits");
  assert.equal(await page.locator("#q").inputValue(), QUERY, "the box keeps the query");
  await page.locator(".hit h2 a").first().click();
  await page.waitForURL(/\/books\//);
});

await check("suggestions: typed, chosen by keyboard, closed, and never by Tab", {}, async (page) => {
  await page.goto("/");
  const box = page.locator("#q");
  const shown = page.locator("[role=option]");
  await box.pressSequentially("moby");
  await shown.first().waitFor();
  assert.equal(await box.getAttribute("aria-expanded"), "true");
  assert.match(await page.locator("[role=status]").textContent(), /suggestions/);
  await page.keyboard.press("ArrowDown");
  const active = await box.getAttribute("aria-activedescendant");
  assert.equal(await page.locator(`#${active}`).getAttribute("aria-selected"), "true");
  assert.deepEqual(await violations(page), [], "with suggestions open");
  await page.keyboard.press("Escape");
  assert.equal(await shown.first().isVisible(), false, "Escape closes them");
  await box.press("End");
  await box.pressSequentially("-");
  await shown.first().waitFor();
  await page.keyboard.press("ArrowDown");
  const text = await shown.first().getAttribute("data-text");
  await page.keyboard.press("Tab");
  assert.equal(await box.inputValue(), "moby-", "Tab leaves what was typed");
  await box.press("End");
  await box.pressSequentially("d");
  await shown.first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("q") === text);
});

await check("narrowing down: a condition is chosen, counted and cleared", {}, async (page) => {
  await page.goto("/?q=war");
  const all = await page.locator(".hits .hit").count();
  await page.locator(".narrow summary").click();
  const value = page.locator(".narrow input[name=language]").last();
  const language = await value.getAttribute("value");
  await value.check();
  await page.locator(".narrow button").click();
  await page.waitForURL((url) => url.searchParams.get("language") === language);
  assert.ok((await page.locator(".results .hit").count()) > 0 && all > 0, "some books are left");
  assert.equal(await page.locator(".narrow input[name=language]:checked").getAttribute("value"), language);
  await page.locator(".narrow a").click();
  await page.waitForURL((url) => !url.searchParams.has("language"));
});

await check("a damaged address keeps what was typed", {}, async (page) => {
  const response = await page.goto(`${RESULTS}&limit=abc`);
  assert.equal(response.status(), 400);
  assert.equal(await page.locator("#q").inputValue(), QUERY);
});

await check("no other host, no cookie, nothing refused by the content security policy", {}, async (page, context) => {
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(base)) complaints.push(`request to ${request.url()}`);
  });
  await page.goto(await firstBook(page));
  assert.deepEqual(complaints, []);
  assert.deepEqual(await context.cookies(), []);
});

await check("360 px wide: nothing sticks out", { viewport: MOBILE }, async (page) => {
  for (const [name, url] of Object.entries({ ...(await pages(page)), "long word": LONG_WORD })) {
    await page.goto(url);
    await fits(page, name);
  }
});

await check("zoomed to 400 %: nothing sticks out", { viewport: ZOOMED }, async (page) => {
  for (const [name, url] of Object.entries(await pages(page))) {
    await page.goto(url);
    await fits(page, name);
  }
});

await check("every language: its words, its direction, and the same page in another one", { viewport: MOBILE }, async (page) => {
  for (const language of LANGUAGES) {
    for (const [name, url] of Object.entries(await pages(page))) {
      await page.goto(`${url}${url.includes("?") ? "&" : "?"}lang=${language}`);
      const said = await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
      assert.deepEqual(said, [language, language === "ar" ? "rtl" : "ltr"], name);
      await fits(page, `${name} in ${language}`);
    }
    await page.goto(`${RESULTS}&lang=${language}`);
    await page.locator(".languages a[lang=te]").click();
    await page.waitForURL((url) => url.searchParams.get("lang") === "te" && url.searchParams.get("q") === QUERY);
    await page.locator(".hit h2 a").first().click();
    await page.waitForURL((url) => url.pathname.startsWith("/books/") && url.searchParams.get("lang") === "te");
  }
});

await check("the browser's language, and suggestions in it", { locale: "ar" }, async (page) => {
  await page.goto("/");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "ar");
  await page.locator("#q").pressSequentially("moby");
  await page.locator("[role=option]").first().waitFor();
  assert.match(await page.locator("[role=status]").textContent(), /عدد الاقتراحات: \d/);
  assert.match(await page.locator("[role=option] small").first().textContent(), /عنوان/);
});

await check("right to left: what stands first stands at the right", { locale: "ar" }, async (page) => {
  await page.goto(RESULTS);
  const [brand, button, input] = await Promise.all([".brand", ".field button", "#q"].map((part) => page.locator(part).first().boundingBox()));
  assert.ok(brand.x > DESKTOP.width / 2, `the name stands at ${brand.x} px`);
  assert.ok(button.x < input.x, "the button stands left of the box");
});

await check("at most 60 KB for HTML, style and script, compressed, and no more than three requests", {}, async (page) => {
  for (const [name, url] of Object.entries(await pages(page))) {
    const replies = [];
    const note = (reply) => replies.push(reply);
    page.on("response", note);
    await page.goto(url, { waitUntil: "networkidle" });
    page.off("response", note);
    const parts = replies.filter((reply) => ["document", "stylesheet", "script"].includes(reply.request().resourceType()));
    const sizes = await Promise.all(parts.map(async (reply) => (await reply.request().sizes()).responseBodySize));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(parts.length <= 3 && bytes <= 60 * 1024, `${name}: ${parts.length} parts of ${bytes} bytes`);
  }
});

await check("dark mode: light text on a dark page", { colorScheme: "dark" }, async (page) => {
  await page.goto(RESULTS);
  await isDark(page);
});

await check("WCAG 2.2 AA by axe-core: right to left", { locale: "ar" }, async (page) => {
  for (const [name, url] of Object.entries(await pages(page))) {
    await page.goto(url);
    assert.deepEqual(await violations(page), [], `on the page "${name}"`);
  }
});

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries({ desktop: DESKTOP, mobile: MOBILE })) {
    await check(`WCAG 2.2 AA by axe-core: ${colorScheme}, ${size}`, { colorScheme, viewport }, async (page) => {
      for (const [name, url] of Object.entries(await pages(page))) {
        await page.goto(url);
        assert.deepEqual(await violations(page), [], `on the page "${name}"`);
      }
    });
  }
}

if (folder) {
  await pictures(folder, { baseURL: base }, async (page, take) => {
    for (const [name, url] of Object.entries(await pages(page))) {
      await page.goto(url);
      await take(name);
    }
  });
}

await finish();
