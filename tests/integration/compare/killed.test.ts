/** `kill -9` of who measures: nothing that it has started stays. */
import { describe, expect, test } from "bun:test";
import { descendants, gone } from "../../apps_life/processes.ts";
import { eventually } from "../../apps_life/serve.ts";
import { beginCompare, canCompare, COMPARE_TIMEOUT_MS } from "../../support/comparing.ts";
import { examplesPython, repository } from "../../support/server.ts";

const DEADLINE_MS = 60_000;
/** Longer than the test. */
const LONG = ["--rounds", "1", "--seconds", "600", "--load", "builtin", "--no-files"];

describe.skipIf(!canCompare)("After kill -9", () => {
  test.each([
    ["gunicorn sync", 2],
    ["keelback", 4],
    ["forking (pre-fork)", 2],
  ])(
    "of keelback compare, %s ends with its workers",
    async (server, processes) => {
      const args = ["app:app", "--workers", "2", "--servers", server, ...LONG];
      const child = beginCompare(args);
      const texts = Promise.all([child.stdout.text(), child.stderr.text()]);
      const started = await eventually(
        `${server} under load`,
        () => {
          const all = descendants(child.pid);
          const load = all.find(({ command }) => command.includes("__load"));
          return load !== undefined && all.length > processes + 1 ? all : false;
        },
        DEADLINE_MS,
      ).finally(() => child.kill("SIGKILL"));
      await child.exited;
      await gone(started, DEADLINE_MS);
      await texts;
    },
    COMPARE_TIMEOUT_MS,
  );

  test(
    "of keelback audit, its server ends",
    async () => {
      const live = ["--live", "3600", "--bind", "127.0.0.1:0", "--workers", "2"];
      const child = Bun.spawn(
        [`${repository}/keelback`, "audit", "flask_app:app", ...live, "--python", python()],
        { cwd: `${repository}/tests/apps_audit`, stdio: ["ignore", "ignore", "pipe"] },
      );
      const reader = child.stderr.getReader();
      const decoder = new TextDecoder();
      let said = "";
      while (!said.includes("watching http://")) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`it ended: ${said}`);
        said += decoder.decode(value, { stream: true });
      }
      const started = descendants(child.pid);
      expect(started.length).toBeGreaterThanOrEqual(5);
      child.kill("SIGKILL");
      await child.exited;
      await gone(started, DEADLINE_MS);
      await reader.cancel();
    },
    COMPARE_TIMEOUT_MS,
  );
});

function python(): string {
  return examplesPython() ?? "python3";
}
