/** What a person sees when the server starts, or does not. Pure. */
import type { Config } from "../config/config.ts";
import type { Listener } from "../net/open-result.ts";
import { failureText } from "../supervisor/failure.ts";
import type { Failure } from "../supervisor/failure.ts";
import type { AppFacts } from "../supervisor/workers/conversation.ts";
import { VERSION } from "./version.ts";

export interface ScreenInput {
  readonly config: Config;
  readonly facts: AppFacts;
  /** Where the app was found when none was named, else null. */
  readonly why: string | null;
  readonly interpreter: string;
  readonly listeners: readonly Listener[];
  readonly readyMs: number;
}

export function screen(input: ScreenInput): string {
  const rows = [
    ["app", appText(input)],
    ["python", pythonText(input)],
    ["workers", workersText(input)],
    ...input.listeners.map((listener) => ["listening", addressText(listener, isTls(input))]),
  ];
  const body = rows.map(([name = "", text = ""]) => `  ${name.padEnd(10)} ${text}\n`).join("");
  return `keelback ${VERSION}\n${body}  Ready in ${Math.round(input.readyMs)} ms\n`;
}

/** The same for programs. */
export function screenFields(input: ScreenInput): Record<string, string | number> {
  return {
    version: VERSION,
    app: appText(input),
    python: pythonText(input),
    workers: workersText(input),
    listening: input.listeners.map((listener) => addressText(listener, isTls(input))).join(" "),
    ready_ms: Math.round(input.readyMs),
  };
}

function appText({ facts, why }: ScreenInput): string {
  return why === null ? facts.found : `${facts.found}, from ${why}`;
}

function pythonText({ facts, interpreter }: ScreenInput): string {
  return `${facts.python}${facts.freeThreaded ? " free-threaded" : ""} (${interpreter})`;
}

function workersText({ config, facts }: ScreenInput): string {
  const kind = config.worker === "auto" ? kindOf(facts) : config.worker;
  const detail = {
    asyncio: ` (${facts.loop})`,
    threads: ` (up to ${facts.threads} threads each)`,
    sync: "",
  }[kind];
  const edges = config.edges === 1 ? "" : `, ${config.edges} edges`;
  return `${config.workers} x ${kind}${detail}${edges}${config.reload ? ", reload" : ""}`;
}

function kindOf(facts: AppFacts): "asyncio" | "threads" {
  return facts.interface === "asgi" ? "asyncio" : "threads";
}

function isTls({ config }: ScreenInput): boolean {
  return config.certfile.length > 0;
}

/** As a client writes it. */
export function addressText(listener: Listener, tls: boolean): string {
  const { kind, address, protocol, redirectTo, passedAs } = listener;
  const passed = passedAs === null ? "" : ` (passed as ${passedAs})`;
  if (protocol !== "http")
    return `${protocol}://${kind === "unix" ? "unix:" : ""}${address}${passed}`;
  if (kind === "unix") return `unix:${address}${passed}`;
  if (redirectTo !== null) return `http://${address} (sends clients to HTTPS)${passed}`;
  return `${tls ? "https" : "http"}://${address}${passed}`;
}

export function failureScreen(failure: Failure): string {
  return `keelback: ${failureText(failure)}\n`;
}
