/** A page's WebSockets in a real browser: over HTTP/1.1, and over HTTP/2 on the connection that brought the page. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { Site } from "../integration/websocket/asgi-site.ts";
import { launch, missing, titled, visit } from "./support.ts";

setDefaultTimeout(60_000);

const NEXT_HOP = "performance.getEntriesByType('navigation')[0].nextHopProtocol";

describe.skipIf(missing !== null)(titled("WebSockets of a page"), () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(["--disable-quic", "--ignore-certificate-errors"]);
  });
  afterAll(() => browser?.close());

  test.each([
    ["h1", "http/1.1", "ws over 1.1"],
    ["h2 over TLS", "h2", "wss over 2"],
  ] as const)("over %s", async (transport, hop, over) => {
    await using site = await Site.start({ transport });
    await using visitor = await visit(browser);
    const { page, troubles } = visitor;
    await page.goto(`${site.server.url}/page`);
    expect(await page.evaluate<string>(NEXT_HOP)).toBe(hop);
    await page.waitForSelector("text=closed");
    await page.waitForSelector("text=over");
    const lines = await page.locator("li").allTextContents();
    expect(lines.filter((line) => line !== over)).toEqual([
      "protocol two permessage-deflate",
      "text grüß dich",
      "bytes 1000000 true",
      "closed 1000 true",
    ]);
    expect(lines).toContain(over);
    expect(troubles).toEqual([]);
  });
});
