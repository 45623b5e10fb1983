/** Which cores the workers are bound to, with as many workers as cores. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { processOf, treeOf } from "../../apps_life/processes.ts";
import { eventually, serve, text } from "../../apps_life/serve.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";

setDefaultTimeout(60_000);

/** As in `Cpus_allowed_list: 0,2-4`; none of a process that has ended. */
function coresOf(pid: number | "self"): number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(statusOf(pid))?.[1];
  return (list?.split(",") ?? []).flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

function statusOf(pid: number | "self"): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

const isLinux = process.platform === "linux";
/** More say nothing more. */
const cores = isLinux ? coresOf("self").slice(0, 4) : [];
const before = ["taskset", "--cpu-list", cores.join(",")];

/** Each core has one of these processes. */
function isSpread(pids: readonly number[]): boolean {
  const bound = pids.map((pid) => coresOf(pid).join());
  return bound.toSorted().join(" ") === cores.map(String).toSorted().join(" ");
}

function workersOf(server: TestServer): number[] {
  return treeOf(server).workers.map(({ pid }) => pid);
}

/** One worker for each core, none of them one of these; their pids. */
function spread(server: TestServer, old: readonly number[] = []): Promise<number[]> {
  const seen = (): string => {
    const bound = workersOf(server).map((pid) => `${pid}: ${coresOf(pid).join()}`);
    return `others than ${old.join()} on ${cores.join()}; there are ${bound.join("; ")}`;
  };
  return eventually(seen, () => {
    const workers = workersOf(server);
    return !workers.some((pid) => old.includes(pid)) && isSpread(workers) && workers;
  });
}

describe.if(isLinux && Bun.which("taskset") !== null)("Each worker has a core of its own", () => {
  const args = ["--workers", String(cores.length), "--cpu-affinity"];

  test("and keeps it for its successor, when it is recycled and when it dies", async () => {
    await using server = await serve("wsgi_app:app", { args, before });
    await server.waitForLine(/Ready in/);
    const old = await spread(server);
    for (const number of old.keys().map((at) => at + 1)) {
      const { pid } = processOf(server.pid)!;
      const { code } = await runKeelback([
        "ctl",
        "--pid",
        String(pid),
        "worker",
        String(number),
        "recycle",
      ]);
      expect(code).toBe(0);
    }
    const workers = await spread(server, old);
    expect(await text(server, "/hello")).toBe("hello");
    process.kill(workers.at(-1)!, "SIGKILL");
    await spread(server, workers.slice(-1));
  });

  test("after a reload, and when the zygote has died", async () => {
    await using server = await serve("wsgi_app:app", { args, before });
    await server.waitForLine(/Ready in/);
    const old = await spread(server);
    server.kill("SIGHUP");
    await server.waitForLine(/reload finished/);
    const second = await spread(server, old);
    const [first, ...others] = second;
    const zygote = processOf(first!)!.parent;
    process.kill(zygote, "SIGKILL");
    process.kill(first!, "SIGKILL");
    // The others have no zygote any more.
    await eventually("a worker of another zygote", () => {
      const fresh = workersOf(server).filter((pid) => processOf(pid)?.parent !== zygote);
      return fresh.length === 1 && isSpread([...fresh, ...others]);
    });
  });
});
