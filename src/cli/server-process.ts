/**
 * The server as a process among others: its name, its log file, its PID file, whom it runs as, what
 * the service manager is told, and its replacement by a new one. The supervisor knows nothing of
 * these.
 */
import { closeSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { parseUmask } from "../config/process-rules.ts";
import { share, takeBack } from "../net/handover.ts";
import { makeOwn } from "../net/libc.ts";
import type { Listener } from "../net/open-result.ts";
import type { InheritedSocket } from "../net/succession.ts";
import { openLogFile, setProcessName } from "../net/this-process.ts";
import type { Logger } from "../observe/log.ts";
import { errorText } from "../observe/log.ts";
import type { ServerEvent } from "../supervisor/launch.ts";
import type { Ctl } from "../supervisor/ctl/ctl.ts";
import type { NotifySettings } from "../supervisor/process/notify.ts";
import { Notifier, notifyVariables } from "../supervisor/process/notify.ts";
import { claimPidFile, PidFile } from "../supervisor/process/pid-file.ts";
import {
  become,
  findIdentity,
  giveUpPrivileges,
  runsAsRoot,
} from "../supervisor/process/privileges.ts";
import type { Identity } from "../supervisor/process/privileges.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Inheritance, SuccessorReady, TakeOver, Upgrade } from "../supervisor/upgrade.ts";
import { problemsOfUser } from "./check.ts";
import { ownCommand, ownDirectory } from "./again.ts";
import { SUPERVISOR_RUNTIME } from "./runtime-options.ts";
import { releaseCommand } from "./daemon.ts";
import { succeed } from "./successor.ts";

/** A successor has the time of a boot, and this for everything else. */
const UPGRADE_MS_MORE = 30_000;

/** What the command found in its environment, besides settings. */
export interface Origin {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly inheritance: Inheritance | null;
  /** It is the background part of `--daemon`. */
  readonly background: boolean;
  readonly notify: NotifySettings | null;
  /** Kept from outside of the root directory. */
  readonly notifySocket: number | null;
}

export interface ProcessOptions extends Origin {
  readonly config: Config;
  readonly log: Logger;
}

export class ServerProcess {
  readonly notifier: Notifier;
  readonly #options: ProcessOptions;
  readonly #directory = ownDirectory(process.env["PWD"]);
  #listeners: readonly Listener[] = [];
  #pidFile: PidFile | null = null;
  #upgrade: Upgrade | null = null;
  #supervisor: Supervisor | null = null;
  #ctl: Ctl | null = null;
  #status = "";
  #awaited = new Set<"serving" | "accepting">(["serving", "accepting"]);
  /** Asked for before this was the server. */
  #upgradeWanted: string | null = null;
  #whenArrived = (): void => {};
  #arrived = false;
  /** It stops, or a successor serves. */
  #leaving = false;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const kept = options.inheritance?.notifySocket ?? options.notifySocket;
    if (kept !== null) makeOwn(kept);
    this.notifier = new Notifier(options.notify, options.log, kept);
  }

  /** Another server serves until this one takes over. */
  get succeeds(): boolean {
    return this.#options.inheritance !== null;
  }

  get beginsDrained(): boolean {
    return this.#options.inheritance?.drained === true;
  }

  get isDaemon(): boolean {
    return this.#options.config.daemon;
  }

  /** It has no clients yet, and its predecessor serves them: it may end at once. */
  get isNeedless(): boolean {
    return this.succeeds && this.#awaited.has("accepting");
  }

  /** Before anything is opened. Throws a sentence for a person, as the next ones. */
  begin(): void {
    const { config } = this.#options;
    setProcessName("keelback");
    if (config.umask !== null) process.umask(parseUmask(config.umask) ?? 0);
    try {
      openLogFile(config, identityOf(config));
    } catch (error) {
      throw new Error(`log-file: ${errorText(error)}`, { cause: error });
    }
  }

  /** The sockets are open; the PID file is the last thing that root's rights are needed for. */
  settle(listeners: readonly Listener[]): void {
    const { config, inheritance } = this.#options;
    this.#listeners = listeners;
    const inherited = new Set(inheritance?.sockets.map(({ fd }) => fd));
    share(listeners.filter(({ fd }) => inherited.has(fd)));
    this.#pidFile = this.#ownPidFile(config, inheritance);
    this.giveUpRights();
  }

  giveUpRights(): void {
    const { config, log } = this.#options;
    const identity = identityOf(config);
    try {
      if (identity !== null) become(identity, process.env);
    } catch (error) {
      throw new Error(`user: ${config.user ?? config.group} is refused: ${errorText(error)}`, {
        cause: error,
      });
    }
    if (config.noNewPrivileges) giveUpPrivileges();
    const [first] = identity === null ? [] : problemsOfUser(config);
    if (first !== undefined) throw new Error(first.text);
    if (runsAsRoot()) {
      log.warning("the app runs as root: name a user that it needs nothing but, --user USER");
    }
  }

  starts(supervisor: Supervisor, ctl: Ctl): void {
    this.#supervisor = supervisor;
    this.#ctl = ctl;
  }

  get #drained(): boolean {
    return this.#ctl?.drained === true;
  }

  /** The first workers serve; `arrived` is called when this is the server. */
  serving(status: string, arrived: () => void): void {
    this.#status = status;
    this.#whenArrived = arrived;
    this.#arrive("serving");
  }

  noticed(event: ServerEvent | "reloading"): void {
    // Before it is the server, and when it is no longer, its reloads are nobody's business.
    const serves = this.#arrived && !this.#leaving;
    switch (event) {
      case "accepting":
        return this.#arrive("accepting");
      case "reloading":
        if (serves) this.notifier.reloading("reloading");
        return;
      case "reloaded":
        if (serves) this.notifier.ready(this.#status);
        return;
      case "reload-failed":
        if (serves) this.notifier.ready(`${this.#status}; the last reload failed`);
        return;
      case "stopping":
        this.#leaving = true;
        this.#upgrade?.cancel();
        // A successor that ends before its time is not what the service manager looks after.
        if (this.#arrived || !this.succeeds) this.notifier.stopping("stopping");
        return;
    }
  }

  reopenLog(): void {
    try {
      openLogFile(this.#options.config);
    } catch (error) {
      this.#options.log.error(`log-file: it stays as it is: ${errorText(error)}`);
    }
  }

  /** Starts the server that is to replace this one. */
  async upgrade(reason: string): Promise<void> {
    const { log, config } = this.#options;
    if (process.pid === 1) {
      const text = "its container ends with process 1, whatever follows it; start a new container";
      return log.error(`no upgrade: ${text}`);
    }
    if (this.#leaving) return log.warning("no upgrade: this server stops");
    if (this.#upgrade?.running === true) {
      return log.warning(`an upgrade is under way, by pid ${this.#upgrade.pid}`);
    }
    this.#upgradeWanted = this.#arrived ? null : reason;
    if (!this.#arrived) return log.info("upgrade: as soon as this server serves");
    const [{ Upgrade: Starter }, { describeListeners }] = await Promise.all([
      import("../supervisor/upgrade.ts"),
      import("../net/succession.ts"),
    ]);
    const sockets = describeListeners(this.#listeners, config.bind);
    this.#startSuccessor(Starter, sockets, reason);
  }

  #startSuccessor(Starter: typeof Upgrade, sockets: InheritedSocket[], reason: string): void {
    const { log, config, argv } = this.#options;
    // Meanwhile the signal may have come again, or another one.
    if (this.#leaving || this.#upgrade?.running === true) return;
    log.info(`upgrade: ${reason}`);
    const file = this.#pidFile;
    const pidFile = file === null ? null : { path: file.path, fd: file.fd };
    const inheritance = {
      sockets,
      pidFile,
      drained: this.#drained,
      notifySocket: this.notifier.kept,
    };
    try {
      this.#upgrade = new Starter({
        command: ownCommand(argv),
        directory: this.#directory,
        env: { ...process.env, ...SUPERVISOR_RUNTIME, ...notifyVariables(this.notifier.settings) },
        inheritance,
        withinMs: config.bootTimeoutMs === 0 ? Infinity : config.bootTimeoutMs + UPGRADE_MS_MORE,
        succeeded: (pid, ready) => this.#stepBack(pid, ready),
        failed: (why) => this.#goOn(why),
      });
      this.notifier.status(`${this.#status}; upgrading, pid ${this.#upgrade.pid}`);
    } catch (error) {
      this.#goOn(errorText(error));
    }
  }

  /** All is over: what this process has left in the file system goes. */
  end(): void {
    this.#upgrade?.cancel();
    this.notifier.close();
    if (this.#pidFile === null) return;
    // The PID file of a predecessor who serves on is his.
    if (this.#arrived || this.#options.inheritance?.pidFile?.path !== this.#pidFile.path) {
      this.#pidFile.remove();
    } else {
      this.#pidFile.handOver();
    }
  }

  #ownPidFile(config: Config, inheritance: Inheritance | null): PidFile | null {
    const left = inheritance?.pidFile ?? null;
    if (left !== null && left.path === config.pid) {
      makeOwn(left.fd);
      return new PidFile(left.path, left.fd);
    }
    if (left !== null) closeSync(left.fd);
    const identity = identityOf(config);
    return config.pid === null
      ? null
      : claimPidFile(config.pid, identity === null ? [] : [identity.uid]);
  }

  /** When the workers serve and clients reach them, this is the server. */
  #arrive(what: "serving" | "accepting"): void {
    if (!this.#awaited.delete(what) || this.#awaited.size > 0) return;
    if (this.#options.inheritance === null) this.#becomeServer();
    else void this.#takeOver(this.#options.inheritance);
  }

  async #takeOver(inheritance: Inheritance): Promise<void> {
    const { log, config } = this.#options;
    const { renewSockets } = await import("../net/renewal.ts");
    const said = await succeed({ pidFile: this.#pidFile?.path === inheritance.pidFile?.path });
    if (said !== null && said.drained !== inheritance.drained) this.#ctl?.setDrained(said.drained);
    takeBack(this.#listeners);
    this.#pidFile?.write(process.pid);
    for (const warning of renewSockets(this.#listeners, config)) log.warning(warning);
    log.info("upgrade: this is the server now", { pid: process.pid });
    this.#becomeServer();
  }

  #becomeServer(): void {
    this.#arrived = true;
    this.notifier.ready(this.#status);
    this.notifier.start();
    this.#whenArrived();
    if (this.#options.background) releaseCommand();
    if (this.#upgradeWanted !== null) void this.upgrade(this.#upgradeWanted);
  }

  /** The successor serves. */
  #stepBack(pid: number, ready: SuccessorReady): Omit<TakeOver, "t"> {
    const drained = this.#drained;
    this.#options.log.info(`upgrade: the new server serves, pid ${pid}; what runs here may finish`);
    this.#leaving = true;
    share(this.#listeners);
    if (ready.pidFile) {
      this.#pidFile?.handOver();
      this.#pidFile = null;
    }
    this.notifier.handOver(pid, this.#status);
    this.#supervisor?.retire();
    return { drained };
  }

  #goOn(why: string): void {
    this.#options.log.error(`upgrade failed, this server stays: ${why}`);
    this.notifier.status(`${this.#status}; the last upgrade failed`);
  }
}

/** That it exists has been checked. */
export function identityOf(config: Config): Identity | null {
  const found = findIdentity(config.user, config.group);
  return "identity" in found ? found.identity : null;
}
