/**
 * Debian's Chromium, driven by playwright-core, in a profile of its own. A visit keeps what a person with the developer tools
 * open would see: errors in the console, exceptions of scripts, requests that failed or were answered with an error.
 */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { examplesPython } from "../support/server.ts";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const START_TIMEOUT_MS = 30_000;
const STEP_TIMEOUT_MS = 30_000;

/** Why these tests can't run here, or null. `make setup`'s part for tests installs both. */
export const missing: string | null = reasonToSkip();

function reasonToSkip(): string | null {
  if (!existsSync(CHROMIUM)) return `${CHROMIUM} is not installed (apt-get install chromium)`;
  if (examplesPython() === undefined) return "the examples' environment is missing (make setup)";
  return null;
}

/** Skips are seen by their names: the reason is part of them. */
export function titled(name: string): string {
  return missing === null ? name : `${name} (${missing})`;
}

export function launch(extra: readonly string[] = ["--disable-quic"]): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [...ARGS, ...extra],
    timeout: START_TIMEOUT_MS,
  });
}

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong so far. */
  readonly troubles: readonly string[];
  /** Path and status of each answer so far, without the query. */
  readonly answers: ReadonlyMap<string, number>;
}

/** A page with empty cookies, cache and storage. Only this machine is asked: other hosts' requests fail at once. */
export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options);
  await context.route(
    (url) => url.hostname !== "127.0.0.1",
    (route) => route.abort(),
  );
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_TIMEOUT_MS);
  const troubles: string[] = [];
  const answers = new Map<string, number>();
  page.on("console", (message) => {
    const { url } = message.location();
    if (message.type() === "error") troubles.push(`console: ${message.text()} (${url})`);
  });
  page.on("pageerror", (error) => troubles.push(`script: ${error.message}`));
  page.on("response", (response) => {
    answers.set(new URL(response.url()).pathname, response.status());
    if (response.status() >= 400) troubles.push(`${response.status()}: ${response.url()}`);
  });
  return { page, troubles, answers, [Symbol.asyncDispose]: () => context.close() };
}
