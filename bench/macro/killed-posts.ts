/**
 * Workers killed while requests come that must not be run twice. The app notes the number of each request it begins: afterwards it
 * is known which were begun, and how often.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_ERRORS } from "../../src/compare/load/tool.ts";
import type { Measurement } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import type { Disturbance } from "./disturb.ts";
import { less } from "./figures.ts";
import { describeOpen, openByClient } from "./open-client.ts";
import type { OpenOptions } from "./open-client.ts";

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

export function killedPosts(options: OpenOptions, kills: Disturbance): Measurement {
  return async (subject) => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-bench-"));
    const file = join(directory, "begun");
    process.env["BENCH_RECORD"] = file;
    try {
      return await using(subject, async (server) => {
        let turn = 0;
        const timer = setInterval(() => kills.run(server, turn++), kills.everyMs);
        const seen = await openByClient(server, options, subject);
        clearInterval(timer);
        const { begun, twice } = read(file);
        const lost = seen.failedIds.filter((id) => begun.has(id)).length;
        const unbegun = seen.failedIds.length - lost;
        const bad = seen.kinds["502"] ?? 0;
        const others = seen.failed - bad;
        const figures = {
          twice: less("run twice", "requests", twice),
          lost: less("begun and failed", "requests", lost),
          unbegun: less("failed unbegun", "requests", unbegun),
          bad: less("answered 502", "requests", bad),
          others: less("failed otherwise", "requests", others),
          p99: less("P99", "ms", seen.p99Ms),
        };
        const load = `${describeOpen(options)}; ${kills.what}, ${turn} times`;
        return { figures, requests: seen.sent, errors: NO_ERRORS, load };
      });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
}
