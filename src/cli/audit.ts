/**
 * `keelback audit [APP]`: what each route of the app costs, and which settings suit it. Exit codes: 0 done, 1 it failed, 2 the command is
 * wrong, 130 ended by Ctrl-C before anything was measured.
 */
import { accessSync, constants, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { findPySpy, PY_SPY_MISSING } from "../audit/flame.ts";
import { renderPage } from "../audit/page.ts";
import { audit } from "../audit/run.ts";
import { renderText } from "../audit/text.ts";
import type { Traffic } from "../audit/traffic.ts";
import { readTraffic } from "../audit/traffic.ts";
import type { AuditReport } from "../audit/types.ts";
import { errorText } from "../observe/log.ts";
import { ownCommand } from "./again.ts";
import type { AuditArguments } from "./audit-arguments.ts";
import { meant, parseAudit } from "./audit-arguments.ts";
import { AUDIT_HELP } from "./audit-text.ts";
import { checkConfig } from "./check.ts";
import { EXIT_USAGE, parseCommand, problemText } from "./command.ts";
import { findInterpreter } from "./interpreter.ts";
import { VERSION } from "./version.ts";
import { writeOut } from "./output.ts";

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;
const COLUMNS = { least: 80, most: 160, unknown: 120 };
const VERIFY = { rounds: 3, seconds: 3 };

/** `argv` is what follows `audit`. Resolves with the exit code. */
export async function runAudit(argv: readonly string[]): Promise<number> {
  const parsed = parseAudit(argv);
  if (parsed.kind === "help") return say(AUDIT_HELP);
  if (parsed.kind === "wrong") return complain(parsed.text, EXIT_USAGE);
  const options = parsed.arguments;
  const command = parseCommand(options.rest);
  if (command.name === "usage") {
    const text = problemText(command.problems);
    process.stderr.write(text);
    const words = options.rest.filter((word) => text.includes(word));
    const near = words.map(meant).find((option) => option !== null);
    return near === undefined ? EXIT_USAGE : complain(`did you mean ${near}?`, EXIT_USAGE);
  }
  if (command.name !== "serve") {
    return complain(`${options.rest.join(" ")}: is no option of an audit`, EXIT_USAGE);
  }
  const { config, sources } = command;
  const problems = checkConfig({ ...config, accessLog: null, logFile: null, pid: null }, true);
  const python = findInterpreter({
    ...{ python: config.python, chdir: config.chdir, cwd: process.cwd(), env: process.env },
  });
  if ("problem" in python || problems.length > 0) {
    process.stderr.write(problemText("problem" in python ? [python.problem] : problems));
    return EXIT_USAGE;
  }
  const traffic = trafficOf(options);
  if (traffic !== null && "complaint" in traffic) return complain(traffic.complaint, EXIT_USAGE);
  const flame = flameOf(options, python.path);
  if (flame !== null && "complaint" in flame) return complain(flame.complaint, EXIT_FAILED);
  const unwritable = [options.html, options.flame].find(
    (file) => file !== null && !isWritable(file),
  );
  if (typeof unwritable === "string")
    return complain(`${unwritable} cannot be written`, EXIT_USAGE);
  const ending = new AbortController();
  const interrupted = (): void => ending.abort();
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", interrupted);
  const progress = new Progress(process.stderr.isTTY);
  try {
    const report = await audit({
      ...{ config, sources, traffic, flame, version: VERSION, signal: ending.signal },
      program: ownCommand([]),
      command: `keelback audit ${argv.join(" ")}`,
      clients: options.clients,
      rate: options.rate,
      seconds: options.live ?? options.seconds,
      verify: options.verify
        ? { ...VERIFY, seconds: Math.min(VERIFY.seconds, options.seconds) }
        : null,
      progress: (text, share) => progress.show(text, share),
      say: (text) => progress.say(text),
    });
    progress.clear();
    return tell(report, options);
  } catch (error) {
    progress.clear();
    if (ending.signal.aborted) return complain("ended before there was a result", EXIT_INTERRUPTED);
    return complain(errorText(error), EXIT_FAILED);
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
  }
}

function trafficOf(options: AuditArguments): Traffic | { readonly complaint: string } | null {
  const { live, log, scenario, paths, headers } = options;
  if (live !== null) return null;
  if (log !== null) return readTraffic({ from: "log", file: log }, headers);
  if (scenario !== null) return readTraffic({ from: "scenario", file: scenario }, headers);
  return readTraffic({ from: "paths", paths }, headers);
}

type Flame = { readonly program: string; readonly file: string };

function flameOf(
  { flame }: AuditArguments,
  python: string,
): Flame | { readonly complaint: string } | null {
  if (flame === null) return null;
  const program = findPySpy(python);
  return program === null ? { complaint: PY_SPY_MISSING } : { program, file: flame };
}

function isWritable(file: string): boolean {
  try {
    accessSync(dirname(file), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function tell(report: AuditReport, { html, json, flame }: AuditArguments): number {
  if (html !== null) writeFileSync(html, renderPage(report));
  if (json) return say(`${JSON.stringify(report, null, 1)}\n`);
  const { isTTY, columns } = process.stdout;
  const width = Math.min(COLUMNS.most, Math.max(COLUMNS.least, isTTY ? columns : COLUMNS.unknown));
  const colour = isTTY && (process.env["NO_COLOR"] ?? "") === "";
  say(renderText(report, { columns: width, colour, ascii: !/utf-?8/i.test(localeOf()) }));
  const failed = report.notes.some((note) => note.startsWith("py-spy"));
  if (flame !== null && !failed) say(`\nflame graph: ${flame}\n`);
  if (html !== null) say(`\npage: ${html}\n`);
  return 0;
}

function localeOf(): string {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  return [LC_ALL, LC_CTYPE, LANG].find((name) => name !== undefined && name !== "") ?? "";
}

/** One line on a terminal that is written again and again; nothing elsewhere. */
class Progress {
  readonly #shown: boolean;

  constructor(shown: boolean) {
    this.#shown = shown;
  }

  show(text: string, share: number): void {
    if (this.#shown) process.stderr.write(`\r\u001b[K${text} ${Math.round(share * 100)} %`);
  }

  say(text: string): void {
    this.clear();
    process.stderr.write(`${text}\n`);
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\u001b[K");
  }
}

function say(text: string): number {
  writeOut(text);
  return 0;
}

function complain(text: string, code: number): number {
  process.stderr.write(`keelback: audit: ${text}\n`);
  return code;
}
