/** Priority values (RFC 9218 section 4) as dictionaries of structured fields (RFC 8941). */
import { expect, test } from "bun:test";
import { PRIORITY_DEFAULT, parsePriority } from "../../../../src/proto/h2/priority.ts";

const cases: [string, number][] = [
  ["u=0", 0],
  ["u=7, i", 15],
  ["u=5,i", 11],
  ["i", 7],
  ["", 6],
  ["i=?1", 7],
  ["i=?0", 6],
  ["  u=1 ", 2],
  ["u=1;x=y;z", 2],
  ["u=1, u=4", 8],
  ['a="b, \\"c", u=2', 4],
  ["x=(1 2 tok;q=1), i , u=6", 13],
  ["x=:YWJj:, u=4", 8],
  ["y=1.25, *z=-3, u=0", 0],
  // Of a wrong kind or out of range: as if it were not there.
  ["u=8", 6],
  ["u=-1", 6],
  ["u=x, i", 7],
  ["i=1", 6],
];
test.each(cases)("%j is %d", (value, priority) => {
  expect(parsePriority(value)).toBe(priority);
});

const malformed = ["u=1,", ",u=1", "u=1 i", "u=", "U=1", "u=1, =", 'u="', "u=(1", "u=1;", "u=0\0"];
test.each([...malformed, `u=0, a="${"x".repeat(300)}"`])("%j means nothing", (value) => {
  expect(parsePriority(value)).toBe(PRIORITY_DEFAULT);
});

test("a hostile value is read in no time", () => {
  const started = Bun.nanoseconds();
  for (const part of ["a;", "a=(", "a=(b ", "a=( ", '"\\"', "a=b;c=d;", "a=1.1", ":a"]) {
    parsePriority(part.repeat(256 / part.length));
  }
  expect(Bun.nanoseconds() - started).toBeLessThan(50e6);
});
