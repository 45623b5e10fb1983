/** The FastAPI example over HTTP/3 in a real browser. */
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { payload, serveExample } from "../interop/support.ts";
import { testCertificate } from "../support/certificate.ts";
import type { TestServer } from "../support/server.ts";
import { launch, missing, titled, visit } from "./support.ts";

setDefaultTimeout(60_000);

const NEXT_HOP = "performance.getEntriesByType('navigation')[0].nextHopProtocol";

/** What Chromium calls the certificate: over QUIC it takes no other word for one that nobody has signed. */
function keyHash(path: string): string {
  const { publicKey } = new X509Certificate(readFileSync(path));
  const key = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

describe.skipIf(missing !== null)(titled("HTTP/3 in a browser"), () => {
  let browser: Browser;
  let server: TestServer;

  beforeAll(async () => {
    const { certificate, key } = testCertificate();
    const tls = ["--certfile", certificate, "--keyfile", key, "--http3"];
    server = await serveExample("fastapi_app", {
      app: "main:app",
      args: ["--workers", "1", ...tls],
    });
    browser = await launch([
      `--origin-to-force-quic-on=127.0.0.1:${server.port}`,
      `--ignore-certificate-errors-spki-list=${keyHash(certificate)}`,
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    expect(await server.stop()).toBe(0);
  });

  async function open(page: Page): Promise<void> {
    await page.goto(server.url);
    await page.waitForSelector("text=python: 3");
    expect(await page.evaluate<string>(NEXT_HOP)).toBe("h3");
  }

  test("the page opens, and streams events", async () => {
    await using visitor = await visit(browser);
    const { page, troubles } = visitor;
    await open(page);
    await page.waitForSelector("text=tick 1 at");
    expect(troubles).toEqual([]);
  });

  test("an upload arrives", async () => {
    await using visitor = await visit(browser);
    const { page, troubles } = visitor;
    await open(page);
    const { bytes, sha256 } = payload(2_000_000);
    const buffer = Buffer.from(bytes);
    await page.setInputFiles("#file", { name: "a.bin", mimeType: "image/png", buffer });
    await page.waitForSelector(`text=${sha256}`);
    expect(troubles).toEqual([]);
  });
});
