/**
 * `keelback compare [APP]`: measures the servers of the app's environment with the app. Exit codes: 0 done, 1 it could not be done, 2 the
 * command is wrong, 3 something became worse (`--against`), 4 the two reports cannot be compared, 130 Ctrl-C before anything was measured.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import type { FrontName } from "../compare/behind.ts";
import { withoutEmptyRounds } from "../compare/empty-rounds.ts";
import { findProgram } from "../compare/find.ts";
import { loadHost } from "../compare/guard.ts";
import type { Installed } from "../compare/install.ts";
import { install } from "../compare/install.ts";
import { builtin } from "../compare/load/builtin.ts";
import type { ClosedTool } from "../compare/load/closed.ts";
import { described, installedTools } from "../compare/load/closed.ts";
import type { Cores } from "../compare/machine.ts";
import { describeMachine, findCores, pinTo } from "../compare/machine.ts";
import type { Lab } from "../compare/measure.ts";
import type { Pace, Part } from "../compare/plan.ts";
import { DEFAULT_PACE, durationText, estimate, fit } from "../compare/plan.ts";
import { Progress } from "../compare/progress.ts";
import { against } from "../compare/report/against.ts";
import type { Comparison } from "../compare/report/against.ts";
import { renderAgainst } from "../compare/report/against-text.ts";
import type { TextOptions } from "../compare/report/grid.ts";
import { wrapped } from "../compare/report/grid.ts";
import { renderMarkdown } from "../compare/report/markdown.ts";
import { renderPage } from "../compare/report/page.ts";
import { renderTable } from "../compare/report/table.ts";
import type { Outcome } from "../compare/run.ts";
import { toolOf } from "../compare/rounds.ts";
import { run } from "../compare/run.ts";
import { killServers } from "../compare/server-process.ts";
import type { LoadTool, Report } from "../compare/types.ts";
import { quote } from "../config/problem.ts";
import { EXIT_USAGE } from "./command.ts";
import type { CompareArguments } from "./compare-arguments.ts";
import { parseCompare } from "./compare-arguments.ts";
import type { Prepared, Subject } from "./compare-prepare.ts";
import { CannotCompare, findSubject, installNames, prepare } from "./compare-prepare.ts";
import { writeOut } from "./output.ts";
import { VERSION } from "./version.ts";

const EXIT_FAILED = 1;
const EXIT_WORSE = 3;
const EXIT_INCOMPARABLE = 4;
const EXIT_INTERRUPTED = 130;
/** Requests that the plan names. */
const SHOWN_MAX = 3;
const COLUMNS = { usual: 100, least: 80, most: 200 };
/** A machine that is busier than this share of its cores spoils figures. */
const BUSY_SHARE = 0.3;

/** `argv` is what follows `compare`. Resolves with the exit code. */
export async function runCompare(argv: readonly string[]): Promise<number> {
  const parsed = parseCompare(argv);
  if (parsed.kind === "help") return print(parsed.text);
  if (parsed.kind === "wrong") return complain(parsed.text, EXIT_USAGE);
  const interruption = listenForInterruption();
  try {
    return await Promise.race([
      compare(parsed.arguments, argv, interruption.signal),
      interruption.end,
    ]);
  } catch (error) {
    if (interruption.signal.aborted) return EXIT_INTERRUPTED;
    if (!(error instanceof CannotCompare)) throw error;
    return complain(error.message, error.usage ? EXIT_USAGE : EXIT_FAILED);
  } finally {
    interruption[Symbol.dispose]();
  }
}

interface Interruption extends Disposable {
  /** Aborted by the first Ctrl-C: what is measured is kept. */
  readonly signal: AbortSignal;
  /** Resolves at the second one. */
  readonly end: Promise<number>;
}

