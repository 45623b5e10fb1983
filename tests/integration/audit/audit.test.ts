import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditReport, RouteFacts } from "../../../src/audit/types.ts";
import { examplesPython, repository } from "../../support/server.ts";

const python = examplesPython();
const DEADLINE_MS = 120_000;

interface Audited {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** With --json. */
  report(): AuditReport;
}

function begin(args: readonly string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([`${repository}/keelback`, "audit", ...args, "--python", python ?? "python3"], {
    cwd: `${repository}/tests/apps_audit`,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
  });
}

async function ended(child: ReturnType<typeof begin>): Promise<Audited> {
  const output = Promise.all([child.stdout.text(), child.stderr.text()]);
  const [stdout, stderr] = await output;
  const code = await child.exited;
  return { code, stdout, stderr, report: () => JSON.parse(stdout) as AuditReport };
}

async function audit(...args: readonly string[]): Promise<Audited> {
  return ended(begin([...args, "--workers", "1"]));
}

function of(report: AuditReport, name: string): RouteFacts {
  const found = report.facts.routes.find(({ route }) => route === name);
  if (found === undefined) throw new Error(`no ${name} in ${JSON.stringify(report.facts)}`);
  return found;
}

const paths = (...all: readonly string[]): string[] => all.flatMap((path) => ["--path", path]);

