/** What a user could make root do at a start: directories are his in which root's server looks for files. */
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { gone, processOf } from "../../apps_life/processes.ts";
import { eventually, Place } from "../../apps_life/serve.ts";
import { repository, runKeelback } from "../../support/server.ts";

const asRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const executable = `${repository}/keelback`;
/** Debian's, whose files everybody may read. */
const USER = ["--workers", "1", "--user", "nobody", "--python", "/usr/bin/python3"];
const WORDS = ["facts:app", "--bind", "127.0.0.1:0", ...USER];

const APP = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`;

/** A place of root's with the app, a secret of root's, and the user's directory `logs`. */
function place(): Place {
  const made = new Place();
  chmodSync(made.path, 0o755);
  made.write("facts.py", APP);
  chmodSync(made.write("secret", "root's\n"), 0o600);
  mkdirSync(made.of("logs"));
  chownSync(made.of("logs"), NOBODY, NOBODY);
  return made;
}

function expectUntouched(secret: string): void {
  expect([statSync(secret).uid, statSync(secret).mode & 0o777]).toEqual([0, 0o600]);
  expect(readFileSync(secret, "utf8")).toBe("root's\n");
}

describe.skipIf(!asRoot)("Root opens no log where a user could lead it elsewhere", () => {
  test.each([[], ["--daemon"]])(
    "a link to a file of root's stops the start %p",
    async (...more) => {
      using here = place();
      symlinkSync(here.of("secret"), here.of("logs/server.log"));
      const log = ["--log-file", here.of("logs/server.log")];
      const { code, stderr } = await runKeelback([...WORDS, ...log, ...more], { cwd: here.path });
      expect(code).toBe(1);
      expect(stderr).toStartWith(`keelback: log-file: ${here.of("logs/server.log")} is refused: `);
      expect(stderr).toContain("where user 65534 could lead it anywhere; give the file");
      expectUntouched(here.of("secret"));
    },
  );

  test("opened again, a server that stays root keeps the log that it has", async () => {
    using here = place();
    const [log, secret] = [here.of("logs/server.log"), here.of("secret")];
    const words = ["serve", ...WORDS.slice(0, 5), "--log-file", log];
    await using server = Bun.spawn([executable, ...words], { cwd: here.path, stderr: "ignore" });
    const said = (name: string, what: string): boolean =>
      here.lines(name).some((line) => line.includes(what));
    await eventually("the start", () => said("logs/server.log", "Ready"));
    renameSync(log, `${log}.1`);
    symlinkSync(secret, log);
    server.kill("SIGUSR1");
    await eventually("the refusal", () => said("logs/server.log.1", "log-file: it stays as it is"));
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    expectUntouched(secret);
  });

  test("in the background the log is the user's from the start", async () => {
    using here = place();
    const files = ["--log-file", here.of("server.log"), "--pid", here.of("server.pid")];
    const { code, stderr } = await runKeelback([...WORDS, ...files, "--daemon"], {
      cwd: here.path,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const server = processOf(Number(readFileSync(here.of("server.pid"), "utf8")))!;
    process.kill(server.pid);
    await gone([server]);
    expect(statSync(here.of("server.log")).uid).toBe(NOBODY);
    expect(readFileSync(here.of("server.log"), "utf8")).toContain("stopped");
  });
});
