import { expect, test } from "bun:test";
import fc from "fast-check";
import { DispatchQueue } from "../../../src/dispatch/queue.ts";
import { Stage } from "../../../src/exchange/exchange.ts";
import { FakeExchange } from "../../support/wire.ts";

test("first in, first out; what comes back goes first; what is removed does not come", () => {
  const queue = new DispatchQueue();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => new FakeExchange(name)) as [
    FakeExchange,
    FakeExchange,
    FakeExchange,
    FakeExchange,
  ];
  queue.push(a);
  queue.push(b);
  queue.push(c);
  queue.unshift(d);
  expect(b.stage).toBe(Stage.QUEUED);
  queue.remove(b);
  expect(b.stage).toBe(Stage.OUT);
  expect(queue.size).toBe(3);
  expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()]).toEqual([d, a, c, null]);
});

test("behaves as a list does, for any sequence of calls", () => {
  const step = fc.record({
    op: fc.constantFrom("push", "unshift", "shift", "remove"),
    n: fc.nat(500),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const queue = new DispatchQueue();
      const list: FakeExchange[] = [];
      for (const { op, n } of steps) {
        if (op === "push" || op === "unshift") {
          const x = new FakeExchange(String(n));
          queue[op](x);
          list[op](x);
        } else if (op === "shift") {
          expect(queue.shift()).toBe(list.shift() ?? null);
        } else if (list.length > 0) {
          const [x] = list.splice(n % list.length, 1);
          queue.remove(x!);
        }
        expect(queue.size).toBe(list.length);
        expect(queue.peek()).toBe(list[0] ?? null);
      }
    }),
  );
});
