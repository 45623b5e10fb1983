/**
 * Workers killed while requests come that must not be run twice. The app notes the number of each request it begins: afterwards it
 * is known which were begun, and how often.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disturbance } from "./disturb.ts";
import { type Measure, using } from "./measures.ts";
import { describeOpen, openByClient } from "./open-client.ts";
import type { OpenOptions } from "./open-client.ts";
import type { Measured } from "./types.ts";

interface Noted {
  /** Requests that were begun more than once. */
  twice: number;
  begun: ReadonlySet<number>;
}

function read(file: string): Noted {
  const begun = new Set<number>();
  let twice = 0;
  for (const [, id] of readFileSync(file, "utf8").matchAll(/^id=(\d+)$/gm)) {
    const number = Number(id);
    if (begun.has(number)) twice += 1;
    begun.add(number);
  }
  return { begun, twice };
}

export function killedPosts(options: OpenOptions, kills: Disturbance): Measure {
  return async (context) => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-bench-"));
    const file = join(directory, "begun");
    process.env["BENCH_RECORD"] = file;
    try {
      return await using(context, async (server) => {
        let turn = 0;
        const timer = setInterval(() => kills.run(server, turn++), kills.everyMs);
        const seen = await openByClient(server, options, context.seconds);
        clearInterval(timer);
        const { begun, twice } = read(file);
        const lost = seen.failedIds.filter((id) => begun.has(id)).length;
        const unbegun = seen.failedIds.length - lost;
        const bad = seen.kinds["502"] ?? 0;
        const others = seen.failed - bad;
        const figures: Measured["figures"] = {
          twice: { label: "run twice", unit: "requests", better: "less", value: twice },
          lost: { label: "begun and failed", unit: "requests", better: "less", value: lost },
          unbegun: { label: "failed unbegun", unit: "requests", better: "less", value: unbegun },
          bad: { label: "answered 502", unit: "requests", better: "less", value: bad },
          others: { label: "failed otherwise", unit: "requests", better: "less", value: others },
          p99: { label: "P99", unit: "ms", better: "less", value: seen.p99Ms },
        };
        const load = `${describeOpen(options)}; ${kills.what}, ${turn} times`;
        return { figures, errors: 0, load };
      });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
}
