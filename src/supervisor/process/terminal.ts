/**
 * The terminal that this process was started from. Closing it sends a SIGHUP too, to those in its foreground; whoever is in the
 * background, or was started by `nohup`, is to outlive it, and gets a SIGHUP to reload.
 */
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { ignoresSignal, isForeground } from "../../net/this-process.ts";

export class Terminal {
  readonly #outlived = ignoresSignal(constants.signals.SIGHUP);
  #foreground = false;

  /** Before anybody listens for SIGHUP. */
  constructor() {
    this.look();
  }

  /** A SIGHUP that comes now says that it has been closed, and that is meant for us. */
  get closed(): boolean {
    return this.#foreground && !this.#outlived && look() === null;
  }

  /** The shell may have put us into the background, or back. */
  look(): void {
    this.#foreground = look() ?? this.#foreground;
  }
}

/** Whether we are in the foreground of our terminal; null: it is not there. */
function look(): boolean | null {
  try {
    const terminal = openSync("/dev/tty", "r");
    try {
      return isForeground(terminal);
    } finally {
      closeSync(terminal);
    }
  } catch {
    return null;
  }
}
