/** Pings, and when a WebSocket client is given up. */
import { describe, expect, test } from "bun:test";
import { more, ping, pong, text } from "../../support/ws-frames.ts";
import { message, scene } from "../../support/ws-session.ts";

describe("A silent WebSocket client is pinged, then cut", () => {
  test("silence, ping, silence, cut", () => {
    const all = scene();
    all.pass(19_999);
    expect(all.transport.take()).toBe("");
    all.pass(2001);
    expect(all.transport.take()).toBe("8900");
    all.pass(19_000);
    expect(all.transport.ends).toEqual([]);
    all.pass(3000);
    expect([all.transport.ends, all.backend.take()]).toEqual([["abort"], ["close 1006 "]]);
    expect(all.transport.deadline).toBe(0);
  });

  test("whatever comes is a sign of life", () => {
    const all = scene();
    for (const bytes of [pong(), text("x"), ping(), more("").subarray(0, 1)]) {
      all.pass(22_000);
      expect(all.transport.take()).toEndWith("8900");
      all.pass(15_000);
      all.session.receive(bytes);
    }
    expect(all.transport.ends).toEqual([]);
  });

  test("a client that sends is not pinged", () => {
    const all = scene();
    for (let i = 0; i < 30; i++) {
      all.pass(10_000);
      all.session.receive(text("x"));
    }
    expect(all.transport.take()).toBe("");
  });

  test("a client that we do not read is not cut", () => {
    const all = scene({ credit: 0 });
    all.session.receive(text("held"));
    all.pass(300_000);
    expect([all.transport.ends, all.transport.take()]).toEqual([[], ""]);
    all.x.requestCredit = 1000;
    all.session.onCredit();
    all.pass(22_000);
    expect(all.transport.take()).toBe("8900");
  });

  test("a client that is not allowed to send is not cut", () => {
    const all = scene();
    all.transport.shut = true;
    all.pass(300_000);
    expect([all.transport.ends, all.transport.take()]).toEqual([[], ""]);
    all.transport.shut = false;
    all.pass(22_000);
    expect(all.transport.take()).toBe("8900");
  });

  test("a client that takes slowly is neither pinged nor cut, one that takes nothing is", () => {
    const all = scene();
    all.transport.room = 0;
    message(all, 2, Buffer.alloc(100_000));
    all.transport.take();
    for (let i = 0; i < 10; i++) {
      all.pass(50_000);
      all.flow(1000);
    }
    expect([all.transport.ends, all.transport.take()]).toEqual([[], ""]);
    all.pass(62_000);
    expect([all.transport.ends, all.backend.take()]).toEqual([["abort"], ["close 1006 "]]);
  });

  test("both can be turned off", () => {
    const none = scene({ settings: { wsPingIntervalMs: 0 } });
    expect(none.transport.deadline).toBe(0);
    const patient = scene({ settings: { wsPingTimeoutMs: 0 } });
    patient.pass(100_000);
    expect(patient.transport.take()).toBe("8900".repeat(4));
    expect(patient.transport.ends).toEqual([]);
  });

  test("a stalled client is cut though pings are off", () => {
    const all = scene({ settings: { wsPingIntervalMs: 0 } });
    all.transport.room = 0;
    message(all, 1, "x");
    all.pass(62_000);
    expect(all.transport.ends).toEqual(["abort"]);
  });
});
