/** The comparison's page in a real browser: drawn, inert, readable on a phone and on paper, light and dark, and by keyboard. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { renderPage } from "../../src/compare/report/page.ts";
import { DARK, LIGHT } from "../../src/compare/report/palette.ts";
import { fullReport } from "../support/comparison.ts";
import { launch, missing, titled, visit } from "./support.ts";

setDefaultTimeout(60_000);

const report = fullReport();
const [hello, , sweep] = report.scenarios;
const WITH_FIGURES = (hello?.rows ?? []).filter((row) => row.failure === undefined);
const PHONE = { width: 375, height: 812 };

/** What is drawn wider than the window, other than what scrolls by itself. */
const WIDER = `[...document.querySelectorAll("body *")]
  .filter((each) => !each.closest(".scroll") && each.getBoundingClientRect().right > innerWidth + 1)
  .map((each) => each.tagName + "." + (each.getAttribute("class") ?? ""))`;

const SCROLLS = "document.documentElement.scrollWidth > innerWidth";

describe.skipIf(missing !== null)(titled("the comparison's page"), () => {
  let browser: Browser;
  let server: Bun.Server<undefined>;
  let url = "";

  beforeAll(async () => {
    const page = renderPage(report);
    const headers = { "content-type": "text/html; charset=utf-8" };
    const fetch = (): Response => new Response(page, { headers });
    server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
    url = server.url.href;
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop(true);
  });

  /** Runs `look` on the page and checks what must hold however it is shown: no errors, no dialogs, nothing asked of anyone. */
  async function open(
    options: BrowserContextOptions,
    look: (page: Page) => Promise<void>,
  ): Promise<void> {
    await using visitor = await visit(browser, options);
    const { page, troubles } = visitor;
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("dialog", (dialog) => {
      asked.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(url);
    await look(page);
    expect(troubles).toEqual([]);
    expect(asked.filter((each) => each !== url && !each.startsWith("data:"))).toEqual([]);
  }

  test("charts have a mark for every row", async () => {
    await open({ viewport: { width: 1200, height: 900 } }, async (page) => {
      const first = page.locator("#scenario-1");
      const bars = first.locator("figure").first();
      expect(await bars.locator("rect.mark").count()).toBe(WITH_FIGURES.length);
      expect(await first.locator("figure.plot path.mark").count()).toBe(WITH_FIGURES.length);
      expect(await first.locator(".times path.mark").count()).toBe(WITH_FIGURES.length);
      expect(await first.locator(".cost rect.mark").count()).toBe(3 * WITH_FIGURES.length);
      expect(await page.locator("#scenario-3 path.knee").count()).toBe(sweep?.rows.length ?? 0);
      expect(await page.locator(".cards > li").count()).toBe(report.scenarios.length);
    });
  });

  test("bars are as long as their figures", async () => {
    await open({ viewport: { width: 1200, height: 900 } }, async (page) => {
      const width = async (name: string): Promise<number> => {
        const row = page.locator("#scenario-1 figure").first().locator("li", { hasText: name });
        return (await row.locator("rect.mark").boundingBox())?.width ?? 0;
      };
      const shown = async (name: string): Promise<number> => {
        const row = page.locator("#scenario-1 figure").first().locator("li", { hasText: name });
        return Number((await row.locator("b").innerText()).replace(",", ""));
      };
      const [longer, shorter] = ["bjoern", "waitress"] as const;
      const drawn = (await width(longer)) / (await width(shorter));
      expect(drawn).toBeCloseTo((await shown(longer)) / (await shown(shorter)), 1);
    });
  });

  test("a curve goes when its box in the legend does, by keyboard", async () => {
    await open({ viewport: { width: 1200, height: 900 } }, async (page) => {
      const plot = page.locator("#scenario-3 figure.plot");
      const curves = plot.locator("path.mark:visible");
      expect(await curves.count()).toBe(3);
      await plot.getByRole("checkbox", { name: /^granian/ }).focus();
      await page.keyboard.press("Space");
      expect(await curves.count()).toBe(2);
      await page.keyboard.press("Space");
      expect(await curves.count()).toBe(3);
    });
  });

  test.each([320, 375, 768, 1200])("nothing is wider than a window of %i pixels", async (width) => {
    await open({ viewport: { width, height: 800 } }, async (page) => {
      await page.evaluate(
        "document.querySelectorAll('details').forEach((each) => each.open = true)",
      );
      expect(await page.evaluate<string[]>(WIDER)).toEqual([]);
      expect(await page.evaluate<boolean>(SCROLLS)).toBe(false);
    });
  });

  test("on a phone, text is as large as elsewhere and the first winner is on the first screen", async () => {
    await open({ viewport: PHONE, deviceScaleFactor: 2, isMobile: true }, async (page) => {
      const winner = await page.locator(".who").first().boundingBox();
      expect((winner?.y ?? Number.POSITIVE_INFINITY) + (winner?.height ?? 0)).toBeLessThan(
        PHONE.height,
      );
      const smallest =
        await page.evaluate<number>(`Math.min(...[...document.querySelectorAll("body *")]
        .filter((each) => each.getClientRects().length > 0)
        .map((each) => parseFloat(getComputedStyle(each).fontSize)))`);
      expect(smallest).toBeGreaterThanOrEqual(11);
    });
  });

  test.each([
    ["light", LIGHT],
    ["dark", DARK],
  ] as const)("%s, as the reader has it", async (colorScheme, theme) => {
    await open({ colorScheme }, async (page) => {
      const colour = (selector: string, property: string): Promise<string> =>
        page.evaluate<string>(
          `getComputedStyle(document.querySelector("${selector}")).getPropertyValue("${property}")`,
        );
      expect(await colour("body", "background-color")).toBe(rgb(theme.paper));
      expect(await colour("body", "color")).toBe(rgb(theme.ink));
      expect(await colour("rect.best", "fill")).toBe(rgb(theme.best));
    });
  });

  test("on paper it is light, whole and no wider than the sheet", async () => {
    const sheet = { width: 718, height: 1000 };
    await open({ viewport: sheet, colorScheme: "dark" }, async (page) => {
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      const background = "getComputedStyle(document.body).backgroundColor";
      expect(await page.evaluate<string>(background)).toBe("rgb(255, 255, 255)");
      expect(await page.locator("#scenario-1 table").isVisible()).toBe(true);
      expect(await page.locator("#scenario-1 pre").first().isVisible()).toBe(true);
      expect(await page.evaluate<boolean>(SCROLLS)).toBe(false);
      const pdf = await page.pdf({ format: "A4" });
      expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    });
  });

  test("pictures have words, headings go down one by one, and what scrolls can be focused", async () => {
    await open({ viewport: PHONE }, async (page) => {
      const silent = `[...document.querySelectorAll("svg")].filter((each) =>
        !each.closest("[aria-hidden=true]") && !each.parentElement.closest("svg") &&
        !(each.getAttribute("role") === "img" && each.getAttribute("aria-label"))).length`;
      expect(await page.evaluate<number>(silent)).toBe(0);
      const described = page.getByRole("img", { name: /^Latency by percentile\. .*keelback: P99/ });
      expect(await described.count()).toBeGreaterThan(0);
      const levels = await page.evaluate<number[]>(
        `[...document.querySelectorAll("h1,h2,h3")].map((each) => Number(each.tagName[1]))`,
      );
      expect(levels[0]).toBe(1);
      expect(levels.every((level, i) => i === 0 || level - (levels[i - 1] ?? 0) <= 1)).toBe(true);
      const scrolling = `[...document.querySelectorAll(".scroll")].every((each) => each.tabIndex === 0)`;
      expect(await page.evaluate<boolean>(scrolling)).toBe(true);
      expect(await page.locator("script, img").count()).toBe(0);
    });
  });
});

function rgb(hex: string): string {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return `rgb(${parts.join(", ")})`;
}
