/**
 * `keelback serve` and `--check-config`: finds the app, its interpreter and the addresses, then
 * runs the supervisor to its end. Exit codes: 0 stopped as asked, 1 the start failed, 2 a setting
 * is wrong.
 */
import { publicName } from "../config/config.ts";
import { SETTINGS_OF_BOUND } from "../config/network-rules.ts";
import { planReload } from "../config/rules.ts";
import { monotonic } from "../core/clock.ts";
import { dropCode } from "../net/footprint.ts";
import type { Config } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import { takePassed } from "../net/passed.ts";
import type { Listener } from "../net/open-result.ts";
import { closeListeners } from "../net/sockets.ts";
import type { Logger } from "../observe/log.ts";
import { createLogger, errorText } from "../observe/log.ts";
import { failureText } from "../supervisor/failure.ts";
import type { Failure } from "../supervisor/failure.ts";
import type { SignalMeaning } from "../supervisor/process/signals.ts";
import { listenForSignals } from "../supervisor/process/signals.ts";
import type { AppFacts } from "../supervisor/workers/conversation.ts";
import type { ServerEvent } from "../supervisor/launch.ts";
import { takeNotifySettings } from "../supervisor/process/notify.ts";
import { openCtl } from "../supervisor/ctl/ctl.ts";
import type { Ctl } from "../supervisor/ctl/ctl.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { Terminal } from "../supervisor/process/terminal.ts";
import { certificateWarnings, checkConfig } from "./check.ts";
import type { Command, Settings } from "./command.ts";
import { EXIT_USAGE, problemText } from "./command.ts";
import { detectApp } from "./detect.ts";
import { findInterpreter } from "./interpreter.ts";
import { startDaemon } from "./daemon.ts";
import { openAddresses } from "./listeners.ts";
import { identityOf, type Origin, ServerProcess } from "./server-process.ts";
import { addressText, failureScreen, screen, screenFields } from "./screen.ts";
import { VERSION } from "./version.ts";

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
  readonly origin: Omit<Origin, "notify">;
}

export async function serve(settings: Settings, options: ServeOptions): Promise<number> {
  const { origin } = options;
  const plan = makePlan(settings, origin.inheritance !== null);
  if ("problems" in plan) {
    write(problemText(plan.problems));
    return EXIT_USAGE;
  }
  const { config } = plan;
  const { inheritance, background, argv } = origin;
  if (config.daemon && options.mode === "serve" && inheritance === null && !background) {
    return startDaemon(argv, config.logFile ?? "", identityOf(config));
  }
  const log = createLogger(config.logLevel, config.logFormat);
  const notify = takeNotifySettings(process.env, process.pid);
  const passed =
    inheritance === null
      ? takePassed(process.env, process.pid)
      : (await import("../net/succession.ts")).passedAgain(inheritance.sockets);
  const own = new ServerProcess({ ...origin, config, log, notify });
  const begin = options.mode === "check" ? () => own.giveUpRights() : () => own.begin();
  if (!attempt(begin)) return EXIT_FAILED;
  for (const note of settings.notes) log.info(`note: ${note}`);
  for (const warning of passed.warnings) log.warning(warning);
  for (const warning of certificateWarnings(config)) log.warning(warning);
  if (options.mode === "check") return check(plan, log);
  const inherited = inheritance?.sockets ?? null;
  const opened = await openAddresses({ config, sources: settings.sources, passed, inherited });
  if (!opened.ok) {
    const { message, remedy } = opened.failure;
    write(`keelback: ${message}\nhint: ${remedy}\n`);
    return EXIT_FAILED;
  }
  for (const warning of opened.warnings) log.warning(warning);
  try {
    if (!attempt(() => own.settle(opened.listeners))) return EXIT_FAILED;
    return await run(plan, log, { listeners: opened.listeners, reread: options.reread, own });
  } finally {
    own.end();
    closeListeners(opened.listeners);
  }
}

/** False: it has failed, and said why. */
function attempt(step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    write(`keelback: ${errorText(error)}\n`);
    return false;
  }
}

/** `running`: checkConfig() says what that is. */
function makePlan({ config }: Pick<Settings, "config">, running: boolean): Plan | Problems {
  const startedAt = performance.now() - process.uptime() * 1000;
  const problems = checkConfig(config, running);
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
  readonly own: ServerProcess;
}

