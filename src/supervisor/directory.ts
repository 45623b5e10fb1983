/**
 * The private directory of one running server: sockets, boards and the lifeline, readable by its
 * user alone. Made at start, removed at exit. What a killed server has left behind is removed by
 * the next one: its lifeline is held by nobody.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync, type Stats } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UNIX_PATH_BYTES_MAX } from "../net/address.ts";
import { holdLifeline, isHeld } from "../net/lifeline.ts";

/** How the names of these directories begin. */
export const DIRECTORY_PREFIX = "keelback-";
/** Younger ones may be in the making. */
const LEFT_BEHIND_MS = 10_000;
/** The longest name inside: `board-` names are no sockets. */
const LONGEST_SOCKET_NAME = "control.sock";

export interface PrivateDirectory {
  readonly path: string;
  readonly control: string;
  /** For `keelback ctl`. */
  readonly ctl: string;
  readonly log: string;
  readonly lifeline: string;
  edge(index: number): string;
  /** Removes the boards of a worker that is gone. */
  forget(worker: number): void;
  remove(): void;
}

/** Throws, with a sentence for a person, when no place allows it. */
export function makePrivateDirectory(runtimeDirectory: string | undefined): PrivateDirectory {
  const path = makeIn([runtimeDirectory ?? "", tmpdir()].filter((base) => base !== ""));
  const lifeline = join(path, "lifeline");
  const release = holdLifeline(lifeline);
  return {
    path,
    control: join(path, "control.sock"),
    ctl: join(path, "ctl.sock"),
    log: join(path, "log.sock"),
    lifeline,
    edge: (index) => join(path, `edge-${index}.sock`),
    forget: (worker) => {
      for (const name of readdirSync(path)) {
        if (name.startsWith(`board-${worker}-`)) rmSync(join(path, name), { force: true });
      }
    },
    remove: () => {
      rmSync(path, { recursive: true, force: true });
      release();
    },
  };
}

function makeIn(bases: readonly string[]): string {
  const complaints: string[] = [];
  for (const base of bases) {
    const longest = join(base, `${DIRECTORY_PREFIX}XXXXXX`, LONGEST_SOCKET_NAME);
    if (Buffer.byteLength(longest) > UNIX_PATH_BYTES_MAX) {
      complaints.push(`${base} is too long for a socket in it`);
      continue;
    }
    try {
      removeLeftBehind(base);
      return mkdtempSync(join(base, DIRECTORY_PREFIX));
    } catch (error) {
      complaints.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`no private directory can be made: ${complaints.join("; ")}; set TMPDIR`);
}

/** Another user's directory is none of ours. */
function lifelineIn(path: string): Stats | undefined {
  try {
    const own = lstatSync(path).uid === process.getuid?.();
    return own ? lstatSync(join(path, "lifeline"), { throwIfNoEntry: false }) : undefined;
  } catch {
    return undefined;
  }
}

function removeLeftBehind(base: string): void {
  for (const name of readdirSync(base)) {
    if (!name.startsWith(DIRECTORY_PREFIX)) continue;
    const path = join(base, name);
    const lifeline = lifelineIn(path);
    if (lifeline?.isFIFO() !== true || lifeline.uid !== process.getuid?.()) continue;
    if (Date.now() - lifeline.ctimeMs < LEFT_BEHIND_MS || isHeld(join(path, "lifeline"))) continue;
    rmSync(path, { recursive: true, force: true });
  }
}
