/**
 * The end of a listening socket without losing a connection. Closing it resets those that the kernel has agreed to and nobody has accepted.
 * So first the kernel is told to let no more of them begin, then what waits is accepted, then it is closed.
 */
import { isShared } from "./handover.ts";
import { attachFilter, isReadable } from "./libc.ts";
import type { Listener } from "./open-result.ts";

/** Offset of the flags in a TCP header (RFC 9293 section 3.1). */
const TCP_FLAGS_AT = 13;
const SYN = 0x02;
const SYN_OR_ACK = 0x12;

/** Classic BPF: a SYN is dropped (its sender tries again a second later, and meets a successor or nobody), all else passes. */
const NO_SYN: readonly (readonly [code: number, ifTrue: number, ifFalse: number, k: number])[] = [
  [0x30, 0, 0, TCP_FLAGS_AT],
  [0x54, 0, 0, SYN_OR_ACK],
  [0x15, 0, 1, SYN],
  [0x06, 0, 0, 0],
  [0x06, 0, 0, 0xffff_ffff],
];

/**
 * No connection begins any more at these sockets; those that have begun come to be accepted. Where the system cannot do that,
 * nothing changes. Sockets that others hold too are left alone: they outlive this server.
 */
export function refuseNewcomers(listeners: readonly Listener[]): void {
  const program = new Uint8Array(8 * NO_SYN.length);
  const view = new DataView(program.buffer);
  for (const [at, [code, ifTrue, ifFalse, k]] of NO_SYN.entries()) {
    view.setUint16(8 * at, code, true);
    view.setUint8(8 * at + 2, ifTrue);
    view.setUint8(8 * at + 3, ifFalse);
    view.setUint32(8 * at + 4, k, true);
  }
  for (const listener of listeners) {
    const { fd, kind, passedAs } = listener;
    const ours = passedAs === null && !isShared(listener);
    if (kind === "tcp" && ours) attachFilter(fd, program);
  }
}

/** A connection waits to be accepted at this listening socket. */
export function isAwaited(fd: number): boolean {
  return isReadable(fd);
}
