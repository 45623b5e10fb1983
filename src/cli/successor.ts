/**
 * The new server of an upgrade, as far as it deals with the old one: what it is left, and the
 * moment in which it becomes the server (src/supervisor/upgrade.ts has the other side).
 */
import type { Inheritance, SuccessorReady, TakeOver } from "../supervisor/upgrade.ts";

const VARIABLE = "KEELBACK_UPGRADE";

/** Takes the variable out of the environment; null: this server succeeds nobody. */
export function takeInheritance(env: Record<string, string | undefined>): Inheritance | null {
  const text = env[VARIABLE];
  delete env[VARIABLE];
  if (text === undefined || process.send === undefined) return null;
  return JSON.parse(text) as Inheritance;
}

/** Tells the old server that this one serves; resolves when it has stepped back, with what it says then, or is gone (null). */
export async function succeed(ready: Omit<SuccessorReady, "t">): Promise<TakeOver | null> {
  const { promise, resolve } = Promise.withResolvers<TakeOver | null>();
  const message = (said: TakeOver): void => {
    if (said.t === "take-over") resolve(said);
  };
  const gone = (): void => resolve(null);
  process.on("message", message);
  process.on("disconnect", gone);
  if (process.connected) process.send?.({ t: "ready", ...ready } satisfies SuccessorReady);
  else gone();
  const said = await promise;
  process.off("message", message);
  process.off("disconnect", gone);
  if (process.connected) process.disconnect?.();
  return said;
}