describe.skipIf(python === undefined)("keelback audit", () => {
  test(
    "FastAPI: finds the line that blocks, what computes, what waits, and what ran in a thread",
    async () => {
      const asked = paths("/block", "/compute", "/wait/1", "/wait/2", "/thread", "/together");
      const done = await audit("fastapi_app:app", ...asked, "--seconds", "4", "--json");
      expect(done.stderr).toBe("");
      const report = done.report();
      expect(report.facts.current).toMatchObject({ interface: "asgi", kind: "asyncio" });
      const texts = report.findings.map(({ text }) => text);
      const blocks =
        /^GET \/block blocks the event loop \d.* in time\.sleep\(0\.03\) at fastapi_app\.py:16$/;
      expect(texts.filter((text) => blocks.test(text))).toHaveLength(1);
      expect(texts.filter((text) => /^GET \/(?:wait|thread).* blocks /.test(text))).toEqual([]);
      const block = of(report, "GET /block");
      expect(block.blocked).toBeGreaterThan(20);
      expect(block.blockingShare).toBe(1);
      const compute = of(report, "GET /compute");
      expect(compute.cpu).toBeGreaterThan(block.cpu);
      expect(compute.spots.some(({ at }) => at.function === "compute")).toBe(true);
      const wait = of(report, "GET /wait/{number}");
      expect(wait.wait).toBeGreaterThan(20);
      expect(wait.held).toBeLessThan(wait.wall);
      expect(of(report, "GET /thread")).toMatchObject({ poolShare: 1 });
      expect(of(report, "GET /thread").pool).toBeGreaterThan(20);
      // The tasks that the view has started are its own.
      expect(of(report, "GET /together").cpu).toBeGreaterThan(of(report, "GET /wait/{number}").cpu);
    },
    DEADLINE_MS,
  );

  test(
    "Flask: tells what computes from what waits, and what fails",
    async () => {
      const asked = paths("/compute/20000", "/wait", "/leak", "/broken");
      const args = [...asked, "--seconds", "4", "--json"];
      const report = (await audit("flask_app:app", ...args)).report();
      const [wait, compute] = [of(report, "GET /wait"), of(report, "GET /compute/<int:rounds>")];
      expect(wait.wait).toBeGreaterThan(20);
      expect(wait.cpu).toBeLessThan(wait.wait);
      expect(compute.cpu).toBeGreaterThan(wait.cpu);
      expect(compute.spots.some(({ at }) => at.function === "compute")).toBe(true);
      expect(wait.spots[0]).toMatchObject({
        at: { file: "flask_app.py", code: "time.sleep(0.03)" },
      });
      expect(of(report, "GET /broken").failed).toBe(of(report, "GET /broken").count);
      expect(report.notes.join()).toContain("GET /broken: 500");
      expect(report.facts.memory?.residentMib).toBeGreaterThan(0);
    },
    DEADLINE_MS,
  );

  test.each(["wsgi", "asgi"])(
    "Django over %s: finds the statement that comes once for each row",
    async (attribute) => {
      const asked = paths("/groups/1/", "/groups/2/", "/one");
      const app = `django_app:${attribute}`;
      const report = (await audit(app, ...asked, "--seconds", "2", "--json")).report();
      const each = of(report, "GET /groups/<int:page>/");
      expect(each).toMatchObject({ queries: 13, queriesMax: 13 });
      expect(each.query).toBeGreaterThan(0);
      expect(each.repeated).toMatchObject({ times: 12, line: "django_app.py:38" });
      expect(of(report, "GET /one")).toMatchObject({ queries: 1, repeated: null });
      const found = report.findings.filter(({ text }) => text.includes("N+1"));
      expect(found).toMatchObject([{ route: "GET /groups/<int:page>/" }]);
    },
    DEADLINE_MS,
  );

  test(
    "repeats a log, proves its advice, and writes a page",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "keelback-test-"));
      try {
        const log = join(folder, "access.log");
        const time = "[10/Oct/2026:13:55:36 +0000]";
        const line = (request: string): string => `::1 - - ${time} "${request} HTTP/1.1" 200 5`;
        writeFileSync(log, [line("GET /wait"), line("POST /wait"), line("GET /leak")].join("\n"));
        const args = ["--log", log, "--html", join(folder, "page.html"), "--seconds", "1"];
        const done = await audit("flask_app:app", ...args, "--verify", "--threads", "1");
        expect(done.stderr).toBe("");
        expect(done.stdout).toContain("1 requests of");
        expect(done.stdout).toMatch(/threads +1 -> \d+: at most/);
        expect(done.stdout).toMatch(/Verified\n {2}throughput \d/);
        const page = readFileSync(join(folder, "page.html"), "utf8");
        expect(page).toContain("Audit of flask_app:app (Flask, WSGI)");
        expect(page).toContain("<code>GET /wait</code>");
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    DEADLINE_MS,
  );

  test(
    "watches what comes of itself",
    async () => {
      const args = ["flask_app:app", "--live", "3600", "--bind", "127.0.0.1:0", "--json"];
      const child = begin([...args, "--workers", "1"]);
      const { port, done } = await address(child);
      for (let i = 0; i < 5; i += 1) await (await fetch(`http://127.0.0.1:${port}/wait`)).text();
      child.kill("SIGINT");
      const stdout = await child.stdout.text();
      expect(await child.exited).toBe(0);
      const report = JSON.parse(stdout) as AuditReport;
      expect(of(report, "GET /wait").count).toBe(5);
      expect(report).toMatchObject({ traffic: "live" });
      await done();
    },
    DEADLINE_MS,
  );

  test("an app that does not start, and a command that is wrong", async () => {
    const missing = await audit("no_such_module:app");
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toContain("there is no module 'no_such_module'");
    const wrong = await audit("flask_app:app", "--log", "/nowhere");
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toStartWith("keelback: audit: --log: /nowhere cannot be read");
    const unknown = await audit("flask_app:app", "--verfy");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("--verfy");
    expect(unknown.stderr).toEndWith("keelback: audit: did you mean --verify?\n");
  });
});

/** Where a live audit serves: it says so. */
async function address(
  child: ReturnType<typeof begin>,
): Promise<{ readonly port: number; readonly done: () => Promise<void> }> {
  const reader = child.stderr.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it ended: ${text}`);
    text += decoder.decode(value, { stream: true });
    const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return { port: Number(port), done: () => reader.cancel() };
  }
}
