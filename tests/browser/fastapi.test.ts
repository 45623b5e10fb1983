/** The page that `make serve` shows, server-sent events, and FastAPI's /docs, in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { payload, serveExample } from "../interop/support.ts";
import type { TestServer } from "../support/server.ts";
import { launch, missing, titled, visit } from "./support.ts";

const sizes = [
  { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { colorScheme: "dark", viewport: { width: 360, height: 740 } },
] as const;

/** When each of five events arrived, by the page's clock. */
function fiveTicks(everyMs: number): string {
  return `new Promise((resolve, reject) => {
    const source = new EventSource("/events?count=5&every_ms=${everyMs}");
    const seen = [];
    source.addEventListener("tick", () => {
      seen.push(performance.now());
      if (seen.length < 5) return;
      source.close();
      resolve(seen);
    });
    source.addEventListener("error", () => reject(new Error("the stream ended early")));
  })`;
}

describe.skipIf(missing !== null)(titled("The FastAPI example in a browser"), () => {
  let browser: Browser;
  let server: TestServer;

  beforeAll(async () => {
    server = await serveExample("fastapi_app", { app: "main:app", args: ["--workers", "2"] });
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    expect(await server.stop()).toBe(0);
  });

  test.each(sizes)("the landing page fits and nothing fails: %j", async (options) => {
    await using visitor = await visit(browser, options);
    const { page, troubles } = visitor;
    await page.goto(server.url);
    await page.waitForSelector("text=python: 3");
    await page.waitForSelector("text=tick 1 at");
    const root = "document.documentElement";
    const overflow = await page.evaluate<number>(`${root}.scrollWidth - ${root}.clientWidth`);
    expect(overflow).toBe(0);
    expect(troubles).toEqual([]);
  });

  test("the landing page's buttons work", async () => {
    await using visitor = await visit(browser);
    const { page, troubles } = visitor;
    await page.goto(server.url);
    await page.click("#block");
    await page.waitForSelector("#blocked:has-text('another request: ')");
    const { bytes, sha256 } = payload(2_000_000);
    const buffer = Buffer.from(bytes);
    await page.setInputFiles("#file", { name: "a.bin", mimeType: "image/png", buffer });
    await page.waitForSelector(`text=${sha256}`);
    await page.click("#write");
    await page.waitForSelector("#journal:has-text('worker')");
    expect(troubles).toEqual([]);
  });

  test("EventSource receives events one by one", async () => {
    await using visitor = await visit(browser);
    const { page, troubles } = visitor;
    await page.goto(server.url);
    const oneByOne = async (everyMs: number): Promise<boolean> => {
      const times = await page.evaluate<number[]>(fiveTicks(everyMs));
      return times[4]! - times[0]! > 2 * everyMs;
    };
    // Events that were held back would arrive together, however slowly they come; those for a page that is paused may too.
    expect((await oneByOne(100)) || (await oneByOne(1500))).toBe(true);
    expect(troubles).toEqual([]);
  });

  test("/docs arrives, and names a schema that the browser can read", async () => {
    await using visitor = await visit(browser);
    const { page, answers, troubles } = visitor;
    await page.goto(`${server.url}/docs`);
    expect(answers.get("/docs")).toBe(200);
    expect(await page.title()).toBe("Keelback example - Swagger UI");
    const paths = await page.evaluate(async () => {
      const schema = (await (await fetch("/openapi.json")).json()) as { paths: object };
      return Object.keys(schema.paths);
    });
    expect(paths).toContain("/items/{number}");
    // Swagger UI itself comes from another host, which tests do not ask: without it its start fails, and only that.
    const ours = troubles.filter((trouble) => trouble.includes(`${server.url}/openapi`));
    expect(ours).toEqual([]);
  });
});
