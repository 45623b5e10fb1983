/** `keelback ctl` with servers that do not answer, and with sockets that are none of a server's. */
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, Place, serve } from "../../apps_life/serve.ts";
import { processOf } from "../../apps_life/processes.ts";
import { runKeelback, type TestServer } from "../../support/server.ts";

const asRoot = process.getuid?.() === 0;
const args = ["--workers", "1"];

async function stopped(server: TestServer): Promise<void> {
  server.kill("SIGSTOP");
  await eventually("it stands still", () => processOf(server.pid)?.state === "T");
}

/** A directory as a server makes it, with a socket of this process on which nobody ever answers. */
class Fake implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "keelback-fake-"));
  readonly #listener: { stop(): void };

  constructor(mode: number, uid: number) {
    const socket = join(this.path, "ctl.sock");
    this.#listener = Bun.listen({ unix: socket, socket: { data: () => {} } });
    chmodSync(socket, 0o666);
    chmodSync(this.path, mode);
    if (asRoot) chownSync(this.path, uid, uid);
  }

  [Symbol.dispose](): void {
    this.#listener.stop();
    rmSync(this.path, { recursive: true });
  }
}

describe("keelback ctl does not wait for a server that does not answer", () => {
  test("it is named, whichever way it was found and whatever it is asked", async () => {
    using place = new Place();
    const control = place.of("ctl.sock");
    await using server = await serve("wsgi_app:app", { args: [...args, "--control", control] });
    await eventually("its name", () => existsSync(control));
    await stopped(server);
    const pid = `${server.pid}`;
    const cases = [
      ["status", "--pid", pid],
      ["stop", "--pid", pid],
      ["status", "--control", control],
      ["reload", "--control", control],
      ["stop", "--control", control],
    ];
    try {
      const answers = await Promise.all(cases.map((words) => runKeelback(["ctl", ...words])));
      for (const { code, stderr } of answers) {
        expect(code).toBe(1);
        expect(stderr).toBe(
          `keelback: ctl: the server (pid ${pid}) does not answer\n` +
            `hint: is it stopped? kill -CONT ${pid} has it go on\n`,
        );
      }
      // Other tests' servers may be there.
      const { code, stderr } = await runKeelback(["ctl", "status"]);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`pid ${pid}(\\)|  does not answer)`));
    } finally {
      server.kill("SIGCONT");
    }
  });

  test("a socket that others could have put there is not asked", async () => {
    using _ = new Fake(0o777, process.getuid?.() ?? 0);
    const { stdout, stderr } = await runKeelback(["ctl", "status"]);
    expect(stdout + stderr).not.toMatch(new RegExp(`pid ${process.pid}\\b`));
  });

  test.skipIf(!asRoot)("nor another user's, unless root names it (needs root)", async () => {
    using _ = new Fake(0o700, 65534);
    await using server = await serve("wsgi_app:app", { args });
    const found = await runKeelback(["ctl", "status", "--json", "--pid", `${server.pid}`]);
    expect(found.code).toBe(0);
    const { stdout, stderr } = await runKeelback(["ctl", "status"]);
    expect(stdout + stderr).not.toContain(`pid ${process.pid}  `);
    const named = await runKeelback(["ctl", "status", "--pid", `${process.pid}`]);
    expect(named.stderr).toContain(`the server (pid ${process.pid}) does not answer`);
  });
});
