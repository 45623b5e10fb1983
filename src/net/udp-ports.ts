/**
 * Whether the UDP port beside a TCP one is free: an edge opens it later, and then only a log would say so. Best effort, as another
 * program may take it in between.
 */
import { closeSync } from "node:fs";
import { bindTo, datagramSocket, errno, readFamily, socketName } from "./libc.ts";
import type { Listener, OpenFailure } from "./open-result.ts";

/** What stands in the way of HTTP/3 beside this socket, or null. */
export function udpFailure(listener: Listener): OpenFailure | null {
  if (listener.kind !== "tcp" || listener.protocol !== "http") return null;
  const name = socketName(listener.fd);
  const error = name === null ? null : bindError(name);
  return error === null ? null : failureOf(error, listener);
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
