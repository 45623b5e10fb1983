/** The command line, the variables and the file together: order, errors, names of other servers. */
import { describe, expect, test } from "bun:test";
import { bad, good, toml } from "./support.ts";

const log = (...argv: string[]): string | null => good(argv).config.accessLog;
const bindOf = (...args: Parameters<typeof good>): unknown => good(...args).config.bind[0];

describe("command line", () => {
  test("serve is optional, and only the first word can be it", () => {
    expect(good(["serve", "a:b"]).config.app).toBe("a:b");
    expect(good(["a:b"]).config.app).toBe("a:b");
    expect(good(["serve"]).config.app).toBeNull();
    expect(good(["serve", "serve"]).config.app).toBe("serve");
    expect(good(["-w", "2", "serve", "a:b"]).config.app).toBe("a:b");
    expect(good(["--", "a:b"]).config.app).toBe("a:b");
  });

  test("a second APP, an empty APP, a path as APP", () => {
    expect(bad(["a", "b"])).toEqual(['one APP is served, but there are "a" and "b"']);
    expect(bad([""])[0]).toContain("app: is empty");
    expect(bad(["main.py"])[0]).toEndWith("is a file; write the module: main");
    expect(bad(["src/main.py:app"])[0]).toContain("write the module, main:app");
    expect(bad([":app"])[0]).toContain("has no module before the colon");
  });

  test("an unknown option names the nearest one", () => {
    const hint = "(keelback --help all shows every option)";
    expect(bad(["--wokers", "3", "a:b"])).toEqual([
      `unknown option --wokers; did you mean --workers? ${hint}`,
    ]);
    expect(bad(["--keepalive=3"])[0]).toContain("did you mean --keep-alive?");
    expect(bad(["--no-reloda"])[0]).toContain("did you mean --no-reload?");
    expect(bad(["--zzzzzzzzzz"])).toEqual([`unknown option --zzzzzzzzzz ${hint}`]);
    expect(bad(["-x"])[0]).toStartWith("unknown option -x");
    expect(bad(["-x4"])[0]).toStartWith("unknown option -x4");
  });

  test("a missing value", () => {
    expect(bad(["--workers"])).toEqual(["workers: --workers needs a value"]);
    expect(bad(["-b", "--reload"])).toEqual(["bind: -b needs a value (ADDRESS)"]);
    expect(bad(["-b", "-w", "2"])).toEqual(["bind: -b needs a value (ADDRESS)"]);
  });

  test("a wrong value names the setting, the value, its origin and what is allowed", () => {
    expect(bad(["-w", "many"])).toEqual([
      'workers: "many" is no whole number (from -w); allowed: 1 to 1024, or auto ' +
        "(one for each core, at most 8)",
    ]);
    expect(bad([], { env: { KEELBACK_LOG_LEVEL: "loud" } })).toEqual([
      'log-level: "loud" is not one of the choices (from KEELBACK_LOG_LEVEL); ' +
        "allowed: debug, info, warning, error",
    ]);
    expect(bad([], toml('\ntimeout = "soon"'))).toEqual([
      'timeout: "soon" is no duration (from keelback.toml line 2); ' +
        "allowed: 100ms to 24h; seconds, or with ms, s, m, h, or 0 (no limit)",
    ]);
  });

  test("all problems are shown at once, also those that a stronger source hides", () => {
    const env = { KEELBACK_WORKERS: "x" };
    expect(bad(["-w", "2", "-t", "y"], { env, ...toml("threads = true") })).toHaveLength(3);
  });

  test("the last flag counts, repeatable ones add up", () => {
    expect(good(["-w1", "--workers=2"]).config.workers).toBe(2);
    expect(good(["-e", "A=1", "--env", "B=2", "-eA=3"]).config.env).toEqual({ A: "3", B: "2" });
    expect(good(["--pythonpath", "a,/b", "--app-dir", "c"]).config.pythonpath).toEqual([
      "/srv/shop/a",
      "/b",
      "/srv/shop/c",
    ]);
  });

  test("booleans", () => {
    expect(good(["--no-date-header"]).config.dateHeader).toBe(false);
    expect(good(["--reload", "--no-reload"]).config.reload).toBe(false);
    expect(bad(["--no-reload=1"])[0]).toContain("--no-reload takes no value");
    expect(bad(["--reload=maybe"])[0]).toContain("is neither true nor false");
  });

  test("access-log: alone it is stdout, and never takes the APP", () => {
    expect(log()).toBeNull();
    expect(log("--access-log")).toBe("-");
    expect(log("--access-log", "-")).toBe("-");
    expect(log("--access-log", "/var/log/a")).toBe("/var/log/a");
    expect(log("--access-log", "a.log")).toBe("/srv/shop/a.log");
    expect(log("--access-log=a")).toBe("/srv/shop/a");
    expect(log("--access-logfile", "a")).toBe("/srv/shop/a");
    expect(log("--access-log", "--no-access-log")).toBeNull();
    expect(good(["--access-log", "main:app"]).config.app).toBe("main:app");
    expect(good([], toml("access-log = true")).config.accessLog).toBe("-");
    expect(good([], { env: { KEELBACK_ACCESS_LOG: "off" } }).config.accessLog).toBeNull();
  });

  test("server-header can be turned off everywhere", () => {
    expect(good(["--no-server-header"]).config.serverHeader).toBe("");
    expect(good(["--server-header", ""]).config.serverHeader).toBe("");
    expect(good([], toml("server-header = false")).config.serverHeader).toBe("");
    expect(good([], { env: { KEELBACK_SERVER_HEADER: "false" } }).config.serverHeader).toBe("");
  });

  test("worker names of gunicorn", () => {
    const { config, notes } = good(["-k", "uvicorn.workers.UvicornWorker"]);
    expect(config.worker).toBe("asyncio");
    expect(notes).toEqual(["worker: uvicorn.workers.UvicornWorker is asyncio here (from -k)"]);
    expect(good(["--worker-class", "gthread"]).config.worker).toBe("threads");
    expect(bad(["-k", "gevent"])[0]).toContain("allowed: auto, threads, sync, asyncio");
    expect(bad(["-k", "constructor"])[0]).toContain("is not one of the choices");
  });

  test("paths about the app start at its directory", () => {
    const { config } = good(["--chdir", "web", "--reload-dir", "x", "--reload"]);
    expect(config.reloadDir).toEqual(["/srv/shop/web/x"]);
  });
});

