/** What a command line of `keelback ctl` means, which server it is for, and what is shown of the answer. */
import { describe, expect, test } from "bun:test";
import { parseCtl } from "../../../src/cli/ctl.ts";
import { chooseServer, type Server } from "../../../src/cli/ctl-find.ts";
import { CTL_HELP, renderAnswer } from "../../../src/cli/ctl-text.ts";

function asked(argv: readonly string[], environment: string | null = null): unknown {
  const parsed = parseCtl(argv, environment);
  return parsed.kind === "ask" ? parsed.arguments : parsed;
}

function question(...argv: string[]): unknown {
  return (asked(argv) as { question: unknown }).question;
}

describe("the command line", () => {
  test("commands", () => {
    expect(question("status")).toEqual({ do: "status" });
    expect(question("scale", "3")).toEqual({ do: "scale", count: 3 });
    expect(question("dump", "worker-7")).toEqual({ do: "dump", worker: 7 });
    expect(question("worker", "7", "recycle")).toEqual({ do: "recycle", worker: 7 });
    expect(question("log-level", "debug")).toEqual({ do: "log-level", level: "debug" });
  });

  test.each([
    [[], "what is it to do?"],
    [["stats"], 'there is no command "stats"'],
    [["constructor"], "there is no command"],
    [["scale"], "scale needs a number"],
    [["scale", "-1"], 'there is no option "-1"'],
    [["dump", "all"], "dump needs a number"],
    [["reload", "now"], 'reload: "now" is too much'],
    [["worker", "7"], "write keelback ctl worker NUMBER recycle"],
    [["worker", "7", "kill"], "write keelback ctl worker NUMBER recycle"],
    [["status", "--pid"], "--pid needs a value"],
    [["status", "--jsno"], 'there is no option "--jsno"'],
  ])("%p is wrong", (argv, text) => {
    expect(asked(argv)).toMatchObject({ kind: "wrong", text: expect.stringContaining(text) });
  });

  test("which server: a flag counts more than the variable", () => {
    expect(asked(["--json", "status", "--pid=12"], "/env")).toMatchObject({
      json: true,
      pid: "12",
      control: null,
    });
    expect(asked(["status", "--control", "/a"], "/env")).toMatchObject({ control: "/a" });
    expect(asked(["status"], "/env")).toMatchObject({ control: "/env", pid: null });
    expect(asked(["status"], "")).toMatchObject({ control: null });
  });

  test("help names every command", () => {
    expect(asked(["scale", "--help"])).toEqual({ kind: "help" });
    for (const line of CTL_HELP.split("\n")) expect(line.length).toBeLessThanOrEqual(90);
  });
});

describe("the server that is meant", () => {
  const one: Server = {
    path: "/a",
    pid: 1,
    state: "serving",
    succeeds: null,
    what: "a http://a",
  };
  const two: Server = { ...one, path: "/b", pid: 2, what: "b http://b" };
  const leaving: Server = { ...two, state: "stopping" };
  const silent: Server = { ...two, state: null, what: "does not answer" };

  test("the only one, or the one with the process id", () => {
    expect(chooseServer([one], null)).toEqual({ path: "/a" });
    expect(chooseServer([one, two], 2)).toEqual({ path: "/b" });
    expect(chooseServer([one, leaving], null)).toEqual({ path: "/a" });
    expect(chooseServer([leaving], null)).toEqual({ path: "/b" });
  });

  test("in an upgrade the one that serves", () => {
    const successor: Server = { ...two, state: "starting", succeeds: 1 };
    const next: Server = { ...two, path: "/c", pid: 3, state: "starting", succeeds: 2 };
    expect(chooseServer([successor, one], null)).toEqual({ path: "/a" });
    expect(chooseServer([{ ...one, state: "stopping" }, successor], null)).toEqual({ path: "/b" });
    expect(chooseServer([{ ...one, state: "stopping" }, two, next], null)).toEqual({ path: "/b" });
    expect(chooseServer([successor], null)).toEqual({ path: "/b" });
    // One that nobody has told to replace the other is another server.
    const other: Server = { ...two, state: "starting" };
    expect(chooseServer([one, other], null)).toMatchObject({ ok: false });
  });

  test("one that does not answer is named", () => {
    expect(chooseServer([silent], null)).toMatchObject({
      error: "the server (pid 2) does not answer",
      hint: expect.stringContaining("kill -CONT 2"),
    });
    expect(chooseServer([one, silent], 2)).toMatchObject({ silent: true });
    expect(chooseServer([one, silent], null)).toMatchObject({
      error: "several servers run; say which:\n  --pid 1  a http://a\n  --pid 2  does not answer",
    });
  });

  test("other users' are named to root when there is none of its own", () => {
    expect(chooseServer([], null, [{ pid: 9, uid: 33 }])).toMatchObject({
      error: "no running server was found",
      hint: "servers of other users have to be named: --pid 9 (user 33)",
    });
    expect(chooseServer([one], null, [{ pid: 9, uid: 33 }])).toEqual({ path: "/a" });
  });

  test("none, or too many", () => {
    expect(chooseServer([], null)).toMatchObject({ error: "no running server was found" });
    expect(chooseServer([one], 3)).toMatchObject({
      error: "no server with the process id 3 answers",
    });
    expect(chooseServer([one, two], null)).toMatchObject({
      error: "several servers run; say which:\n  --pid 1  a http://a\n  --pid 2  b http://b",
    });
  });
});

test("status names the generation, and the reload that is under way", () => {
  const shown = (reload: object | null): string => {
    const facts = { workersReady: 2, workersTarget: 2, generation: 3, generationSeconds: 61 };
    return renderAnswer({ do: "status" }, { ok: true, ...facts, reload });
  };
  expect(shown(null)).toContain("  workers    2 of 2 ready, generation 3 for 1 min 1 s\n");
  expect(shown(null)).not.toContain("reload");
  expect(shown({ generation: 4, seconds: 5, serves: false, workersOld: 2 })).toContain(
    "  reload     to generation 4, begun 5 s ago; 2 older workers are there\n",
  );
});

test("the table of workers", () => {
  const workers = [
    {
      worker: 1,
      pid: 4711,
      generation: 2,
      state: "ready",
      readySeconds: 3725,
      requests: 4,
      memoryBytes: 31_457_280,
    },
    {
      worker: 12,
      pid: 0,
      generation: 2,
      state: "spawning",
      readySeconds: null,
      requests: 0,
      memoryBytes: null,
    },
  ];
  expect(renderAnswer({ do: "workers" }, { ok: true, workers })).toBe(
    [
      "worker  pid   generation  state     age      requests  memory",
      "1       4711  2           ready     1 h 2 min  4         30.0 MiB",
      "12      0     2           spawning  -          0         -",
      "",
    ]
      .join("\n")
      .replace("age      ", "age        "),
  );
});
