/** `keelback ctl` with the server under chaos, by the name that the service manager gave its control socket. */
import { repository } from "../support/server.ts";
import type { Scene } from "./fault.ts";
import { CONTROL } from "./stage.ts";

export async function ctl({ place }: Scene, ...words: readonly string[]): Promise<void> {
  const command = [`${repository}/keelback`, "ctl", ...words, "--control", place.of(CONTROL)];
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe" });
  const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`keelback ctl ${words.join(" ")}: ${said}`);
}
