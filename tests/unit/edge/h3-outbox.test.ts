/** When whole responses over HTTP/3 are given to the runtime. */
import { describe, expect, test } from "bun:test";
import { H3Outbox } from "../../../src/edge/drivers/h3-outbox.ts";

class Sent {
  readonly outbox = new H3Outbox();
  readonly names: string[] = [];

  add(...names: string[]): void {
    for (const name of names) this.outbox.add({ sendReady: () => this.names.push(name) });
  }
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
const LETTERS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

describe("HTTP/3 responses", () => {
  test("leave in portions, a turn of the event loop each, in order", async () => {
    const sent = new Sent();
    sent.add(...LETTERS);
    expect(sent.names).toEqual([]);
    const counts: number[] = [];
    while (sent.names.length < LETTERS.length) {
      await turn();
      counts.push(sent.names.length);
    }
    expect(counts.filter((count, i) => count !== counts[i - 1])).toEqual([4, 8, 10]);
    expect(sent.names).toEqual(LETTERS);
  });

  test("leave all at once while packets are taken in", async () => {
    const sent = new Sent();
    sent.add(...LETTERS);
    await turn();
    const first = sent.names.length;
    sent.outbox.takingIn();
    expect({ first, names: sent.names }).toEqual({ first: 4, names: LETTERS });
  });

  test("that come after those were sent leave too, once", async () => {
    const sent = new Sent();
    sent.add("a", "b");
    sent.outbox.takingIn();
    sent.add("c");
    await turn();
    await turn();
    sent.outbox.takingIn();
    expect(sent.names).toEqual(["a", "b", "c"]);
  });

  test("that one of them brings about are not lost", async () => {
    const sent = new Sent();
    sent.outbox.add({ sendReady: () => sent.add("a") });
    sent.outbox.takingIn();
    while (sent.names.length === 0) await turn();
    expect(sent.names).toEqual(["a"]);
  });
});
