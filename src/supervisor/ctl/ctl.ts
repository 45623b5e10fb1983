/** The control socket of a running server: in its private directory, and under the name of `--control` once it serves. */
import type { Clock } from "../../core/clock.ts";
import { linkSocket, unlinkSocket } from "../../net/socket-link.ts";
import type { Logger } from "../../observe/log.ts";
import { CtlHost } from "./ctl-host.ts";
import { serveCtl } from "./ctl-server.ts";
import { ctlTarget } from "./ctl-target.ts";
import type { Supervisor } from "../supervisor.ts";

export interface CtlOptions {
  readonly supervisor: Supervisor;
  readonly log: Logger;
  readonly clock: Clock;
  readonly version: string;
  readonly addresses: readonly string[];
  /** `--control`. */
  readonly path: string | null;
  /** The server whose place this one takes; null: none. */
  readonly predecessor: number | null;
  /** It begins as one that `keelback ctl drain` has been said to. */
  readonly drained: boolean;
  /** Reads the settings again and reloads: the new generation, 0 for none, or what is wrong with the settings. */
  reload(reason: string): number | string;
}

export interface Ctl {
  /** The server serves: from now on it goes by its name. */
  link(): void;
  close(): void;
  readonly drained: boolean;
  setDrained(drained: boolean): void;
}

export function openCtl(options: CtlOptions): Ctl {
  const { supervisor, log, clock, path } = options;
  const { directory, reloads } = supervisor.parts;
  const succeeds = options.predecessor !== null;
  let { predecessor } = options;
  const target = ctlTarget({ supervisor, log, clock, predecessor: () => predecessor });
  if (options.drained) target.setReady(false);
  const host = new CtlHost({
    target,
    version: options.version,
    addresses: options.addresses,
    reload: () => {
      const started = options.reload("keelback ctl");
      if (typeof started === "string") return started;
      return started === 0 ? "the server stops" : reloads.outcome(started);
    },
  });
  const server = serveCtl(directory.ctl, host.answer);
  return {
    link: () => {
      predecessor = null;
      const failed = path === null ? null : linkSocket(path, directory.ctl, succeeds);
      if (failed !== null) log.error(`no control socket at ${path}: ${failed}`);
    },
    get drained() {
      return !target.ready;
    },
    setDrained: (drained) => target.setReady(!drained),
    close: () => {
      server.close();
      if (path !== null) unlinkSocket(path, directory.ctl);
    },
  };
}
