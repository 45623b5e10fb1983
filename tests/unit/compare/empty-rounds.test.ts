import { expect, test } from "bun:test";
import { withoutEmptyRounds } from "../../../src/compare/empty-rounds.ts";
import type { ErrorCounts, Round, Row } from "../../../src/compare/types.ts";
import { NO_ERRORS, rounds, rowOf, scenarioOf } from "../../support/comparison.ts";

function after(measured: readonly Round[]): Row {
  const row = rowOf("a", { rate: 1000, row: { rounds: measured } });
  const [done] = withoutEmptyRounds(scenarioOf([row])).rows;
  if (done === undefined) throw new Error("the row is lost");
  return done;
}

const good = rounds({ rate: 1000, rounds: 2 });

function zero(errors: Partial<ErrorCounts> = {}): Round {
  return { requestsPerSecond: 0, requests: 0, errors: { ...NO_ERRORS, ...errors } };
}

test("a round without an answer is no figure, but a warning with its reason", () => {
  const row = after([...good, zero({ connection: 64, timeout: 3 })]);
  expect(row.rounds).toEqual(good);
  expect(row.failure).toBeUndefined();
  expect(row.warnings).toEqual([
    "no answer in 1 of 3 rounds: 64 connections failed, 3 requests timed out; left out of its figures",
  ]);
  expect(after([...good, zero()]).warnings[0]).toContain("was the machine busy");
});

test("a row of such rounds has failed", () => {
  const { failure, rounds: left } = after([zero(), zero({ connection: 2 })]);
  expect(left).toEqual([]);
  expect(failure).toMatch(
    /^no answer in 2 of 2 rounds: and no error .*; 2 connections failed \(wrk /,
  );
});

test("a slow server's round and one of wrong answers only stay", () => {
  const kept = [
    { ...zero({ body: 12 }), requests: 12 },
    { ...zero(), requestsPerSecond: 0.3 },
  ];
  expect(after(kept).rounds).toEqual(kept);
  expect(after(kept).warnings).toEqual([]);
});
