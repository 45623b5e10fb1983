/**
 * `keelback serve` and `--check-config`: finds the app, its interpreter and the addresses, then
 * runs the supervisor to its end. Exit codes: 0 stopped as asked, 1 the start failed, 2 a setting
 * is wrong.
 */
import { SETTING_ROWS } from "../config/config.ts";
import { planReload } from "../config/rules.ts";
import { monotonic } from "../core/clock.ts";
import { dropStartupCode } from "../net/footprint.ts";
import type { Config } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import type { Listener } from "../net/open-result.ts";
import { closeListeners } from "../net/sockets.ts";
import type { Logger } from "../observe/log.ts";
import { createLogger, errorText } from "../observe/log.ts";
import { failureText } from "../supervisor/failure.ts";
import type { Failure } from "../supervisor/failure.ts";
import type { SignalMeaning } from "../supervisor/signals.ts";
import { listenForSignals } from "../supervisor/signals.ts";
import type { AppFacts } from "../supervisor/conversation.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { hasTerminal } from "../supervisor/terminal.ts";
import { certificateWarnings, checkConfig } from "./check.ts";
import type { Command, Settings } from "./command.ts";
import { EXIT_USAGE, problemText } from "./command.ts";
import { detectApp } from "./detect.ts";
import { findInterpreter } from "./interpreter.ts";
import { openAddresses } from "./listeners.ts";
import { failureScreen, screen, screenFields } from "./screen.ts";

const EXIT_FAILED = 1;

interface Problems {
  readonly problems: readonly Problem[];
}

/** What is needed to start, all found. */
interface Plan {
  readonly config: Config;
  readonly app: string;
  readonly why: string | null;
  readonly interpreter: string;
  readonly startedAt: number;
}

export interface ServeOptions {
  readonly mode: "serve" | "check";
  /** The settings as they are now, for a reload. */
  readonly reread: () => Command;
}

export async function serve(settings: Settings, options: ServeOptions): Promise<number> {
  const plan = makePlan(settings);
  if ("problems" in plan) {
    write(problemText(plan.problems));
    return EXIT_USAGE;
  }
  const { config } = plan;
  const log = createLogger(config.logLevel, config.logFormat);
  for (const note of settings.notes) log.info(`note: ${note}`);
  for (const warning of certificateWarnings(config)) log.warning(warning);
  if (options.mode === "check") return check(plan, log);
  const opened = await openAddresses(config);
  if (!opened.ok) {
    const { message, remedy } = opened.failure;
    write(`keelback: ${message}\nhint: ${remedy}\n`);
    return EXIT_FAILED;
  }
  try {
    return await run(plan, log, { listeners: opened.listeners, reread: options.reread });
  } finally {
    closeListeners(opened.listeners);
  }
}

function makePlan({ config }: Pick<Settings, "config">): Plan | Problems {
  const startedAt = performance.now() - process.uptime() * 1000;
  const problems = checkConfig(config);
  if (problems.length > 0) return { problems };
  const { chdir, python } = config;
  const interpreter = findInterpreter({ python, chdir, cwd: process.cwd(), env: process.env });
  if ("problem" in interpreter) return { problems: [interpreter.problem] };
  const found = { config, interpreter: interpreter.path, startedAt };
  if (config.app !== null) return { ...found, app: config.app, why: null };
  const detected = detectApp({ directory: chdir, env: { ...process.env, ...config.env } });
  if ("problem" in detected) return { problems: [detected.problem] };
  return { ...found, app: detected.app, why: detected.why };
}

interface RunOptions {
  readonly listeners: readonly Listener[];
  readonly reread: () => Command;
}

async function run(plan: Plan, log: Logger, { listeners, reread }: RunOptions): Promise<number> {
  const { config, why, interpreter } = plan;
  const serving = (facts: AppFacts): void => {
    const readyMs = performance.now() - plan.startedAt;
    const input = { config, facts, why, interpreter, listeners, readyMs };
    if (config.logFormat === "json") log.info("ready", screenFields(input));
    else write(screen(input));
    dropStartupCode();
  };
  const waiting = (failure: Failure): void => {
    log.error(`the app does not start; waiting for a change\n${failureText(failure)}`);
  };
  const supervisor = makeSupervisor(plan, log, { listeners, serving, waiting });
  if (supervisor === null) return EXIT_FAILED;
  const reload = makeReload(supervisor, { plan, log, reread });
  const stopListening = listenForSignals(signalHandler(supervisor, log, reload));
  const watcher = config.reload ? await watch(config, supervisor) : null;
  supervisor.start();
  const outcome = await supervisor.done;
  watcher?.close();
  stopListening();
  if (outcome.code !== 0) write(failureScreen(outcome.failure));
  else log.info("stopped");
  return outcome.code;
}

