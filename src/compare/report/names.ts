/** How rows and scenarios are called, in every kind of report. */
import type { ScenarioResult } from "../types.ts";
import { rankedFigure } from "./figures.ts";
import { cut } from "./grid.ts";
import { plain } from "./numbers.ts";
import type { Place } from "./ranking.ts";

const NAME_COLUMNS_MAX = 30;

/** How all rows were run, and what ranks them. */
export function setupText(scenario: ScenarioResult): string {
  const { setup, connections } = scenario;
  const parts = [
    setup.interface.toUpperCase(),
    ...(setup.protocol === undefined || setup.protocol === "h1" ? [] : [setup.protocol]),
    counted(setup.workers, "worker"),
    ...(setup.threads === undefined ? [] : [counted(setup.threads, "thread")]),
    ...(connections === 0 ? [] : [counted(connections, "connection")]),
    ...(setup.mode === "recommended" ? ["each server's recommended settings"] : []),
    `ranked by ${rankedFigure(scenario).label}`,
  ];
  return parts.join(" · ");
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `1`, `1=` of equals, `!` of a server that failed too many requests, `?` of one that has one round only. */
export function rankText({ rank, tied, unranked, unsure }: Place): string {
  if (unsure === true) return "?";
  if (unranked !== undefined) return "!";
  return rank === undefined ? "" : `${rank}${tied ? "=" : ""}`;
}

/** Says which rows do not compete. */
export function nameText({ row, rank, unsure }: Place): string {
  const aside =
    row.kind === "server" || rank !== undefined || unsure === true ? "" : ` (${row.kind})`;
  return cut(plain(row.server), NAME_COLUMNS_MAX - aside.length) + aside;
}
