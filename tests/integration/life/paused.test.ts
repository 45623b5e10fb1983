/** A server that stands still with all its processes, as when a virtual machine is moved. */
import { expect, test } from "bun:test";
import { descendants } from "../../apps_life/processes.ts";
import { begin, eventually, Place, serve } from "../../apps_life/serve.ts";

const TIMEOUT_SECONDS = 3;
/** Longer than the timeout and the ticks by which it may be late. */
const STILL_MS = 5000;

test("A machine that stands still costs no request its time", async () => {
  using place = new Place();
  const args = ["--workers", "1", "--timeout", `${TIMEOUT_SECONDS}`];
  await using server = await serve("asgi_app:app", { place, args });
  const running = await begin(server, "/wait/a");
  await place.noted("a.begun");
  const all = [server.pid, ...descendants(server.pid).map(({ pid }) => pid)];
  for (const pid of all) process.kill(pid, "SIGSTOP");
  try {
    const from = performance.now();
    await eventually("time to pass", () => performance.now() - from > STILL_MS);
    place.open("a");
  } finally {
    for (const pid of all.toReversed()) process.kill(pid, "SIGCONT");
  }
  expect(await running.readResponse()).toMatchObject({ status: 200 });
  running.close();
});
