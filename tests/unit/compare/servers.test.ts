import { describe, expect, test } from "bun:test";
import { behind } from "../../../src/compare/behind.ts";
import { ceiling } from "../../../src/compare/ceiling.ts";
import { lastMeaningful } from "../../../src/compare/install.ts";
import { catalogue, named } from "../../../src/compare/servers/catalogue.ts";
import type { ServerSpec } from "../../../src/compare/servers/catalogue.ts";
import type { Setup } from "../../../src/compare/types.ts";

const base: Setup = {
  interface: "wsgi",
  app: "main:app",
  directory: "/srv/app",
  python: "/srv/env/bin/python",
  workers: 3,
  mode: "equal",
};
const listen = { port: 7007, directory: "/run/one" };

function spec(name: string): ServerSpec {
  const [found] = named(name);
  if (found === undefined) throw new Error(`no server is called ${name}`);
  return found;
}

function line(name: string, setup: Partial<Setup> = {}): string {
  return spec(name)
    .command({ ...base, ...setup }, listen)
    .argv.join(" ");
}

describe("the catalogue", () => {
  test("each server has a name of its own, serves something, and is found by it", () => {
    const names = catalogue.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const each of catalogue) {
      expect(named(each.name)).toEqual([each]);
      expect(each.interfaces.length).toBeGreaterThan(0);
      expect(each.protocols).toContain("h1");
    }
    expect(named("Gunicorn").map(({ name }) => name)).toEqual([
      ...["gunicorn sync", "gunicorn gthread", "gunicorn gevent", "gunicorn eventlet"],
      ...["gunicorn asgi", "gunicorn uvicorn"],
    ]);
    expect(named("nobody")).toEqual([]);
  });

  test("every command line names the app, the port and the interpreter's environment, in each mode and protocol", () => {
    for (const each of catalogue) {
      for (const mode of ["equal", "recommended"] as const) {
        for (const protocol of each.protocols) {
          for (const spoken of each.interfaces) {
            const setup: Setup = { ...base, mode, protocol, interface: spoken, threads: 5 };
            const { argv } = each.command(setup, listen);
            const text = argv.join(" ");
            expect(text).toContain("main");
            expect(text).toContain("7007");
            expect(text.includes("cert.pem")).toBe(protocol !== "h1");
            expect(argv.every((word) => word !== "" && !word.includes("undefined"))).toBe(true);
            expect(each.resources(setup).workers).toBeGreaterThan(0);
          }
        }
      }
    }
  });

  test("a server with one process says so, and one that takes threads takes the comparison's", () => {
    const setup: Setup = { ...base, threads: 7 };
    expect(spec("waitress").resources(setup)).toEqual({
      workers: 1,
      threads: 7,
      note: "has one process, whatever the number of workers",
    });
    expect(spec("waitress").resources({ ...setup, workers: 1 })).toEqual({
      workers: 1,
      threads: 7,
    });
    for (const { threaded, kind, name } of catalogue) {
      if (threaded !== true || kind !== "server") continue;
      expect(line(name, { threads: 77 })).toContain("77");
    }
  });
});

describe("command lines", () => {
  test("Gunicorn: the same for all when equal, its documentation's numbers when recommended", () => {
    expect(line("gunicorn gthread", { threads: 8 })).toBe(
      "/srv/env/bin/python -m gunicorn main:app -k gthread -w 3 -b 127.0.0.1:7007 --log-level warning " +
        "--threads 8 --worker-connections 20000 --keep-alive 75 --backlog 4096",
    );
    expect(line("gunicorn sync", { mode: "recommended" })).toBe(
      "/srv/env/bin/python -m gunicorn main:app -k sync -w 7 -b 127.0.0.1:7007 --log-level warning " +
        "--worker-tmp-dir /dev/shm",
    );
    expect(spec("gunicorn sync").resources({ ...base, mode: "recommended" }).workers).toBe(7);
    expect(line("gunicorn gthread", { protocol: "h2" })).toEndWith(
      "--certfile /run/one/cert.pem --keyfile /run/one/cert.pem.key --http-protocols h2,h1",
    );
    const asgi = line("gunicorn uvicorn", { interface: "asgi" });
    expect(asgi).toContain("-k uvicorn_worker.UvicornWorker");
  });

  test("Granian's connections are bounded only where that does not make thousands of threads", () => {
    expect(line("granian wsgi")).not.toContain("--backpressure");
    expect(line("granian wsgi", { threads: 4 })).toContain(
      "--blocking-threads 4 --http 1 --backlog 4096 --backpressure 20000",
    );
    expect(line("granian asgi", { interface: "asgi", protocol: "h2" })).toContain("--http 2");
  });

  test("Hypercorn is told which interface, and has an address for HTTP/3", () => {
    expect(line("hypercorn uvloop")).toContain("wsgi:main:app --bind 127.0.0.1:7007 --workers 3");
    const quic = line("hypercorn asyncio", { interface: "asgi", protocol: "h3" });
    expect(quic).toEndWith("--quic-bind 127.0.0.1:7007");
  });

  test("Daphne shares a socket between processes, and has an endpoint for TLS", () => {
    const alone = line("daphne", { interface: "asgi", workers: 1 });
    expect(alone).toBe(
      "/srv/env/bin/python -m daphne --verbosity 0 --bind 127.0.0.1 --port 7007 main:app",
    );
    expect(line("daphne", { interface: "asgi" })).toContain("launch.py daphne main:app");
    expect(line("daphne", { interface: "asgi", protocol: "tls" })).toContain(
      "--endpoint ssl:7007:interface=127.0.0.1:privateKey=/run/one/cert.pem.key:certKey=/run/one/cert.pem",
    );
  });

  test("a baseline is told its design, and the pools how many", () => {
    expect(line("forking (pre-fork)")).toEndWith(
      "serve.py forking-prefork main:app --port 7007 --workers 3",
    );
    expect(line("threading (pool)", { threads: 9 })).toEndWith("--port 7007 --threads 9");
    expect(line("asyncio")).toEndWith("serve.py asyncio main:app --port 7007");
  });
});

