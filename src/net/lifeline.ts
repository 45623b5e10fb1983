/**
 * The lifeline: a FIFO that the supervisor holds open and never writes to. Its end of file says
 * that the supervisor is gone, however it ended; then this process must end as well.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { dieWithParent, errno, makeFifo } from "./libc.ts";

/**
 * Makes the FIFO and holds it open until this process ends; throws when the directory does not
 * allow it.
 */
export function holdLifeline(path: string): () => void {
  if (!makeFifo(path, 0o600)) throw new Error(`the lifeline ${path} cannot be made: ${errno()}`);
  // Open for both: opening for writing alone would wait for a reader.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return () => closeSync(fd);
}

/** Whether the process that made this lifeline lives. */
export function isHeld(path: string): boolean {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return readSync(fd, new Uint8Array(1)) > 0;
  } catch {
    // EAGAIN: nothing to read, but a writer. Anything else: not ours to judge.
    return true;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** Calls `onGone` once when the last holder is gone, also when that was before this call. */
export function watchLifeline(path: string, onGone: () => void): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    onGone();
    return;
  }
  const reader = Bun.file(fd).stream().getReader();
  const wait = async (): Promise<void> => {
    for (;;) {
      const { done } = await reader.read();
      if (done) return;
    }
  };
  wait().then(onGone, onGone);
}

/**
 * For a direct child of the supervisor: the lifeline, and on Linux the kernel's own tie as well.
 */
export function dieWithSupervisor(path: string, onGone: () => void): void {
  dieWithParent();
  watchLifeline(path, onGone);
}
