/** The servers of `keelback compare`: the teaching baselines, what is found and installed, the ceiling, and what stands in front. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { behind } from "../../../src/compare/behind.ts";
import { ceiling } from "../../../src/compare/ceiling.ts";
import { find, findProgram } from "../../../src/compare/find.ts";
import { install } from "../../../src/compare/install.ts";
import { treeOf } from "../../../src/compare/process-tree.ts";
import { freePort } from "../../../src/compare/server-process.ts";
import { catalogue, named } from "../../../src/compare/servers/catalogue.ts";
import { writeCertificate } from "../../../src/compare/servers/certificate.ts";
import type { Launch, Listen } from "../../../src/compare/servers/spec.ts";
import type { Setup } from "../../../src/compare/types.ts";
import { ask, eventually, Place } from "../../apps_life/serve.ts";
import { haproxyMissing, nginxMissing } from "../../support/front.ts";
import { RawClient } from "../../support/raw-client.ts";

const repository = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");
const python = `${repository}/.venv/bin/python`;

/** Says what it was asked, so that an answer to another request would be seen. */
const APP = `
def app(environ, start_response):
    if environ["PATH_INFO"] == "/raises":
        raise RuntimeError("as it is to")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    keys = ["REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_X_NAME", "HTTP_X_FORWARDED_FOR"]
    said = [str(environ.get(key)) for key in keys] + [str(len(body)), body[-9:]]
    start_response("203 Fine", [("Content-Type", "text/plain"), ("X-Told", "yes")])
    return [" ".join(said[:3]).encode(), (" " + " ".join(said[3:])).encode()]
`;

function appIn(place: Place, setup: Partial<Setup> = {}): Setup {
  place.write("asked.py", APP);
  return {
    ...{ interface: "wsgi", app: "asked:app", directory: place.path, python, workers: 2 },
    ...{ mode: "equal", ...setup },
  };
}

/** A server of the comparison, as its command line and files say. */
class Running implements AsyncDisposable {
  readonly port: number;
  readonly #place: Place = new Place();
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  #said = "";

  private constructor(setup: Setup, port: number, launchOf: (listen: Listen) => Launch) {
    this.port = port;
    const listen = { port, directory: this.#place.path };
    const { argv, cwd, env, files } = launchOf(listen);
    for (const [name, content] of Object.entries(files ?? {})) this.#place.write(name, content);
    if (setup.protocol === "tls") writeCertificate(listen);
    this.#child = Bun.spawn([...argv], {
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe", detached: true },
      cwd: cwd ?? setup.directory,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) void this.#read(stream);
  }