function listenForInterruption(): Interruption {
  const controller = new AbortController();
  const { promise, resolve: end } = Promise.withResolvers<number>();
  const interrupted = (): void => {
    if (controller.signal.aborted) {
      killServers();
      end(EXIT_INTERRUPTED);
      return;
    }
    say("\nstopping; what was measured is kept (Ctrl-C again ends at once)\n");
    controller.abort();
  };
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", interrupted);
  const dispose = (): void => {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
  };
  return { signal: controller.signal, end: promise, [Symbol.dispose]: dispose };
}

async function compare(
  given: CompareArguments,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const started = performance.now();
  const old = readOld(given.against);
  const front = frontOf(given.behind);
  const subject = await findSubject(given);
  const cores = findCores();
  const tools = toolsFor(given);
  using installed = await installServers(given, subject, signal);
  const prepared = await prepare({ given, subject, cores, installed });
  const parts = prepared.entries.map(partOf);
  const spent = (performance.now() - started) / 1000;
  const pace = paceFor(given, parts, spent);
  showPlan({ subject, prepared, pace, tools, cores, given, seconds: estimate(parts, pace) });
  if (given.list) return 0;
  const machine = { ...describeMachine(cores), python: versionOf(subject.python) };
  const scratch = mkdtempSync(join(tmpdir(), "keelback-compare-"));
  try {
    const progress = new Progress(progressOutput(), estimate(parts, pace));
    const lab: Lab = {
      ...{ serverPin: pinTo(cores.server), scratch, signal, tools, front },
      load: loadHost(cores.load, signal),
      spin: cores.load.length > 0,
    };
    const { budgetSeconds } = given;
    const deadline = budgetSeconds === null ? undefined : started + budgetSeconds * 1000;
    const busy = (loadavg()[0] ?? 0) / Math.max(1, navigator.hardwareConcurrency);
    const outcome = await run(prepared.entries, {
      ...{ pace, lab, progress, deadline, rate: given.rate },
    });
    progress.end();
    const report = reportOf({
      ...{ given, argv, subject, prepared, pace, machine, cores, tools, outcome, busy },
    });
    return finish(report, given, old);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function toolsFor({ load }: CompareArguments): readonly ClosedTool[] {
  const tools = installedTools(load);
  if (load === null || tools[0]?.name === load) return tools;
  const names = tools.map(({ name }) => (name === "keelback" ? "builtin" : name)).join(", ");
  throw new CannotCompare(`--load: ${load} is not installed; there are ${names}`);
}

function frontOf(name: FrontName | null): Lab["front"] {
  if (name === null) return undefined;
  const program = findProgram(name);
  if ("missing" in program) throw new CannotCompare(`--behind: ${program.missing}`, false);
  return { name, path: program.path };
}

async function installServers(
  { install: names }: CompareArguments,
  { python }: Subject,
  signal: AbortSignal,
): Promise<Installed | null> {
  if (names.length === 0) return null;
  const onBegin = (name: string): void => {
    say(`installing ${name} into a throw-away environment\n`);
  };
  return install(installNames(names), python, { onBegin, signal });
}

function partOf({ scenario, contenders, ceiling }: Prepared["entries"][number]): Part {
  const able = contenders.filter(({ failure }) => failure === undefined).length;
  return { scenario, contenders: able + (ceiling === undefined ? 0 : 1) };
}

function paceFor(given: CompareArguments, parts: readonly Part[], spent: number): Pace {
  const { rounds, seconds, budgetSeconds } = given;
  if (budgetSeconds !== null) return fit(parts, budgetSeconds - spent, { rounds, seconds });
  return { rounds: rounds ?? DEFAULT_PACE.rounds, seconds: seconds ?? DEFAULT_PACE.seconds };
}

interface Plan {
  readonly subject: Subject;
  readonly prepared: Prepared;
  readonly pace: Pace;
  readonly tools: readonly ClosedTool[];
  readonly cores: Cores;
  readonly given: CompareArguments;
  readonly seconds: number;
}

function showPlan({ subject, prepared, pace, tools, cores, given, seconds }: Plan): void {
  const tell = given.list ? print : say;
  const columns = columnsOf(given.list ? process.stdout : process.stderr);
  const fact = (name: string, text: string): void => {
    const lines = wrapped(text, columns, `  ${name.padEnd(10)} `, " ".repeat(13));
    tell(`${lines.join("\n")}\n`);
  };
  tell(`keelback compare: ${subject.found}\n`);
  for (const { scenario, contenders } of prepared.entries) {
    const names = contenders.map(({ name, failure }) =>
      failure === undefined ? name : `(${name})`,
    );
    fact(scenario.name, names.join(", "));
  }
  for (const { name, failure } of prepared.entries[0]?.contenders ?? []) {
    if (failure !== undefined) fact("", `${name}: ${failure.split("\n", 1)[0] ?? ""}`);
  }
  if (prepared.missing.length > 0 && given.servers === null) {
    const names = prepared.missing.join(", ");
    fact("not here", `${names} (--install NAME,... adds them, in a throw-away environment)`);
  }
  const [only, ...others] = prepared.entries;
  if (only !== undefined && others.length === 0) fact("each", loadText(only));
  const closed = closedTools(prepared, tools).map(({ name, version }) => `${name} ${version}`);
  fact("load", `throughput by ${closed.join(", ")}; latency by Keelback's open loop`);
  const pinned = `servers on ${cores.server.join(", ")}, load on ${cores.load.join(", ")}`;
  fact("cores", cores.note === "" ? pinned : cores.note);
  const { rounds } = pace;
  const turns = `${rounds} ${rounds === 1 ? "round" : "rounds"} of ${pace.seconds} s loads, in turns`;
  fact("takes", `about ${durationText(seconds)}: ${turns}`);
}

/** What every server is asked, and how it is to run. */
function loadText({ scenario, setup }: Prepared["entries"][number]): string {
  const { load } = scenario;
  const { workers, threads } = setup;
  const many = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;
  const by = `${many(workers, "worker")}${threads === undefined ? "" : ` of ${many(threads, "thread")}`}`;
  const asked =
    load.kind === "http" ? load.requests.map(({ method, path }) => `${method} ${path}`) : [];
  const more = asked.length > SHOWN_MAX ? ` and ${asked.length - SHOWN_MAX} more` : "";
  const what =
    asked.length === 0 ? scenario.title : `${asked.slice(0, SHOWN_MAX).join(", ")}${more}`;
  return `${by}, ${what} on ${many(load.connections, "connection")}`;
}

/** Who measures throughput in these scenarios. */
function closedTools(prepared: Prepared, tools: readonly ClosedTool[]): readonly LoadTool[] {
  const used = new Set(prepared.entries.map(({ scenario }) => toolOf(scenario, tools)));
  return [...used].map(described);
}

function progressOutput(): ConstructorParameters<typeof Progress>[0] {
  return {
    terminal: process.stderr.isTTY,
    columns: process.stderr.columns ?? COLUMNS.usual,
    write: (text) => void process.stderr.write(text),
  };
}

interface ReportInput extends Omit<Plan, "seconds"> {
  readonly argv: readonly string[];
  readonly machine: Readonly<Record<string, string>>;
  readonly outcome: Outcome;
  readonly busy: number;
}

function reportOf(input: ReportInput): Report {
  const { subject, prepared, pace, tools, cores, given, argv, machine, outcome, busy } = input;
  const closed = closedTools(prepared, tools);
  const own = closed.some(({ name }) => name === "keelback") ? [] : [described(builtin)];
  const notes = [
    ...outcome.notes,
    ...(cores.note === "" ? [] : [cores.note]),
    ...(busy > BUSY_SHARE ? [busyText(busy)] : []),
    ...(given.behind === null
      ? []
      : [`${given.behind} stands in front of every server; its cost is counted`]),
  ];
  return {
    schema: 1,
    tool: { name: "keelback", version: VERSION },
    date: new Date().toISOString(),
    command: ["keelback compare", ...argv.map(word)].join(" "),
    app: subject.app ?? "hello",
    ...{ rounds: pace.rounds, seconds: pace.seconds, partial: outcome.partial, machine, notes },
    loadTools: [...closed, ...own],
    scenarios: outcome.scenarios.map(withoutEmptyRounds),
  };
}

function busyText(share: number): string {
  const cores = Math.max(1, navigator.hardwareConcurrency);
  const load = `load average ${(share * cores).toFixed(1)} on ${cores} ${cores === 1 ? "core" : "cores"}`;
  return `the machine was busy when this began (${load}): figures are lower and less steady than alone`;
}

function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function versionOf(python: string): string {
  const { stdout, stderr } = Bun.spawnSync([python, "--version"]);
  return `${stdout.toString()}${stderr.toString()}`.trim().replace("Python ", "");
}

function readOld(path: string | null): Report | null {
  if (path === null) return null;
  try {
    const old = JSON.parse(readFileSync(path, "utf8")) as Report;
    if (old.schema === 1 && Array.isArray(old.scenarios)) return old;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CannotCompare(`--against: ${quote(path)} cannot be read: ${why}`);
  }
  throw new CannotCompare(`--against: ${quote(path)} is no report of keelback compare`);
}

function finish(report: Report, given: CompareArguments, old: Report | null): number {
  const measured = report.scenarios.some(({ rows }) =>
    rows.some(({ rounds }) => rounds.length > 0),
  );
  const options = textOptions();
  if (given.json) print(`${JSON.stringify(report, undefined, 2)}\n`);
  else print(renderTable(report, options));
  const written = given.noFiles || !measured ? [] : writeFiles(report, given);
  const places = written.map((path) => relative(process.cwd(), path) || path);
  if (places.length > 0) say(`\nwrote ${places.join(", ")}\n`);
  if (!measured) return report.partial ? EXIT_INTERRUPTED : EXIT_FAILED;
  if (old === null) return 0;
  const comparison = against(old, report);
  const text = renderAgainst(comparison, options);
  if (given.json) say(`\n${text}`);
  else print(`\n${text}`);
  return judge(comparison);
}

/** Where the machine or the app is another one, "worse" would accuse a change of the app, and "not worse" would acquit it. */
function judge({ comparable, differences, tally, remarks }: Comparison): number {
  if (!comparable) {
    const what = differences.filter(({ spoils }) => spoils).map((each) => each.what);
    const text = `--against: these two reports cannot be compared, as they differ in ${what.join(", ")}`;
    return complain(`${text}; measure the old state again here`, EXIT_INCOMPARABLE);
  }
  const worse = tally.worse > 0 || remarks.some((remark) => remark.worse);
  return worse ? EXIT_WORSE : 0;
}

function writeFiles(report: Report, given: CompareArguments): string[] {
  const directory = resolve(given.output);
  const html = given.html === null ? join(directory, "keelback-compare.html") : resolve(given.html);
  const files: [string, string][] = [
    [html, renderPage(report)],
    [join(directory, "keelback-compare.json"), `${JSON.stringify(report, undefined, 1)}\n`],
  ];
  if (given.markdown !== null) files.push([resolve(given.markdown), renderMarkdown(report)]);
  try {
    mkdirSync(directory, { recursive: true });
    for (const [path, text] of files) writeFileSync(path, text);
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error), EXIT_FAILED);
    return [];
  }
  return files.map(([path]) => path);
}

function textOptions(): TextOptions {
  const colour = process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "";
  return { columns: columnsOf(process.stdout), colour };
}

function columnsOf({ columns }: NodeJS.WriteStream): number {
  return Math.min(COLUMNS.most, Math.max(COLUMNS.least, columns ?? COLUMNS.usual));
}

function print(text: string): number {
  writeOut(text);
  return 0;
}

/** To stderr: what goes on. */
function say(text: string): number {
  process.stderr.write(text);
  return 0;
}

function complain(text: string, code: number): number {
  process.stderr.write(`keelback: compare: ${text}\n`);
  return code;
}
