/** A short run of `make chaos`: the long ones are for people. A seed that fails there replays by `--seed`. */
import { expect, test } from "bun:test";
import { chaos } from "../../chaos/run.ts";

const SECONDS = 15;

test("Every request's fate is accounted for while everything breaks", async () => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const report = await chaos({ seed: 20_261_121, seconds: SECONDS, scale: 0.25, only: [], say });
  expect({ broken: report.broken, said: report.broken.length > 0 ? lines : [] }).toEqual({
    broken: [],
    said: [],
  });
  expect(Object.values(report.traffic).reduce((sum, { ok }) => sum + ok, 0)).toBeGreaterThan(500);
}, 120_000);