  /** Servers cannot take a port that is free and tell which: another try where somebody else was quicker. */
  static async start(setup: Setup, launchOf: (listen: Listen) => Launch): Promise<Running> {
    for (let tries = 1; ; tries += 1) {
      const running = new Running(setup, await freePort(), launchOf);
      if (await running.#listens()) return running;
      await running[Symbol.asyncDispose]();
      if (tries === 5 || !/in use/i.test(running.#said)) throw new Error(running.#said);
    }
  }

  static server(name: string, setup: Setup): Promise<Running> {
    const [spec] = named(name);
    if (spec === undefined) throw new Error(`no server is called ${name}`);
    return Running.start(setup, (listen) => spec.command(setup, listen));
  }

  get tree(): number[] {
    return treeOf(this.#child.pid).map(({ pid }) => pid);
  }

  /** Its exit code, or the signal that ended it. */
  async end(): Promise<number | string | null> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
    return this.#child.signalCode ?? this.#child.exitCode;
  }

  /** False: it has ended instead. */
  async #listens(): Promise<boolean> {
    const state = await eventually(
      () => `a server that listens; it said ${this.#said}`,
      async () => {
        if (this.#child.exitCode !== null) return "ended";
        try {
          await using client = await RawClient.connect(this.port);
          return client.ended ? false : "listens";
        } catch {
          return false;
        }
      },
    );
    return state === "listens";
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#said += decoder.decode(chunk, { stream: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    this.#place[Symbol.dispose]();
  }
}

const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe("A teaching baseline", () => {
  const names = catalogue.filter(({ kind }) => kind === "baseline").map(({ name }) => name);

  test.each(names)("%s answers what it is asked, many at once, and ends cleanly", async (name) => {
    using place = new Place();
    await using server = await Running.server(name, appIn(place));
    const long = "x".repeat(300_000);
    const asked = Array.from({ length: 30 }, (_, index) => ({
      path: `/way/${index}%20?q=${index}`,
      question:
        index % 3 === 0
          ? { method: "POST", headers: ["X-Name: a"], body: `${long}end-${index}` }
          : { headers: [`X-Name: n${index}`] },
      answer:
        index % 3 === 0
          ? `POST /way/${index}  q=${index} a None ${long.length + `${index}`.length + 4}`
          : `GET /way/${index}  q=${index} n${index} None 0 `,
    }));
    const answers = await Promise.all(
      asked.map(({ path, question }) => ask(server, path, question)),
    );
    for (const [index, { status, body, headers }] of answers.entries()) {
      const { answer = "" } = asked[index] ?? {};
      expect(status).toBe(203);
      expect(headers["x-told"]).toBe("yes");
      expect(headers["connection"]).toBe("close");
      expect(body).toStartWith(answer);
      expect(body.endsWith(`end-${index}`)).toBe(index % 3 === 0);
    }
    const head = await ask(server, "/", { method: "HEAD" });
    expect(head.headers["content-length"]).toBe(`${"HEAD /  None None 0 ".length}`);
    const { tree } = server;
    expect(await server.end()).toBe(0);
    await eventually("its processes to end", () => !tree.some(isThere));
  });

  test("an app that raises is status 500, and what is no request 400", async () => {
    using place = new Place();
    await using server = await Running.server("sequential (loop)", appIn(place));
    expect((await ask(server, "/raises")).status).toBe(500);
    for (const [sent, status] of [
      ["nonsense\r\n\r\n", 400],
      ["GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400],
      ["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411],
    ] as const) {
      await using client = await RawClient.connect(server.port);
      await client.send(sent);
      expect((await client.readResponse()).status).toBe(status);
    }
    expect((await ask(server, "/")).status).toBe(203);
  });

  test("a request in pieces is waited for", async () => {
    using place = new Place();
    await using server = await Running.server("selectors (epoll)", appIn(place));
    await using slow = await RawClient.connect(server.port);
    await slow.send("POST /slow HTTP/1.1\r\nContent-Le");
    expect((await ask(server, "/quick")).body).toStartWith("GET /quick");
    await slow.send("ngth: 9\r\n\r\nnine");
    expect((await ask(server, "/quick")).body).toStartWith("GET /quick");
    await slow.send("-byte");
    expect((await slow.readResponse()).body).toEndWith(" 9 nine-byte");
  });
});

describe("A launched server", () => {
  test("wsgiref answers; an app that is not Django's has no runserver", async () => {
    using place = new Place();
    const setup = appIn(place);
    await using server = await Running.server("wsgiref", setup);
    expect((await ask(server, "/a?b=c")).body).toStartWith("GET /a b=c");
    const failed = Running.server("django runserver", setup);
    expect(await failed.then(() => "", String)).toContain(
      "asked:app is no Django app: its module names no settings",
    );
  });
});

/** What pip leaves behind, where the interpreter looks first. */
function pretend(place: Place, name: string, version: string): void {
  const directory = place.of(`${name}-${version}.dist-info`);
  mkdirSync(directory);
  writeFileSync(join(directory, "METADATA"), `Name: ${name}\nVersion: ${version}\n`);
}

describe("What is found", () => {
  test("versions of what is installed, reasons for what is not", async () => {
    using place = new Place();
    pretend(place, "gunicorn", "19.9");
    pretend(place, "pyuwsgi", "2.0.1");
    const found = new Map(
      (await find(appIn(place))).map((each) => [each.spec.name, each.missing ?? each.version]),
    );
    expect(found.get("gunicorn gthread")).toBe("19.9");
    expect(found.get("uwsgi threads")).toBe("2.0.1");
    expect(found.get("gunicorn gevent")).toBe(
      "gevent is not installed (pip install 'gunicorn[http2]' gevent packaging gunicorn, or --install gunicorn)",
    );
    expect(found.get("gunicorn asgi")).toBe("serves ASGI apps; this one is WSGI");
    expect(found.get("keelback")).toMatch(/^\d+\.\d+\.\d+$/);
    expect(found.get("flask run")).toMatch(/^3\./);
    expect(found.get("asyncio")).toMatch(/^Python 3\./);
  });

  test("a protocol that a server does not speak, or whose extra is missing", async () => {
    using place = new Place();
    pretend(place, "gunicorn", "19.9");
    const setup = appIn(place, { protocol: "h2" });
    const found = new Map((await find(setup)).map((each) => [each.spec.name, each.missing]));
    expect(found.get("gunicorn sync")).toBe("does not speak HTTP/2");
    expect(found.get("gunicorn gthread")).toStartWith("h2 is not installed (pip install ");
    expect(found.get("keelback")).toBeUndefined();
  });

  test("servers of the other interface could never be rows", async () => {
    using place = new Place();
    const found = await find(appIn(place, { interface: "asgi" }));
    const unsuited = found.filter((each) => each.missing !== undefined && each.unsuited);
    expect(unsuited.map(({ spec }) => spec.name)).toContain("select");
    expect(unsuited.map(({ spec }) => spec.name)).not.toContain("uvicorn");
  });

  test("an interpreter that does not answer is an error that says so", async () => {
    using place = new Place();
    const broken = place.write("python", "#!/bin/sh\necho no such prefix >&2; exit 3\n");
    Bun.spawnSync(["chmod", "+x", broken]);
    const asked = find(appIn(place, { python: broken }));
    expect(await asked.then(() => "", String)).toContain(
      "could not be asked for its packages: no such prefix",
    );
  });
});

/** Every file's path, size and time. */
function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, String(name)))
    .map((path) => ({ path, stat: statSync(path) }))
    .map(({ path, stat }) => `${path} ${stat.isDirectory() ? "" : `${stat.size} ${stat.mtimeMs}`}`)
    .sort();
}

/** Making an environment takes a busy machine half a minute. */
const INSTALL_MS = 240_000;

describe("An installation", () => {
  test(
    "goes into an environment of its own that sees the app's packages; the app's stays as it is",
    async () => {
      using place = new Place();
      const own = place.of("own");
      Bun.spawnSync([python, "-m", "venv", "--without-pip", own]);
      const [lib = ""] = readdirSync(join(own, "lib"));
      writeFileSync(join(own, "lib", lib, "site-packages", "only_here.py"), "HERE = 'yes'\n");
      const before = filesOf(own);
      const begun: string[] = [];
      using installed = await install(["waitress", "nobody"], `${own}/bin/python`, {
        onBegin: (name) => begun.push(name),
      });
      expect(installed.outcomes).toEqual([
        { name: "waitress" },
        { name: "nobody", failure: "no server is called that" },
      ]);
      expect(begun).toEqual(["waitress"]);
      expect(filesOf(own)).toEqual(before);
      const script = "import only_here, waitress; print(only_here.HERE)";
      expect(Bun.spawnSync([installed.python, "-B", "-c", script]).stdout.toString()).toBe("yes\n");
      const setup = appIn(place, { python: installed.python });
      await using server = await Running.server("waitress", setup);
      expect((await ask(server, "/a")).body).toStartWith("GET /a");
    },
    INSTALL_MS,
  );

  test(
    "a failure is an outcome with pip's reason, and an interpreter that is not there another",
    async () => {
      process.env["PIP_NO_INDEX"] = "1";
      try {
        using installed = await install(["waitress", "cheroot"], python);
        expect(installed.outcomes).toEqual(
          ["waitress", "cheroot"].map((name) => ({
            name,
            failure: `pip install ${name}: ERROR: No matching distribution found for ${name}`,
          })),
        );
      } finally {
        delete process.env["PIP_NO_INDEX"];
      }
      using nowhere = await install(["waitress"], "/nowhere/python");
      expect(nowhere.outcomes[0]?.failure).toStartWith(
        "/nowhere/python -m venv failed: /nowhere/python: not found",
      );
    },
    INSTALL_MS,
  );
});

describe.skipIf(nginxMissing)("The ceiling", () => {
  const answers = [
    { path: "/", contentType: "text/html; charset=utf-8", body: "<p>answer</p>" },
    { path: "/caf%C3%A9?x=1", contentType: "application/json", body: '{"a": 1}' },
    { path: "/bytes", contentType: "image/x-any", body: new Uint8Array([0, 255, 10, 13]) },
  ];

  test.each(["h1", "tls"] as const)("NGINX answers what the app did, %s", async (protocol) => {
    using place = new Place();
    const program = findProgram("nginx");
    if ("missing" in program) throw new Error(program.missing);
    const setup = appIn(place, { protocol });
    const spec = ceiling(program.path, answers);
    await using server = await Running.start(setup, (listen) => spec.command(setup, listen));
    const origin = `${protocol === "tls" ? "https" : "http"}://127.0.0.1:${server.port}`;
    const tls = { rejectUnauthorized: false };
    for (const method of ["GET", "POST"]) {
      for (const { path, contentType, body } of answers) {
        const response = await fetch(`${origin}${path}`, { method, tls });
        expect(response.status).toBe(200);
        expect(response.headers.get("content-type")).toBe(contentType);
        const expected = typeof body === "string" ? Buffer.from(body) : body;
        expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from(expected));
      }
    }
    expect((await fetch(`${origin}/other`, { tls })).status).toBe(404);
    await eventually("a master and two workers", () => server.tree.length === 3);
    const { tree } = server;
    await server.end();
    await eventually("its processes to end", () => !tree.some(isThere));
  });
});

describe.skipIf(nginxMissing || haproxyMissing)("In front of a server", () => {
  const cases = (["nginx", "haproxy"] as const).flatMap((name) =>
    (["h1", "tls"] as const).map((protocol) => ({ name, protocol })),
  );

  test.each(cases)("$name passes requests on, $protocol", async ({ name, protocol }) => {
    using place = new Place();
    const program = findProgram(name);
    if ("missing" in program) throw new Error(program.missing);
    await using server = await Running.server("threading (each connection)", appIn(place));
    const setup = appIn(place, { protocol });
    const upstream = server.port;
    await using front = await Running.start(setup, (listen) =>
      behind({ name, path: program.path, upstream }, setup, listen),
    );
    const origin = `${protocol === "tls" ? "https" : "http"}://127.0.0.1:${front.port}`;
    const body = "b".repeat(100_000);
    const headers = { "X-Name": "n" };
    const tls = { rejectUnauthorized: false };
    const response = await fetch(`${origin}/a%20b?c=d`, { method: "POST", headers, body, tls });
    expect(response.status).toBe(203);
    expect(await response.text()).toBe("POST /a b c=d n 127.0.0.1 100000 bbbbbbbbb");
  });
});
