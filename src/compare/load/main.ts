/** The load generators' own process (`__load`): what to do comes as JSON on stdin, the result leaves as JSON on stdout. */
import { writeSync } from "node:fs";
import type { LoadOrder } from "./order.ts";

export async function runLoad(): Promise<number> {
  const order: LoadOrder = JSON.parse(await Bun.stdin.text());
  const result = await carryOut(order);
  const bytes = Buffer.from(`${JSON.stringify(result)}\n`);
  for (let from = 0; from < bytes.length;) from += writeSync(1, bytes, from);
  return 0;
}

async function carryOut(order: LoadOrder): Promise<unknown> {
  switch (order.do) {
    case "http":
      return (await import("./open-loop.ts")).runOpenLoop(order.spec);
    case "websocket":
      return (await import("./websocket.ts")).runWebSocketLoad(order.spec);
    case "transfer":
      return (await import("./transfer.ts")).runTransfer(order.spec);
    case "http2":
      return (await import("./http2.ts")).runHttp2Load(order.spec);
  }
}