describe("variables", () => {
  test("an unknown one is an error with the nearest name", () => {
    expect(bad([], { env: { KEELBACK_WORKER_S: "2" } })).toEqual([
      "unknown variable KEELBACK_WORKER_S; did you mean KEELBACK_WORKERS?",
    ]);
  });

  test("lists are separated by commas", () => {
    const env = { KEELBACK_BIND: ":1, :2", KEELBACK_ENV: "A=1,B=2" };
    const { config } = good([], { env });
    expect(config.bind).toHaveLength(2);
    expect(config.env).toEqual({ A: "1", B: "2" });
    expect(bad([], { env: { KEELBACK_BIND: "," } })[0]).toContain('bind: "" is empty');
  });

  test("those that Kubernetes makes for a service named keelback are not ours", () => {
    const env = {
      KEELBACK_SERVICE_HOST: "10.0.0.1",
      KEELBACK_SERVICE_PORT: "80",
      KEELBACK_SERVICE_PORT_HTTP: "80",
      KEELBACK_PORT: "tcp://10.0.0.1:80",
      KEELBACK_PORT_80_TCP: "tcp://10.0.0.1:80",
      KEELBACK_PORT_80_TCP_ADDR: "10.0.0.1",
    };
    expect(good([], { env }).config.bind).toEqual(good([]).config.bind);
  });

  test("PORT and WEB_CONCURRENCY count less than the file", () => {
    const env = { PORT: "5000", WEB_CONCURRENCY: "3" };
    const { config, sources } = good([], { env });
    expect(config.bind).toEqual([{ kind: "tcp", host: "0.0.0.0", port: 5000 }]);
    expect(sources.bind).toEqual({ kind: "platform", name: "PORT" });
    expect(config.workers).toBe(3);
    const { config: filed } = good([], { env, ...toml('bind = ":1"\nworkers = 2') });
    expect(filed.workers).toBe(2);
    expect(filed.bind).toEqual([{ kind: "tcp", host: "0.0.0.0", port: 1 }]);
    expect(bad([], { env: { PORT: "http" } })[0]).toContain("(from PORT)");
    expect(good(["-b", ":1"], { env: { PORT: "http" } }).sources.bind.kind).toBe("flag");
  });
});

describe("host and port", () => {
  test("each has its default", () => {
    expect(bindOf(["--host", "0.0.0.0"])).toEqual({ kind: "tcp", host: "0.0.0.0", port: 8000 });
    expect(bindOf(["--port", "1"])).toEqual({ kind: "tcp", host: "127.0.0.1", port: 1 });
    expect(bindOf(["--host", "[::1]", "--port=1"])).toEqual({ kind: "tcp", host: "::1", port: 1 });
    expect(bindOf(["--host", "::1"])).toEqual({ kind: "tcp", host: "::1", port: 8000 });
  });

  test("they replace the parts of a weaker bind, and a stronger bind wins", () => {
    const file = toml('bind = "10.0.0.1:80"');
    expect(bindOf(["--port", "81"], file)).toEqual({ kind: "tcp", host: "10.0.0.1", port: 81 });
    const env = { PORT: "5000" };
    expect(bindOf(["--host", "::"], { env })).toEqual({ kind: "tcp", host: "::", port: 5000 });
    const both = { env: { KEELBACK_HOST: "10.0.0.2" }, ...file };
    expect(bindOf([], both)).toEqual({ kind: "tcp", host: "10.0.0.2", port: 80 });
    expect(good(["--port", "1"], both).sources.bind.name).toBe("--port");
    expect(bindOf(["-b", ":1"], { env: { KEELBACK_PORT: "2" } })).toEqual({
      kind: "tcp",
      host: "0.0.0.0",
      port: 1,
    });
  });

  test("in one source it is either or", () => {
    expect(bad(["-b", ":1", "--port", "2"])).toEqual([
      "bind: is given together with port (-b, --port); allowed: either bind, or host and port",
    ]);
    expect(bad(["--host", "a b"])[0]).toContain('host: "a b" is no host name (from --host)');
  });
});