describe("the ceiling", () => {
  test("each path is a file with the app's type; a query is no other file", () => {
    const recorded = [
      { path: "/", contentType: "text/html; charset=utf-8", body: "<p>" },
      { path: '/a"b?x=1', contentType: "image/png", body: new Uint8Array([1, 2]) },
      { path: '/a"b?x=2', contentType: "image/png", body: "not this" },
    ];
    const { argv, files = {} } = ceiling("/usr/sbin/nginx", recorded).command(base, listen);
    expect(argv).toEqual([
      ...["/usr/sbin/nginx", "-e", "stderr", "-p", "/run/one", "-c", "/run/one/nginx.conf"],
    ]);
    expect(files["answer-0"]).toBe("<p>");
    expect(files["answer-1"]).toEqual(new Uint8Array([1, 2]));
    expect(Object.keys(files).length).toBe(3);
    const text = String(files["nginx.conf"]);
    expect(text).toContain("worker_processes 3;");
    expect(text).toContain("access_log off;");
    expect(text).toContain(
      'location = "/" {\nroot "/run/one";\nrewrite ^ /answer-0 break;\ntypes {} default_type "text/html; charset=utf-8";',
    );
    expect(text).toContain('location = "/a\\"b" {\nroot "/run/one";\nrewrite ^ /answer-1 break;');
  });
});

describe("a server behind another", () => {
  test("NGINX and HAProxy keep connections to it, and have the TLS", () => {
    const setup: Setup = { ...base, protocol: "h2" };
    const [nginx, haproxy] = (["nginx", "haproxy"] as const).map((name) => {
      const { files = {} } = behind({ name, path: `/bin/${name}`, upstream: 9009 }, setup, listen);
      return Object.values(files).map(String).join("");
    });
    expect(nginx).toContain("upstream app { server 127.0.0.1:9009; keepalive 1024; }");
    expect(nginx).toContain("listen 127.0.0.1:7007 ssl http2;");
    expect(haproxy).toContain(
      "bind 127.0.0.1:7007 ssl crt /run/one/cert.pem alpn h2,http/1.1\n  option forwardfor",
    );
    expect(haproxy).toContain("server app 127.0.0.1:9009\n");
  });
});

describe("why an installation failed", () => {
  test("is the last line that says something", () => {
    const build = [
      "  error: subprocess-exited-with-error",
      "  │ exit code: 1",
      "  ╰─> [25 lines of output]",
      '        File "setup.py", line 9, in <module>',
      "      RuntimeError: The 'apxs' command appears not to be installed.",
      "      [end of output]",
      "",
      "note: This error originates from a subprocess, and is likely not a problem with pip.",
      "ERROR: Failed to build installable wheels for some pyproject.toml based projects (x)",
    ].join("\n");
    expect(lastMeaningful(build)).toBe(
      "RuntimeError: The 'apxs' command appears not to be installed.",
    );
    const none = [
      "ERROR: Could not find a version that satisfies the requirement caddysnake (from versions: none)",
      "ERROR: No matching distribution found for caddysnake",
      "",
    ].join("\n");
    expect(lastMeaningful(none)).toBe("ERROR: No matching distribution found for caddysnake");
    expect(lastMeaningful("gone\n")).toBe("gone");
    expect(lastMeaningful("")).toBe("it said nothing");
  });
});