async function run(plan: Plan, log: Logger, options: RunOptions): Promise<number> {
  const { listeners, reread, own } = options;
  const { config, why, interpreter } = plan;
  let ctl: Ctl | null = null;
  // Not when the workers are ready: an edge may take longer, and whoever reads "Ready" connects.
  const arrived = (facts: AppFacts): void => {
    const readyMs = performance.now() - plan.startedAt;
    const input = { config, facts, why, interpreter, listeners, readyMs };
    if (config.logFormat === "json") log.info("ready", screenFields(input));
    else write(screen(input));
    dropCode();
    ctl?.link();
  };
  const serving = (facts: AppFacts): void => own.serving(facts.found, () => arrived(facts));
  const waiting = (failure: Failure): void => {
    log.error(`the app does not start; waiting for a change\n${failureText(failure)}`);
    if (own.isNeedless) supervisor?.stopNow();
  };
  const noticed = (event: ServerEvent): void => own.noticed(event);
  const { succeeds } = own;
  const supervisor = makeSupervisor(plan, log, { listeners, succeeds, serving, waiting, noticed });
  if (supervisor === null) return EXIT_FAILED;
  const reload = makeReload(supervisor, { plan, log, reread, own });
  ctl = openCtl({
    supervisor,
    log,
    clock: monotonic,
    version: VERSION,
    addresses: listeners.map((listener) => addressText(listener, config.certfile.length > 0)),
    path: config.control,
    predecessor: own.succeeds ? process.ppid : null,
    drained: own.beginsDrained,
    reload,
  });
  own.starts(supervisor, ctl);
  const stopListening = listenForSignals(signalHandler(supervisor, log, { reload, own }));
  const watcher = config.reload ? await watch(config, supervisor) : null;
  supervisor.start();
  const outcome = await supervisor.done;
  watcher?.close();
  ctl.close();
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
    succeeds: false,
    serving: (facts) => {
      found = facts.found;
      supervisor?.stop();
    },
    waiting: () => {},
    noticed: () => {},
  });
  if (supervisor === null) return EXIT_FAILED;
  const actions = { reload: (): number => 0, own: null };
  const stopListening = listenForSignals(signalHandler(supervisor, log, actions));
  supervisor.start();
  const outcome = await supervisor.done;
  stopListening();
  if (outcome.code !== 0) write(failureScreen(outcome.failure));
  else if (found !== "") write(`keelback: the settings are right, and ${found} starts\n`);
  return outcome.code === 0 && found === "" ? EXIT_FAILED : outcome.code;
}

interface Wishes {
  readonly listeners: readonly Listener[];
  readonly succeeds: boolean;
  serving(facts: AppFacts): void;
  waiting(failure: Failure): void;
  noticed(event: ServerEvent): void;
}

/** The new generation, 0 for none, or what is wrong with the settings. */
type Reload = (reason: string) => number | string;

/** A reload reads the settings again: those that can change live do, the others are named. */
function makeReload(
  supervisor: Supervisor,
  options: Omit<RunOptions, "listeners"> & { readonly plan: Plan; readonly log: Logger },
): Reload {
  const { log, reread, own } = options;
  let { plan } = options;
  return (reason) => {
    own.noticed("reloading");
    const next = nextPlan(plan, reread(), log);
    if ("problems" in next) {
      const text = `reload failed, everything stays: ${problemText(next.problems).trimEnd()}`;
      log.error(text);
      own.noticed("reload-failed");
      return text;
    }
    plan = next;
    return supervisor.reload(reason, next);
  };
}

function nextPlan(before: Plan, command: Command, log: Logger): Plan | Problems {
  if (command.name === "usage") return command;
  if (command.name !== "serve") return before;
  const after = command.config;
  const { live, restart } = planReload(before.config, after);
  if (restart.length > 0) {
    const all = restart.map(publicName).join(", ");
    const bound = restart.filter((key) => SETTINGS_OF_BOUND.includes(key)).map(publicName);
    const but = bound.length === 0 ? "" : `, but for ${bound.join(", ")} of open sockets`;
    log.warning(`these settings have changed and need a restart: ${all} (SIGUSR2 does${but})`);
  }
  const changed = Object.fromEntries(live.map((key) => [key, after[key]]));
  return makePlan({ config: { ...before.config, ...changed } }, true);
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
  { reload, own }: { readonly reload: Reload; readonly own: ServerProcess | null },
): (meaning: SignalMeaning, signal: NodeJS.Signals) => void {
  const terminal = new Terminal();
  return (meaning, signal) => {
    switch (meaning) {
      case "stop":
        return own?.isNeedless === true
          ? supervisor.stopNow()
          : supervisor.stop(signal === "SIGINT");
      case "quit":
        return supervisor.stopNow();
      case "reload":
        return terminal.closed ? supervisor.stop() : void reload(signal);
      case "reopen-logs":
        own?.reopenLog();
        return supervisor.reopenLogs();
      case "rest-workers":
        // Everybody else gets it when the window of a terminal changes.
        if (own?.isDaemon !== true) return log.debug(`${signal} is ignored`);
        return supervisor.parts.upkeep.rest(signal);
      case "upgrade":
        return void own?.upgrade(signal);
      case "more-workers":
        return supervisor.changeWorkers(1, signal);
      case "fewer-workers":
        return supervisor.changeWorkers(-1, signal);
      case "reap":
        return void import("../supervisor/reaper.ts").then(({ reapStrangers }) =>
          reapStrangers(supervisor.children),
        );
      case "continued":
        return terminal.look();
      case "ignore":
        return log.debug(`${signal} is ignored`);
    }
  };
}

function write(text: string): void {
  process.stderr.write(text);
}
