/** The page of an audit in a real browser: nothing is fetched, nothing sticks out of a phone, it is drawn in the light and in the dark. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { adviceOf } from "../../src/audit/advice.ts";
import { findingsOf } from "../../src/audit/findings.ts";
import { renderPage } from "../../src/audit/page.ts";
import { ASGI, facts, route, spot } from "../unit/audit/facts.ts";
import { launch, missing, titled } from "./support.ts";

setDefaultTimeout(60_000);

const name = "GET /<script>alert(1)</script>";
const given = facts({
  current: ASGI,
  routes: [
    route({
      ...{ route: name, wall: 50, wait: 48, held: 49, blocked: 48, blockingShare: 1 },
      spots: [spot("wait", "time.sleep(0.048)")],
    }),
    route({ route: "GET /a-route-with-a-name-that-is-as-long-as-a-name-can-be/{number}" }),
  ],
});
const page = renderPage({
  ...{ schema: 1, tool: { name: "keelback", version: "0.1.0" }, date: "2026-11-21T18:00:00Z" },
  ...{ command: "keelback audit main:app", traffic: "/", facts: given, notes: ["a note"] },
  ...{ findings: findingsOf(given), recommendations: adviceOf(given) },
});

describe.skipIf(missing !== null)(titled("the page of an audit"), () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), "keelback-test-"));
  const file = join(folder, "page.html");
  beforeAll(async () => {
    writeFileSync(file, page);
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    ["light", 1280],
    ["dark", 1280],
    ["light", 390],
  ] as const)("%s, %p pixels wide", async (colorScheme, width) => {
    const viewport = { width, height: 800 };
    const context = await browser.newContext({ colorScheme, viewport });
    const tab = await context.newPage();
    const troubles: string[] = [];
    tab.on("console", (message) => troubles.push(message.text()));
    tab.on("pageerror", (error) => troubles.push(String(error)));
    tab.on("dialog", (dialog) => troubles.push(dialog.message()));
    tab.on("request", (request) => {
      if (!request.url().startsWith("file:")) troubles.push(request.url());
    });
    await tab.goto(`file://${file}`);
    expect(await tab.locator("li .high").textContent()).toContain(`${name} blocks the event loop`);
    expect(await tab.locator("tbody tr").count()).toBeGreaterThan(4);
    expect(await tab.evaluate("document.documentElement.scrollWidth")).toBe(width);
    const paper = await tab.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(paper).toBe(colorScheme === "light" ? "rgb(251, 250, 248)" : "rgb(20, 23, 26)");
    await tab.locator("summary").first().click();
    expect(await tab.locator("details pre").first().isVisible()).toBe(true);
    expect(troubles).toEqual([]);
    await context.close();
  });
});