/** Starts one worker without addresses, and ends. */
async function check(plan: Plan, log: Logger): Promise<number> {
  const config: Config = { ...plan.config, workers: 1, edges: 0, reload: false };
  let found = "";
  const supervisor = makeSupervisor({ ...plan, config }, log, {
    listeners: [],
    serving: (facts) => {
      found = facts.found;
      supervisor?.stop();
    },
    waiting: () => {},
  });
  if (supervisor === null) return EXIT_FAILED;
  const stopListening = listenForSignals(signalHandler(supervisor, log, () => {}));
  supervisor.start();
  const outcome = await supervisor.done;
  stopListening();
  if (outcome.code !== 0) write(failureScreen(outcome.failure));
  else if (found !== "") write(`keelback: the settings are right, and ${found} starts\n`);
  return outcome.code === 0 && found === "" ? EXIT_FAILED : outcome.code;
}

interface Wishes {
  readonly listeners: readonly Listener[];
  serving(facts: AppFacts): void;
  waiting(failure: Failure): void;
}

/** A reload reads the settings again: those that can change live do, the others are named. */
function makeReload(
  supervisor: Supervisor,
  options: { readonly plan: Plan; readonly log: Logger; readonly reread: () => Command },
): (reason: string) => void {
  const { log, reread } = options;
  let { plan } = options;
  return (reason) => {
    const next = nextPlan(plan, reread(), log);
    if ("problems" in next) {
      log.error(`reload failed, everything stays: ${problemText(next.problems).trimEnd()}`);
      return;
    }
    plan = next;
    supervisor.reload(reason, next);
  };
}

function nextPlan(before: Plan, command: Command, log: Logger): Plan | Problems {
  if (command.name === "usage") return command;
  if (command.name !== "serve") return before;
  const after = command.config;
  const { live, restart } = planReload(before.config, after);
  if (restart.length > 0) {
    const names = SETTING_ROWS.filter(({ key }) => restart.includes(key)).map(({ name }) => name);
    log.warning(`these settings have changed and need a restart: ${names.join(", ")}`);
  }
  const changed = Object.fromEntries(live.map((key) => [key, after[key]]));
  return makePlan({ config: { ...before.config, ...changed } });
}

function makeSupervisor(plan: Plan, log: Logger, wishes: Wishes): Supervisor | null {
  try {
    return new Supervisor({
      plan,
      log,
      clock: monotonic,
      edgeCommand: [process.execPath, new URL("../main.ts", import.meta.url).pathname, "__edge"],
      pythonEntry: new URL("../../python/keelback/__main__.py", import.meta.url).pathname,
      runtimeDirectory: process.env["XDG_RUNTIME_DIR"],
      ...wishes,
    });
  } catch (error) {
    write(`keelback: ${errorText(error)}\n`);
    return null;
  }
}

async function watch(config: Config, supervisor: Supervisor): Promise<{ close(): void }> {
  const { watchSources } = await import("../supervisor/watch.ts");
  const directories = config.reloadDir.length > 0 ? config.reloadDir : [config.chdir];
  return watchSources({
    directories: [...directories, ...config.pythonpath],
    exclude: config.reloadExclude,
    changed: (paths) => supervisor.reload(changeText(paths)),
  });
}

function changeText(paths: readonly string[]): string {
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : "";
  return `${paths[0] ?? "a file"}${more} changed`;
}

function signalHandler(
  supervisor: Supervisor,
  log: Logger,
  reload: (reason: string) => void,
): (meaning: SignalMeaning, signal: NodeJS.Signals) => void {
  const startedInTerminal = hasTerminal();
  const terminalClosed = (): boolean => startedInTerminal && !hasTerminal();
  return (meaning, signal) => {
    switch (meaning) {
      case "stop":
        return supervisor.stop();
      case "quit":
        return supervisor.stopNow();
      case "reload":
        return terminalClosed() ? supervisor.stop() : reload(signal);
      case "reopen-logs":
        return supervisor.reopenLogs();
      case "reap":
        return void import("../supervisor/reaper.ts").then(({ reapStrangers }) =>
          reapStrangers(supervisor.children),
        );
      case "ignore":
        return log.debug(`${signal} is ignored`);
    }
  };
}

function write(text: string): void {
  process.stderr.write(text);
}
