/** Whether a process still handles a signal, from /proc: the kernel blocks it in the thread that its handler runs in until that returns. */
import { readdirSync, readFileSync } from "node:fs";

/** True: it waits to be handled, or is being handled. Null: not known. */
export type Handling = () => boolean | null;

/** Made before the signal is sent: threads that block it anyway do not count. */
export function handlingOf(pid: number, signal: number): Handling {
  const aloof = new Set<string>();
  let known = false;
  for (const thread of threadsOf(pid)) {
    const before = states(pid, thread, signal);
    if (before.blocked) aloof.add(thread);
    known ||= before.known;
  }
  return () => {
    if (!known) return null;
    return threadsOf(pid).some((thread) => {
      const { pending, blocked } = states(pid, thread, signal);
      return pending || (blocked && !aloof.has(thread));
    });
  };
}

/** None: it has ended, or is not shown. */
function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

interface States {
  readonly known: boolean;
  readonly pending: boolean;
  readonly blocked: boolean;
}

function states(pid: number, thread: string, signal: number): States {
  let text = "";
  try {
    text = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
  } catch {
    // It has ended.
  }
  const sets = new Map<string, boolean>();
  for (const [, name = "", mask = ""] of text.matchAll(/^(SigPnd|ShdPnd|SigBlk):\t([\da-f]+)$/gm)) {
    sets.set(name, ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n);
  }
  const has = (name: string): boolean => sets.get(name) === true;
  return {
    known: sets.size === 3,
    pending: has("SigPnd") || has("ShdPnd"),
    blocked: has("SigBlk"),
  };
}
