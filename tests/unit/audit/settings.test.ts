import { describe, expect, test } from "bun:test";
import { settingsFile } from "../../../src/audit/settings.ts";
import { readConfigFile } from "../../../src/config/file.ts";
import { parse } from "../../../src/config/parse.ts";

function read(argv: readonly string[], text: string | null = null): ReturnType<typeof parse> {
  const file = text === null ? null : { name: "keelback.toml", text, pyproject: false };
  return parse({ argv, env: {}, file, cwd: "/srv/shop", cores: 4 });
}

function written(argv: readonly string[], live: boolean = false, changes = {}): string {
  const result = read(argv);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const { config, sources } = result;
  return settingsFile({ config, sources, live, accessLog: "/tmp/a/access.log", changes });
}

describe("the audited server's settings", () => {
  test("are the user's", () => {
    const argv = ["main:app", "--workers", "3", "--env", "A=b c", "--timeout", "1500ms"];
    const text = written([
      ...argv,
      "--header-max",
      "8k",
      "--no-date-header",
      "--pythonpath",
      "lib",
    ]);
    expect(readConfigFile({ name: "f", text, pyproject: false }).problems).toEqual([]);
    const again = read([], text);
    expect(again).toMatchObject({
      ok: true,
      config: {
        ...{ app: "main:app", workers: 3, env: { A: "b c" }, timeoutMs: 1500 },
        ...{ headerBytesMax: 8192, dateHeader: false, pythonpath: ["/srv/shop/lib"] },
        ...{ accessLog: "/tmp/a/access.log", accessLogFormat: "json" },
      },
    });
    expect(text).toContain('bind = ["127.0.0.1:0"]');
  });

  test("take nothing from the server that runs", () => {
    const argv = ["main:app", "--pid", "/run/a.pid", "--log-file", "/var/log/a", "--daemon"];
    const text = written([...argv, "--access-log", "-", "--proxy-protocol", "--bind", ":80"]);
    for (const name of ["pid", "log-file", "daemon", "proxy-protocol", ":80"]) {
      expect(text).not.toContain(name);
    }
  });

  test("live, they keep their addresses", () => {
    expect(written(["main:app", "--bind", "127.0.0.1:8123"], true)).toContain(
      'bind = ["127.0.0.1:8123"]',
    );
  });

  test("recommended ones take the place of the user's", () => {
    const changes = { workers: "8", timeout: "5s" };
    const text = written(["main:app", "--workers", "3"], false, changes);
    expect(read([], text)).toMatchObject({ ok: true, config: { workers: 8, timeoutMs: 5000 } });
  });
});
