import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Place } from "../../apps_life/serve.ts";
import { Notices } from "../../../src/supervisor/notices.ts";
import { OomKills } from "../../../src/supervisor/oom.ts";
import { keptLog } from "../../support/kept-log.ts";

const KILLED = 9;

/** What the log says of a worker that was killed while it served. */
function world(path: string): { killed: () => string; pass: (ms: number) => void } {
  const { log, take } = keptLog("info");
  let now = 0;
  const clock = { now: () => now };
  const notices = new Notices(log, clock, new OomKills(clock, path));
  return {
    killed: () => {
      take();
      notices.gone(7, "ready", KILLED);
      return take();
    },
    pass: (ms) => {
      now += ms;
    },
  };
}

test("a kill for want of memory is told from another one", () => {
  using place = new Place();
  const count = (kills: number): string => place.write("vmstat", `nr_dirty 4\noom_kill ${kills}\n`);
  const { killed, pass } = world(count(3));
  expect(killed()).toContain("worker-7 was killed by SIGKILL unexpectedly; somebody sent it");
  count(4);
  expect(killed()).toContain("; the system was out of memory");
  // The same shortage has killed another worker, of which is heard a little later.
  pass(1000);
  expect(killed()).toContain("; the system was out of memory");
  pass(10_000);
  expect(killed()).toContain("; somebody sent it");
});

test("where the kernel does not say, neither does the log", () => {
  using place = new Place();
  expect(world(place.of("missing")).killed()).toContain("; perhaps the system was out of memory");
  expect(world(place.write("vmstat", "nr_dirty 4\n")).killed()).toContain("; perhaps");
});

test("this kernel's count is read", () => {
  const known = /^oom_kill \d+$/m.test(readFileSync("/proc/vmstat", "utf8"));
  expect(new OomKills({ now: () => 0 }).happened()).toBe(known ? false : null);
});
