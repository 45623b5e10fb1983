import { describe, expect, test } from "bun:test";
import { ask, begin, serve, text } from "../../apps_life/serve.ts";
import { examplesPython, repository } from "../../support/server.ts";

const args = ["--workers", "1"];
const missing = examplesPython() === undefined;

describe.skipIf(missing)("Real frameworks are served", () => {
  test("FastAPI: JSON, validation, an event stream", async () => {
    await using server = await serve("frameworks:fastapi_app", { args });
    expect(server.output()).toContain("FastAPI");
    const headers = ["Content-Type: application/json"];
    const item = { method: "POST", headers, body: '{"name": "pear", "count": 2}' };
    expect(JSON.parse((await ask(server, "/items", item)).body)).toEqual({
      name: "pear",
      total: 4,
    });
    const wrong = { method: "POST", headers, body: '{"name": "pear"}' };
    expect((await ask(server, "/items", wrong)).status).toBe(422);
    expect(await text(server, "/openapi.json")).toContain('"/items"');
    await using client = await begin(server, "/events");
    for (let i = 0; i < 3; i++) await client.readUntil(`data: ${i}\n\n`);
  });

  test("Starlette: a background task after the response, a file", async () => {
    await using server = await serve("frameworks:starlette_app", { args });
    expect(server.output()).toContain("Starlette");
    expect(await text(server, "/background")).toBe("accepted");
    await server.waitForLine(/the background task ran/);
    const { status, body } = await ask(server, "/file");
    expect({ status, starts: body.startsWith('"""') }).toEqual({ status: 200, starts: true });
    expect(await text(server, "/state")).toBe("from lifespan");
  });

  test("Flask: forms, cookies, streaming", async () => {
    await using server = await serve("frameworks:flask_app", { args });
    expect(server.output()).toContain("Flask");
    const headers = ["Content-Type: application/x-www-form-urlencoded"];
    const { body, headers: answered } = await ask(server, "/form", {
      method: "POST",
      headers,
      body: "name=pear&name=plum",
    });
    expect(body).toBe("pear,plum");
    expect(answered["set-cookie"]).toContain("seen=yes");
    expect(await text(server, "/stream")).toBe("012");
    expect((await ask(server, "/fail")).status).toBe(500);
    await server.waitForLine(/ZeroDivisionError/);
  });

  test.each(["wsgi", "asgi"])("Django by its %s application", async (interfaceName) => {
    const app = `site_config.${interfaceName}:application`;
    const cwd = `${repository}/examples/django_site`;
    await using server = await serve(app, { args, cwd });
    expect(server.output()).toContain("Django");
    const { status, headers } = await ask(server, "/admin/", { headers: ["Host: localhost"] });
    expect(status).toBe(302);
    expect(headers["location"]).toContain("/admin/login/");
    const login = await ask(server, "/admin/login/", { headers: ["Host: localhost"] });
    expect(login.status).toBe(200);
    expect(login.body).toContain("csrfmiddlewaretoken");
  });
});
