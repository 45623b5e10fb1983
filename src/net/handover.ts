/**
 * Which listening sockets are another server's too, a successor's or, until it has proved itself, a
 * predecessor's: this one closes its own descriptors of them and changes nothing else, neither
 * their files nor what the kernel does with newcomers.
 */
import type { Listener } from "./open-result.ts";

const shared = new WeakSet<Listener>();

export function share(listeners: readonly Listener[]): void {
  for (const listener of listeners) shared.add(listener);
}

export function isShared(listener: Listener): boolean {
  return shared.has(listener);
}

/** They are this server's alone (again). */
export function takeBack(listeners: readonly Listener[]): void {
  for (const listener of listeners) shared.delete(listener);
}
