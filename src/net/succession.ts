/**
 * Listening sockets that pass from one server to its successor, which has them open before the
 * first one closes them: whoever connects meets the one or the other, and what waits in the kernel
 * waits for both. Those that a service manager has passed in keep their numbers, and are passed in
 * once more.
 */
import type { Bind } from "../config/bind.ts";
import { formatAddress } from "../config/bind.ts";
import { makeOwn, socketState } from "./libc.ts";
import type { Listener } from "./open-result.ts";
import type { Passed } from "./passed.ts";
import { fileRemover } from "./unix.ts";

/** What the successor is told of a socket. */
export interface InheritedSocket extends Omit<Listener, "remove"> {
  /** The address that it was opened for, as --bind has it: the port may be 0 there. */
  readonly bind: string;
}

/** Of the one that sends clients to HTTPS. */
const REDIRECT = "redirect";
/** What inherited ones were opened for. */
const addresses = new WeakMap<Listener, string>();

/** `binds` are those of the settings. */
export function describeListeners(
  listeners: readonly Listener[],
  binds: readonly Bind[],
): InheritedSocket[] {
  const names = binds.filter(({ kind }) => kind === "tcp").map((bind) => formatAddress(bind));
  for (const listener of listeners) {
    const at = names.indexOf(addresses.get(listener) ?? "");
    if (at >= 0) names.splice(at, 1);
  }
  // Those that were opened here stand in the order of the settings.
  return listeners.map((listener) => {
    const { fd, kind, address, port, protocol, passedAs, redirectTo } = listener;
    const known = passedAs ?? (kind === "unix" ? `unix:${address}` : addresses.get(listener));
    const bind = redirectTo === null ? (known ?? names.shift() ?? address) : REDIRECT;
    return { fd, kind, address, port, protocol, passedAs, redirectTo, bind };
  });
}

/** Those of a service manager, as the predecessor got them. */
export function passedAgain(sockets: readonly InheritedSocket[]): Passed {
  const passed = sockets.flatMap(({ fd, passedAs }) => {
    if (passedAs === null) return [];
    const name = passedAs === `fd://${fd}` ? null : passedAs.slice("fd://".length);
    return [{ fd, name }];
  });
  return { sockets: passed, warnings: [] };
}

/** Of the predecessor's own sockets the one that an address means, which is taken out of the list; null: the redirect's. */
export function takeSocket(sockets: InheritedSocket[], bind: Bind | null): Listener | null {
  const wanted = bind === null ? REDIRECT : formatAddress(bind);
  const at = sockets.findIndex((one) => one.passedAs === null && one.bind === wanted);
  const [socket] = at < 0 ? [] : sockets.splice(at, 1);
  if (socket === undefined || socketState(socket.fd) !== "listening") return null;
  const { bind: name, ...described } = socket;
  const { fd, kind, address } = socket;
  makeOwn(fd);
  const hasFile = kind === "unix" && /^[^@]/.test(address);
  const protocol = bind?.protocol ?? "http";
  const listener = {
    ...described,
    protocol,
    remove: hasFile ? fileRemover(address) : (): void => {},
  };
  addresses.set(listener, name);
  return listener;
}
