/**
 * Sockets that systemd, or another parent in its way, has opened and passed to this process
 * (sd_listen_fds(3)): descriptors 3, 4, ... as the variables LISTEN_FDS, LISTEN_PID and
 * LISTEN_FDNAMES say. They are about this process alone: the variables are taken out of the
 * environment, so that no app takes them for its own.
 */
import type { Bind } from "../config/bind.ts";
import { keepFromChildren } from "./libc.ts";
import type { OpenFailure } from "./open-result.ts";

export interface PassedSocket {
  readonly fd: number;
  /** FileDescriptorName= of the socket unit, else the unit's name; several sockets may have the same. Null: not told. */
  readonly name: string | null;
}

export interface Passed {
  readonly sockets: readonly PassedSocket[];
  readonly warnings: readonly string[];
}

const FIRST_DESCRIPTOR = 3;
const SOCKETS_MAX = 4096;
/** What sd_listen_fds(3) names a socket whose name is not told. */
const NO_NAME = "unknown";
const VARIABLES = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES"] as const;

/** Empties `env` of the variables. */
export function takePassed(env: Record<string, string | undefined>, pid: number): Passed {
  const { LISTEN_FDS: count, LISTEN_PID: owner, LISTEN_FDNAMES: names = "" } = env;
  for (const name of VARIABLES) delete env[name];
  if (count === undefined || count === "" || count === "0") return { sockets: [], warnings: [] };
  const number = /^\d{1,5}$/.test(count) ? Number(count) : Infinity;
  if (number > SOCKETS_MAX) {
    return ignored(`LISTEN_FDS=${count} is no number of sockets between 1 and ${SOCKETS_MAX}`);
  }
  if (owner !== String(pid)) {
    const whom = owner === undefined ? "LISTEN_PID is missing" : `they are for process ${owner}`;
    return ignored(
      `LISTEN_FDS=${count}, but ${whom}, and this is process ${pid}: a script that starts ` +
        "keelback must do so with exec",
    );
  }
  const named = names.split(":");
  const sockets = Array.from({ length: number }, (_, at) => {
    const name = named[at] ?? "";
    const fd = FIRST_DESCRIPTOR + at;
    keepFromChildren(fd);
    return { fd, name: name === "" || name === NO_NAME ? null : name };
  });
  return { sockets, warnings: [] };
}

function ignored(why: string): Passed {
  return { sockets: [], warnings: [`sockets that were passed are not used: ${why}`] };
}

/** The socket as --bind names it. */
export function passedName({ fd, name }: PassedSocket): string {
  return `fd://${name ?? fd}`;
}

/** What a bind names among the passed sockets; a number needs none of them. */
export function findPassed(
  bind: Bind & { kind: "fd" | "passed" },
  passed: readonly PassedSocket[],
): readonly PassedSocket[] {
  if (bind.kind === "passed") return passed.filter(({ name }) => name === bind.name);
  return [passed.find(({ fd }) => fd === bind.fd) ?? { fd: bind.fd, name: null }];
}

export function nothingPassed(name: string, passed: readonly PassedSocket[]): OpenFailure {
  const names = passed.map((socket) => passedName(socket)).join(", ");
  const message = `fd://${name}: no socket of that name was passed to this process`;
  const remedy =
    names === ""
      ? "start the socket unit of this service (systemctl start NAME.socket), or bind an address"
      : `there are ${names}; FileDescriptorName= in the socket unit gives a name`;
  return { code: "descriptor", message, remedy };
}
