/** Servers that are started by hand, in a real pseudo-terminal, and what becomes of them when it is closed. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { isAlive, type Process, processOf, gone } from "../../apps_life/processes.ts";
import { eventually, Place, text } from "../../apps_life/serve.ts";
import { examplesPython, repository } from "../../support/server.ts";

const APP = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`;

/** A shell in a terminal of its own. */
class Shell implements AsyncDisposable {
  readonly place = new Place();
  readonly #terminal: Bun.Terminal;
  readonly #shell: Bun.Subprocess;
  #shown = "";
  #server: Process | null = null;

  constructor() {
    this.place.write("plain.py", APP);
    const decoder = new TextDecoder();
    // Made with the process, it is the one that controls it.
    const data = (_: Bun.Terminal, chunk: Uint8Array): void => {
      this.#shown += decoder.decode(chunk, { stream: true });
    };
    this.#shell = Bun.spawn(["bash", "--norc", "-i"], {
      cwd: this.place.path,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
      terminal: { data },
    });
    this.#terminal = this.#shell.terminal!;
  }

  /** The command that serves, with its log in a file. */
  get command(): string {
    const python = examplesPython();
    const words = [
      `${repository}/keelback`,
      "plain:app",
      "--bind",
      "127.0.0.1:0",
      "--workers",
      "1",
    ];
    const files = ["--log-file", "server.log", "--pid", "server.pid", "--log-level", "debug"];
    return [...words, ...files, ...(python === undefined ? [] : ["--python", python])].join(" ");
  }

  get log(): string {
    const path = this.place.of("server.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  type(keys: string): void {
    this.#terminal.write(keys);
  }

  /** What was shown since the last call. */
  takeShown(): string {
    const shown = this.#shown;
    this.#shown = "";
    return shown;
  }

  async shows(what: string): Promise<void> {
    await eventually(
      () => `${what} in ${this.#shown}`,
      () => this.#shown.includes(what),
    );
  }

  async logs(what: string): Promise<void> {
    await eventually(
      () => `${what} in ${this.log}`,
      () => this.log.includes(what),
    );
  }

  async server(): Promise<Process> {
    await this.logs("Ready in");
    this.#server = processOf(Number(readFileSync(this.place.of("server.pid"), "utf8")))!;
    return this.#server;
  }

  async answers(): Promise<void> {
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(this.log)?.[1]);
    expect(await text(port, "/")).toBe("ok");
  }

  /** Resolves when the shell is gone. */
  async close(): Promise<void> {
    this.#terminal.close();
    await this.#shell.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server !== null && isAlive(this.#server)) {
      process.kill(this.#server.pid, "SIGTERM");
      await gone([this.#server]);
    }
    this.#terminal.close();
    this.#shell.kill("SIGKILL");
    await this.#shell.exited;
    this.place[Symbol.dispose]();
  }
}

/** A SIGHUP of the shell's may come before the test's: it is a reload as well. */
async function expectReload(shell: Shell, server: Process): Promise<void> {
  process.kill(server.pid, "SIGHUP");
  await shell.logs("reload finished");
  expect(isAlive(server)).toBe(true);
  expect(shell.log).not.toContain("stopping");
  await shell.answers();
}

describe("A server in the background outlives its terminal", () => {
  test("in the foreground it stops when the terminal is closed", async () => {
    await using shell = new Shell();
    shell.type(`${shell.command}\n`);
    const server = await shell.server();
    await shell.answers();
    await shell.close();
    await gone([server]);
    expect(shell.log).toContain("stopped");
    expect(shell.log).not.toContain("reload");
  });

  test("in the foreground SIGHUP reloads as long as the terminal is there", async () => {
    await using shell = new Shell();
    shell.type(`${shell.command}\n`);
    await expectReload(shell, await shell.server());
  });

  test.each(["nohup COMMAND > out &", "nohup COMMAND > out", "COMMAND &", "COMMAND & disown"])(
    "%s: it serves on, and SIGHUP reloads",
    async (line) => {
      await using shell = new Shell();
      shell.type(`${line.replace("COMMAND", shell.command)}\n`);
      const server = await shell.server();
      await shell.close();
      await expectReload(shell, server);
    },
  );

  test("put into the background and disowned it serves on", async () => {
    await using shell = new Shell();
    shell.type(`${shell.command}\n`);
    const server = await shell.server();
    shell.type("\u001a");
    await shell.shows("Stopped");
    shell.type("bg; disown; echo dis''owned\n");
    await shell.shows("disowned");
    await eventually("it goes on", () => processOf(server.pid)?.state !== "T");
    await shell.close();
    await expectReload(shell, server);
  });

  test("stopped and put back into the foreground it stops with the terminal", async () => {
    await using shell = new Shell();
    shell.type(`${shell.command} &\n`);
    const server = await shell.server();
    process.kill(server.pid, "SIGSTOP");
    // The kernel tells the shell when the last of its threads has stopped, and the shell says so only when it is asked.
    await eventually("the shell to know that it has stopped", async () => {
      shell.type("jobs; echo list''ed\n");
      await shell.shows("listed");
      return shell.takeShown().includes("Stopped  ");
    });
    shell.type("fg\n");
    await eventually("it goes on", () => processOf(server.pid)?.state !== "T");
    await shell.answers();
    await shell.close();
    await gone([server]);
    expect(shell.log).toContain("stopped");
  });
});
