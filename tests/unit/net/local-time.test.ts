import { describe, expect, test } from "bun:test";

const SOURCE = new URL("../../../src/", import.meta.url).pathname;

/** A log line of each time, by a process whose zone is `zone` (POSIX form: no files are needed). */
function stamps(zone: string, times: readonly string[]): string[] {
  const code = `
    import { localOffsetMs } from "${SOURCE}net/this-process.ts";
    import { connectLogs, openLogger } from "${SOURCE}observe/log.ts";
    connectLogs({ stderrReady: () => true, localOffsetMs });
    for (const time of ${JSON.stringify(times)})
      openLogger({ level: "info", format: "text", time: () => Date.parse(time) }).info("here");
  `;
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, "-e", code], {
    env: { ...process.env, TZ: zone },
    stderr: "pipe",
  });
  expect(exitCode).toBe(0);
  const lines = stderr.toString().trimEnd().split("\n");
  return lines.map((line) => line.replace(/ info +here$/, ""));
}

describe("Log lines are in local time", () => {
  test("which may be half an hour off", () => {
    const lines = stamps("KEEL-5:30", ["2026-12-31T18:29:59.999Z", "2026-12-31T18:30:00.007Z"]);
    expect(lines).toEqual(["2026-12-31 23:59:59.999", "2027-01-01 00:00:00.007"]);
  });

  test("which changes to summer time and back", () => {
    const lines = stamps("EST5EDT,M3.2.0,M11.1.0", [
      "2026-03-08T06:59:59.000Z",
      "2026-03-08T07:00:00.000Z",
      "2026-11-01T05:59:59.000Z",
      "2026-11-01T06:00:00.000Z",
    ]);
    expect(lines).toEqual([
      "2026-03-08 01:59:59.000",
      "2026-03-08 03:00:00.000",
      "2026-11-01 01:59:59.000",
      "2026-11-01 01:00:00.000",
    ]);
  });
});
