/** The presets of `make bench`: each can be run with what the catalogue knows, and none of its variants is in the catalogue. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { groups, presets } from "../../../bench/macro/scenarios.ts";
import { scenarioOf } from "../../../bench/macro/preset.ts";
import { serverOf, variants } from "../../../bench/macro/servers.ts";
import { plan } from "../../../bench/macro/releases.ts";
import { estimate, roundSeconds } from "../../../src/compare/plan.ts";
import { catalogue, named, variant } from "../../../src/compare/servers/catalogue.ts";
import type { Setup } from "../../../src/compare/types.ts";

const listen = { port: 7007, directory: "/run/one" };
const base: Setup = {
  interface: "asgi",
  app: "main:app",
  directory: "/srv/app",
  python: "/srv/env/bin/python",
  workers: 2,
  mode: "equal",
};

function line(name: string, setup: Partial<Setup> = {}): string {
  const all = { ...base, ...setup };
  return serverOf(name, all.interface).command(all, listen).argv.join(" ");
}

describe("presets", () => {
  test("each has a name of its own, an app that is there, and servers that speak what it needs", () => {
    expect(new Set(presets.map(({ name }) => name)).size).toBe(presets.length);
    for (const { name, setup, servers } of presets) {
      const [module = ""] = setup.app.split(":");
      expect(existsSync(`${setup.directory}/${module}.py`)).toBe(true);
      expect(servers).toContain("keelback");
      for (const server of servers) {
        const spec = serverOf(server, setup.interface);
        expect(`${name} ${spec.name}`).toBe(`${name} ${server}`);
        expect(spec.interfaces).toContain(setup.interface);
        expect(spec.protocols).toContain(setup.protocol ?? "h1");
      }
    }
  });

  test("each ends: its time can be estimated, and the throughput ones fit into a quarter of an hour", () => {
    const pace = { rounds: 3, seconds: 3 };
    const seconds = (group: (typeof presets)[number][]): number =>
      estimate(
        group.map((each) => ({
          scenario: scenarioOf(each, false),
          contenders: each.servers.length,
        })),
        pace,
      );
    for (const preset of presets) expect(seconds([preset])).toBeGreaterThan(1);
    expect(seconds([...(groups["throughput"] ?? [])])).toBeLessThan(15 * 60);
  });

  test("without the open loop a round of throughput takes about half as long", () => {
    const [first] = groups["throughput"] ?? [];
    if (first === undefined) throw new Error("there is no throughput preset");
    const [both, closed] = [scenarioOf(first, false), scenarioOf(first, true)];
    expect(closed.load).toEqual({ ...both.load, closedOnly: true } as typeof closed.load);
    expect(roundSeconds(both, 5) - roundSeconds(closed, 5)).toBeCloseTo(5);
  });

  test("releases of a minute are spread, and a shorter run has one of each at least", () => {
    expect(plan(60, true).filter((step) => step === "upgrade")).toHaveLength(3);
    expect(plan(60, true)).toHaveLength(23);
    expect(new Set(plan(3, true))).toEqual(new Set(["reload", "upgrade"]));
    expect(new Set(plan(60, false))).toEqual(new Set(["reload"]));
  });
});

describe("variants", () => {
  test("are servers of the catalogue with other options, and not in it", () => {
    for (const each of variants) {
      expect(catalogue).not.toContain(each);
      expect(named(each.name)).not.toContain(each);
      expect(catalogue.map(({ name }) => name)).toContain(each.of);
    }
    expect(line("keelback preload")).toEndWith("--log-level warning --preload");
    expect(line("granian respawn")).toEndWith("--respawn-failed-workers");
    expect(line("uvicorn wsproto")).toEndWith("--ws wsproto");
    expect(line("hypercorn")).toContain("--worker-class uvloop");
    expect(line("uwsgi", { interface: "wsgi" })).toEndWith(
      "--lazy-apps --binary-path /srv/env/bin/python",
    );
  });

  test("Gunicorn is its program: as a module it does not survive an upgrade", () => {
    expect(line("gunicorn asgi")).toStartWith("gunicorn main:app -k asgi -w 2 ");
    expect(line("gunicorn preload", { interface: "wsgi" })).toMatch(
      /^gunicorn main:app -k gthread .* --preload$/,
    );
  });

  test("a family's name is the server that speaks the interface", () => {
    expect(line("granian")).toContain("--interface asgi");
    expect(line("granian", { interface: "wsgi" })).toContain("--interface wsgi");
    expect(() => serverOf("nobody", "asgi")).toThrow("no server is called nobody");
    expect(() => variant("nobody", { name: "x" })).toThrow("no server of the catalogue");
  });

  test("a pid file and a time limit reach the servers that know them", () => {
    const asked = { pidFile: "/run/one/pid", timeoutSeconds: 3 };
    expect(line("keelback", asked)).toEndWith("--pid /run/one/pid --timeout 3");
    expect(line("gunicorn asgi", asked)).toEndWith("--pid /run/one/pid --timeout 3");
    expect(line("uvicorn", asked)).toContain("--timeout-worker-healthcheck 3");
    expect(line("uwsgi", { ...asked, interface: "wsgi" })).toContain("--harakiri 3");
    expect(line("granian", asked)).not.toContain("/run/one/pid");
  });
});
