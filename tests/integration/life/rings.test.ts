/** The memory that an edge shares with a worker, when the worker is gone. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { gone, treeOf } from "../../apps_life/processes.ts";
import { eventually, Place, requestText, serve } from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";

const WORKERS = 2;
const KEPT = 6;
/** The runtime gives memory back when it collects: here every now and then, and not when it likes. */
const COLLECTS = "setInterval(() => Bun.gc(true), 200).unref();\n";

function ringsOf(edge: number): number {
  return readFileSync(`/proc/${edge}/maps`, "utf8").split("keelback-rings").length - 1;
}

test.skipIf(process.platform !== "linux")(
  "kept connections do not hold the memory of workers that are gone",
  async () => {
    using place = new Place();
    const env = { BUN_OPTIONS: `--preload ${place.write("collect.ts", COLLECTS)}` };
    await using server = await serve("wsgi_app:app", { args: ["--workers", `${WORKERS}`], env });
    const clients = await Promise.all(
      Array.from({ length: KEPT }, () => RawClient.connect(server.port)),
    );
    for (const client of clients) {
      await client.send(requestText("/"));
      await client.readResponse();
    }
    const { edges, workers } = treeOf(server);
    process.kill(server.pid, "SIGHUP");
    await gone(workers);
    const rings = (): number => ringsOf(edges[0]!.pid);
    await eventually(
      () => `${WORKERS} rings, there are ${rings()}`,
      () => rings() === WORKERS,
    );
    expect(clients.map(({ ended }) => ended)).toEqual(clients.map(() => false));
    for (const client of clients) client.close();
  },
);
