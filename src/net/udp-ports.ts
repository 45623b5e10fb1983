/**
 * Whether the UDP ports beside TCP ones are free: an edge opens them later, and then only a log would say so. Best effort, as another
 * program may take one in between.
 */
import { closeSync } from "node:fs";
import { bindTo, datagramSocket, errno, readFamily, socketName } from "./libc.ts";
import type { Listener, OpenFailure } from "./open-result.ts";

/** What stands in the way of HTTP/3 beside these sockets, or null. */
export function udpFailure(listeners: readonly Listener[]): OpenFailure | null {
  for (const listener of listeners) {
    if (listener.kind !== "tcp" || listener.protocol !== "http") continue;
    const name = socketName(listener.fd);
    const error = name === null ? null : bindError(name);
    if (error !== null) return failureOf(error, listener);
  }
  return null;
}

/** The name of the error that binding a UDP socket to this address meets, or null. */
function bindError(address: Uint8Array): string | null {
  const fd = datagramSocket(readFamily(address));
  if (fd < 0) return errno();
  const error = bindTo(fd, address) ? null : errno();
  closeSync(fd);
  return error;
}

function failureOf(error: string, { address, port }: Listener): OpenFailure {
  if (error !== "EADDRINUSE") {
    const message = `HTTP/3 cannot listen on ${address} (UDP): ${error}`;
    return { code: "system", message, remedy: "leave http3 out" };
  }
  return {
    code: "in-use",
    message: `HTTP/3 cannot listen on ${address}: UDP port ${port} is in use`,
    remedy: `see who has it (ss -lunp 'sport = :${port}'), or leave http3 out`,
  };
}
