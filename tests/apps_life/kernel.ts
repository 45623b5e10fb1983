/** What the kernel says of TCP sockets, those of other processes too (Linux). */
import { readFileSync } from "node:fs";

/** States and timers as /proc/net/tcp has them. */
export const ESTABLISHED = "01";
export const SYN_RECEIVED = "03";
export const NO_TIMER = "00";
export const KEEP_ALIVE_TIMER = "02";

export interface KernelSocket {
  readonly state: string;
  readonly timer: string;
  /** A process has it open. */
  readonly held: boolean;
}

/** The sockets at this port that another port talks to. */
export function kernelView(port: number, clientPort: number): KernelSocket[] {
  const hex = (number: number): string => number.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local, remote]) =>
        local?.endsWith(`:${hex(port)}`) && remote?.endsWith(`:${hex(clientPort)}`),
    )
    .map(([, , , state = "", , timer = "", , , , inode]) => {
      return { state, timer: timer.slice(0, 2), held: inode !== "0" };
    });
}
