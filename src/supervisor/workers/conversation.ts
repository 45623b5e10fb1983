/**
 * What zygotes and workers say on the control channel, and who said it. The first line of a
 * connection names the speaker; one that nobody expects is disconnected, and killed when it is a
 * worker: it was given up before it came.
 */
import type { Logger, LogLevel } from "../../observe/log.ts";
import type { ControlHandlers, ControlMessage, ControlPeer } from "./control.ts";
import { numberField, textField } from "./control.ts";
import type { Failure } from "../failure.ts";
import type { Generations } from "./generations.ts";
import type { WorkerEvent } from "../fleet/lifecycle.ts";
import type { WorkerProcesses } from "./processes.ts";
import { killGroup } from "./processes.ts";

/** What zygote and workers said about themselves. */
export interface AppFacts {
  readonly interface: string;
  readonly found: string;
  readonly loop: string;
  readonly threads: number;
  readonly python: string;
  readonly freeThreaded: boolean;
}

/** Before any of them has spoken. */
export const NO_FACTS: AppFacts = {
  interface: "",
  found: "",
  loop: "",
  threads: 0,
  python: "",
  freeThreaded: false,
};

export interface ConversationOwner {
  heard(facts: Partial<AppFacts>): void;
  knows(worker: number): boolean;
  happened(worker: number, event: WorkerEvent, failure?: Failure): void;
}

export class Conversation implements ControlHandlers {
  readonly #processes: WorkerProcesses;
  readonly #generations: Generations;
  readonly #log: Logger;
  readonly #owner: ConversationOwner;

  constructor(
    processes: WorkerProcesses,
    generations: Generations,
    log: Logger,
    owner: ConversationOwner,
  ) {
    this.#processes = processes;
    this.#generations = generations;
    this.#log = log;
    this.#owner = owner;
  }

  message(peer: ControlPeer, message: ControlMessage): void {
    const worker = this.#processes.workerOf(peer);
    if (worker !== null) this.#fromWorker(worker, message);
    else if (this.#generations.has(peer)) this.#fromZygote(peer, message);
    else if (message.t === "zygote") this.#zygoteConnected(peer, message);
    else if (message.t === "worker") this.#workerConnected(peer, message);
    else peer.close();
  }

  closed(peer: ControlPeer): void {
    this.#generations.disconnected(peer);
    const worker = this.#processes.workerOf(peer);
    if (worker !== null) this.#processes.disconnected(peer, this.#generations.willReport(worker));
  }

  #zygoteConnected(peer: ControlPeer, message: ControlMessage): void {
    if (!this.#generations.connected(peer, numberField(message, "pid"))) return peer.close();
    const freeThreaded = message["free_threaded"] === true;
    this.#owner.heard({ python: textField(message, "python"), freeThreaded });
  }

  #workerConnected(peer: ControlPeer, message: ControlMessage): void {
    const worker = numberField(message, "worker");
    const pid = numberField(message, "pid");
    if (!this.#owner.knows(worker)) {
      killGroup(pid);
      return peer.close();
    }
    this.#processes.connected(worker, pid, peer);
    this.#owner.happened(worker, "forked");
  }

  #fromZygote(peer: ControlPeer, message: ControlMessage): void {
    const worker = numberField(message, "worker");
    const pid = numberField(message, "pid");
    switch (message.t) {
      case "forked":
        if (!this.#owner.knows(worker)) return killGroup(pid);
        this.#processes.forked(worker, pid);
        return this.#owner.happened(worker, "forked");
      case "exit":
        return this.#processes.exited(worker, numberField(message, "status"));
      case "failed":
        return this.#generations.failed(peer, failureOf(message));
    }
  }

  #fromWorker(worker: number, message: ControlMessage): void {
    switch (message.t) {
      case "ready":
        this.#log.debug(`worker-${worker} is ready`, { pid: this.#processes.pid(worker) });
        this.#owner.heard({
          interface: textField(message, "interface"),
          found: textField(message, "found"),
          loop: textField(message, "loop"),
          threads: numberField(message, "threads"),
        });
        return this.#owner.happened(worker, "ready");
      case "failed":
        return this.#owner.happened(worker, "failed", failureOf(message));
      case "log":
        return this.#log[levelOf(message)](`worker-${worker}: ${textField(message, "message")}`);
    }
  }
}

function failureOf(message: ControlMessage): Failure {
  return {
    stage: textField(message, "stage"),
    message: textField(message, "message"),
    traceback: textField(message, "traceback"),
    hint: textField(message, "hint"),
  };
}

function levelOf(message: ControlMessage): LogLevel {
  const level = textField(message, "level");
  return level === "debug" || level === "warning" || level === "error" ? level : "info";
}
