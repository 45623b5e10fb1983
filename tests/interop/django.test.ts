/** The Django example on Keelback, as WSGI and as ASGI: admin, forms, static files and streaming. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { examplesPython, repository } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { serveExample, Visitor } from "./support.ts";

const PASSWORD = "correct horse battery staple";

describe.each(["wsgi", "asgi"])("Django as %s", (kind) => {
  let server: TestServer;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(`${tmpdir()}/keelback-django-`);
    const env = {
      DJANGO_DATABASE: `${directory}/db.sqlite3`,
      DJANGO_STATIC_ROOT: `${directory}/static`,
      DJANGO_ADMIN_PASSWORD: PASSWORD,
      DJANGO_SECRET_KEY: "only-for-this-test",
    };
    const prepared = Bun.spawnSync([examplesPython() ?? "python3", "manage.py", "prepare"], {
      cwd: `${repository}/examples/django_site`,
      env: { ...process.env, ...env },
    });
    expect(prepared.stderr.toString()).toBe("");
    const app = `site_config.${kind}:application`;
    server = await serveExample("django_site", { app, args: ["--workers", "2"], env });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    rmSync(directory, { recursive: true, force: true });
  });

  async function entries(): Promise<number> {
    const answer = (await (await fetch(`${server.url}/count`)).json()) as { entries: number };
    return answer.entries;
  }

  test("the front page's form: refused without a token, kept with one", async () => {
    const fields = { name: "Ada", message: "ahoj – světe" };
    const body = new URLSearchParams(fields);
    expect((await fetch(`${server.url}/`, { method: "POST", body })).status).toBe(403);
    const visitor = new Visitor(server.url);
    const before = await entries();
    const signed = await visitor.submit("/", fields);
    expect([signed.status, signed.headers.get("location")]).toEqual([302, "/"]);
    expect(await (await visitor.get("/")).text()).toContain("ahoj – světe");
    expect(await entries()).toBe(before + 1);
    expect((await visitor.submit("/", { name: "", message: "" })).status).toBe(422);
  });

  test("the admin: log in, create an object, log out", async () => {
    const visitor = new Visitor(server.url);
    const stranger = await visitor.get("/admin/guestbook/entry/");
    expect(stranger.headers.get("location")).toStartWith("/admin/login/");
    const wrong = await visitor.submit("/admin/login/?next=/admin/", {
      username: "admin",
      password: "wrong",
    });
    expect(await wrong.text()).toContain("Please enter the correct username and password");
    const login = { username: "admin", password: PASSWORD };
    const welcome = await visitor.submit("/admin/login/?next=/admin/", login);
    expect([welcome.status, welcome.headers.get("location")]).toEqual([302, "/admin/"]);
    expect(await (await visitor.get("/admin/")).text()).toContain("Site administration");
    const before = await entries();
    const added = await visitor.submit("/admin/guestbook/entry/add/", {
      name: "from the admin",
      message: "hello",
    });
    expect(added.headers.get("location")).toBe("/admin/guestbook/entry/");
    expect(await entries()).toBe(before + 1);
    const list = await (await visitor.get("/admin/guestbook/entry/?q=admin")).text();
    expect(list).toContain("from the admin");
    await visitor.submit("/admin/", {});
  });

  test("static files by WhiteNoise: the hashed name, compressed, cached for long", async () => {
    const page = await (await fetch(`${server.url}/`)).text();
    const path = /href="(\/static\/guestbook\/style\.[0-9a-f]+\.css)"/.exec(page)?.[1];
    expect(path).toBeDefined();
    const style = await fetch(`${server.url}${path}`);
    expect(style.status).toBe(200);
    expect(style.headers.get("content-encoding")).toBe("gzip");
    expect(style.headers.get("cache-control")).toContain("immutable");
    expect(await style.text()).toContain("color-scheme");
    const etag = style.headers.get("etag") ?? "";
    const again = await fetch(`${server.url}${path}`, { headers: { "if-none-match": etag } });
    expect(etag === "" || again.status === 304).toBe(true);
    const admin = await fetch(`${server.url}/admin/login/`);
    expect(await admin.text()).toMatch(/\/static\/admin\/css\/base\.[0-9a-f]+\.css/);
  });

  test("a streaming view sends all rows", async () => {
    const visitor = new Visitor(server.url);
    await visitor.submit("/", { name: 'with "quotes"', message: "row" });
    const answer = await fetch(`${server.url}/export.csv`);
    expect(answer.headers.get("content-length")).toBeNull();
    const lines = (await answer.text()).trimEnd().split("\n");
    expect(lines[0]).toBe("id,name");
    expect(lines.length).toBe((await entries()) + 1);
  });

  test("a host that is not allowed is refused by Django", async () => {
    const headers = { host: "evil.example" };
    expect((await fetch(`${server.url}/`, { headers })).status).toBe(400);
  });
});
