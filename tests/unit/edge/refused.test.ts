import { expect, test } from "bun:test";
import { Edge } from "../../../src/edge/edge.ts";
import type { Backend } from "../../../src/exchange/exchange.ts";
import { EDGE_SETTINGS } from "../../support/edge-settings.ts";

test("A flood of refused requests does not fill the log", () => {
  const lines: string[] = [];
  const edge = new Edge({
    settings: EDGE_SETTINGS,
    backend: {} as Backend,
    accessLog: null,
    tls: null,
    onTick: () => false,
    log: (level, message) => void lines.push(`${level} ${message}`),
  });
  for (let turn = 0; turn < 500; turn += 1) {
    edge.onRefused("no-workers", "203.0.113.7", "GET /");
    edge.onRefused("queue-full", "203.0.113.7", "GET /");
    edge.onCut("the app failed", "203.0.113.7", "GET /");
  }
  const warnings = lines.filter((line) => line.startsWith("warning "));
  expect(warnings.filter((line) => line.includes("[no-workers]"))).toHaveLength(20);
  expect(warnings.filter((line) => line.includes("[queue-full]"))).toHaveLength(20);
  expect(warnings.filter((line) => line.startsWith("warning cut "))).toHaveLength(20);
  expect(lines).toHaveLength(1500);
  expect(edge.counts.refused).toMatchObject({ "no-workers": 500, "queue-full": 500 });
});
