/**
 * What becomes of changed settings of listening sockets in an upgrade. The sockets that the new server inherits, and the files of
 * unix ones, are the old server's too, which serves on if the new one fails. So they are changed at the moment of take-over: an
 * upgrade that fails has touched nothing, and the old server, which only closes its descriptors from then on, is not in the way.
 */
import type { Bind } from "../config/bind.ts";
import { formatBind } from "../config/bind.ts";
import { isV6OnlySocket } from "./libc.ts";
import type { Listener, OpenFailure } from "./open-result.ts";
import type { ListenSettings } from "./sockets.ts";
import { changeTcpOptions, sharesPort } from "./tcp-options.ts";
import { changeFile } from "./unix.ts";

/** An inherited socket, and whether a new one would leave IPv4 clients to others. */
export interface Kept {
  readonly listener: Listener;
  readonly ipv6Only: boolean;
}

/** This server has taken over. What cannot be changed is said; sockets that were passed in stay as they were made. */
export function renewSockets(listeners: readonly Listener[], settings: ListenSettings): string[] {
  const own = listeners.filter(({ passedAs }) => passedAs === null);
  return own.flatMap(({ fd, kind, address }) => {
    if (kind === "tcp") {
      const refused = changeTcpOptions(fd, settings);
      return refused.map((what) => `${address}: this system refuses ${what}; it stays as it was`);
    }
    const complaint = address.startsWith("@") ? null : changeFile(address, settings);
    return complaint === null ? [] : [`${complaint}; it stays as it was until a restart`];
  });
}

/** What a socket has from before it was bound stays with it: a sentence for all that should be otherwise. */
export function keptWarnings(kept: readonly Kept[], { reusePort }: ListenSettings): string[] {
  const differing = kept.flatMap(({ listener: { fd, kind, address }, ipv6Only }) => {
    if (kind !== "tcp") return [];
    const shared = sharesPort(fd);
    const alone = isWildcard(address) ? isV6OnlySocket(fd) : ipv6Only;
    return [
      ...(shared === reusePort ? [] : [`${address} stays ${having(shared)} reuse-port`]),
      ...(alone === ipv6Only ? [] : [`${address} stays ${having(alone)} ipv6-only`]),
    ];
  });
  if (differing.length === 0) return [];
  const what = differing.join(", ");
  return [`an upgrade cannot change how sockets were bound: ${what}; a restart opens them anew`];
}

/** An address of IPv4 that cannot be bound beside an inherited `[::]`, as that one takes IPv4 clients. */
export function takenByWildcard(
  missing: readonly Bind[],
  inherited: readonly Listener[],
): OpenFailure | null {
  for (const { fd, address, port } of inherited) {
    if (!isWildcard(address) || isV6OnlySocket(fd)) continue;
    const bind = missing.find((one) => isIPv4(one) && one.port === port);
    if (bind === undefined) continue;
    const message = `${formatBind(bind)} is taken by ${address}, which was opened for IPv4 clients too`;
    const remedy = "leave it out, as they are served, or restart: an upgrade cannot change that";
    return { code: "in-use", message, remedy };
  }
  return null;
}

function isIPv4(bind: Bind): bind is Bind & { kind: "tcp" } {
  return bind.kind === "tcp" && !bind.host.includes(":");
}

/** For others IPv4 is none of their business. */
function isWildcard(address: string): boolean {
  return address.startsWith("[::]:");
}

function having(on: boolean): string {
  return on ? "with" : "without";
}
