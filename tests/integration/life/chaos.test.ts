/**
 * A round of `make chaos` through every kind of fault, once each: the long runs are for people. A part that fails replays by
 * `bun tests/chaos/run.ts --seed 20261121 --scale 0.25 --part N`.
 */
import { expect, test } from "bun:test";
import { chaos } from "../../chaos/chaos.ts";
import { partOf, SHAPES } from "../../chaos/round.ts";
import { shapeText } from "../../chaos/shape.ts";

const SEED = 20_261_121;
const SCALE = 0.25;

const parts = SHAPES.map((shape, at): [string, number] => [shapeText(shape), at + 1]);

test.each(parts)(
  "Every request's fate is accounted for while everything breaks: %s",
  async (_, number) => {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const part = partOf(SEED, number);
    const report = await chaos({ seed: SEED, seconds: 0, scale: SCALE, only: [], ...part, say });
    expect({ broken: report.broken, said: report.broken.length > 0 ? lines : [] }).toEqual({
      broken: [],
      said: [],
    });
    expect(Object.keys(report.faults)).toEqual(expect.arrayContaining([...part.names]));
    expect(Object.values(report.traffic).reduce((sum, { ok }) => sum + ok, 0)).toBeGreaterThan(500);
  },
  150_000,
);

test("A server that was killed is followed by another one on the same socket", async () => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const names = ["upgrade", "kill the supervisor", "kill the supervisor"];
  const about = { seed: SEED, seconds: 0, scale: SCALE, only: [], names, say };
  const report = await chaos({ ...about, shape: SHAPES[0]! });
  expect({ broken: report.broken, said: report.broken.length > 0 ? lines : [] }).toEqual({
    broken: [],
    said: [],
  });
  // Who waited for the next server was answered by it.
  expect(report.traffic["get new"]?.failed).toBe(0);
}, 60_000);
