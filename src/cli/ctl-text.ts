/** What `keelback ctl` shows to a person. Pure. */
import type { Answer } from "./ctl-client.ts";
import type { Question } from "./ctl.ts";

export const CTL_HELP = `keelback ctl COMMAND [--control PATH | --pid PID] [--json]

  Speaks with a running server.

  status                what it is, whether it serves, how much it has to do
  workers               its workers: process, state, age, running requests, memory
  reload                new workers with the code and settings as they are now; answers
                        when they serve, or with the reason why they do not (exit code 1)
  scale N               so many workers from now on
  worker N recycle      replaces one worker, as soon as its successor is ready
  dump N                where the threads of worker N are, which does it no harm
  drain                 not ready any more (--ready-path), but serves on
  undrain               ready again
  log-level LEVEL       debug, info, warning or error
  stop                  finishes what runs and ends; returns when it has ended

  The only running server is meant. Where there are several: --pid with its process id,
  or a file that holds it, or --control with its socket (KEELBACK_CONTROL). The mode of
  the socket is 0600: only the server's user and root can use it, and root has to say
  which. --json answers for programs.
`;

type Facts = Readonly<Record<string, unknown>>;

export function renderAnswer(question: Question, answer: Answer & { ok: true }): string {
  const facts: Facts = answer;
  const say = (name: string): string => textOf(facts[name]);
  switch (question.do) {
    case "status":
      return statusText(facts);
    case "workers":
      return workersText(facts["workers"]);
    case "reload":
      return `the new workers serve (generation ${say("generation")})\n`;
    case "scale":
      return `${say("workers")} workers from now on, before: ${say("before")}\n`;
    case "recycle":
      return `worker ${say("worker")} is replaced as soon as its successor is ready\n`;
    case "drain":
    case "undrain": {
      const hint = facts["hint"] === undefined ? "" : ` (${say("hint")})`;
      const what = facts["ready"] === true ? "ready" : "not ready any more, and serves on";
      return `the server is ${what}${hint}\n`;
    }
    case "dump":
      return `${say("traceback")}\n`;
    case "log-level":
      return `messages of the level ${say("level")} and above are logged\n`;
    default:
      return `the server (pid ${say("pid")}) has ended\n`;
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

function statusText(facts: Facts): string {
  const say = (name: string): string => textOf(facts[name]);
  const { addresses } = facts;
  const python = say("python") === "" ? "" : `, Python ${say("python")}`;
  const rows = [
    ["state", `${say("state")}, up ${duration(facts["upSeconds"])}, pid ${say("pid")}`],
    ["app", `${say("app")}${python}`],
    ["listening", Array.isArray(addresses) ? addresses.join(" ") : ""],
    [
      "workers",
      `${say("workersReady")} of ${say("workersTarget")} ready, generation ${say("generation")} ` +
        `for ${duration(facts["generationSeconds"])}`,
    ],
    ...reloadRow(facts["reload"] as Facts | null | undefined),
    ["clients", `${say("connections")} connections, ${say("queued")} requests queued`],
    ["requests", `${say("requests")} since the start of the edges (${say("edges")})`],
  ];
  const body = rows.map(([name = "", text = ""]) => `  ${name.padEnd(10)} ${text}\n`).join("");
  return `keelback ${say("version")}\n${body}`;
}

function reloadRow(reload: Facts | null | undefined): string[][] {
  // A server of before has no word of it.
  if (reload === null || reload === undefined) return [];
  const old = `${textOf(reload["workersOld"])} older workers are there`;
  const begun = `begun ${duration(reload["seconds"])} ago`;
  return [["reload", `to generation ${textOf(reload["generation"])}, ${begun}; ${old}`]];
}

const COLUMNS = ["worker", "pid", "generation", "state", "age", "requests", "memory"] as const;

function workersText(value: unknown): string {
  const workers = (Array.isArray(value) ? value : []) as Facts[];
  const rows = workers.map((worker) => [
    textOf(worker["worker"]),
    textOf(worker["pid"]),
    textOf(worker["generation"]),
    textOf(worker["state"]),
    duration(worker["readySeconds"]),
    textOf(worker["requests"]),
    memory(worker["memoryBytes"]),
  ]);
  const table = [[...COLUMNS], ...rows];
  const widths = COLUMNS.map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  return table
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function memory(bytes: unknown): string {
  return typeof bytes === "number" ? `${(bytes / 1024 / 1024).toFixed(1)} MiB` : "-";
}

function duration(seconds: unknown): string {
  if (typeof seconds !== "number") return "-";
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}
