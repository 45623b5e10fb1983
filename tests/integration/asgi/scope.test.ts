import { describe, expect, test } from "bun:test";
import { ask, Place, serve, text } from "../../apps_life/serve.ts";

type Scope = Record<string, unknown>;

const args = ["--workers", "1"];

async function scopeOf(to: Parameters<typeof ask>[0], path: string, headers: string[] = []) {
  return JSON.parse((await ask(to, path, { headers })).body) as Scope;
}

describe("ASGI scope follows the specification", () => {
  test("all keys, with the values and types of version 2.5", async () => {
    await using server = await serve("asgi_app:app", { args });
    const scope = await scopeOf(server, "/show_scope/%C3%BC%2Fx?a=%20b&c", [
      "X-Up: Value",
      "x-up: 2",
    ]);
    expect(scope).toMatchObject({
      type: "http",
      http_version: "1.1",
      method: "GET",
      scheme: "http",
      path: "/show_scope/ü/x",
      raw_path: "/show_scope/%C3%BC%2Fx",
      query_string: "a=%20b&c",
      root_path: "",
      headers: [
        ["host", "test"],
        ["x-up", "Value"],
        ["x-up", "2"],
      ],
      server: ["127.0.0.1", server.port],
      state: {},
    });
    expect((scope["asgi"] as Scope)["version"]).toBe("3.0");
    expect(Number((scope["asgi"] as Scope)["spec_version"])).toBeGreaterThanOrEqual(2.4);
    const [address, port] = scope["client"] as [string, number];
    expect(address).toBe("127.0.0.1");
    expect(port).toBeGreaterThan(0);
    expect(JSON.parse(await text(server, "/types"))).toMatchObject({
      path: "str",
      raw_path: "bytes",
      query_string: "bytes",
      headers: "list",
      client: "tuple",
      state: "dict",
      header: ["bytes", "bytes"],
    });
  });

  test("root_path is included in path", async () => {
    const mounted = [...args, "--root-path", "/mounted"];
    await using server = await serve("asgi_app:app", { args: mounted });
    const { body, status } = await ask(server, "/show_scope");
    // The app looks at the path only: with the prefix in it there is no such view.
    expect({ status, body }).toEqual({ status: 404, body: "no such view" });
    await using other = await serve("rooted:app", { args: mounted });
    const expected = { root_path: "/mounted", path: "/mounted/x" };
    expect(JSON.parse(await text(other, "/x"))).toEqual(expected);
    expect(JSON.parse(await text(other, "/mounted/x"))).toEqual(expected);
    expect(JSON.parse(await text(other, "/mountedness"))).toEqual({
      root_path: "/mounted",
      path: "/mounted/mountedness",
    });
  });

  test("each request has a scope of its own", async () => {
    await using server = await serve("asgi_app:app", { args });
    expect(JSON.parse(await text(server, "/taint"))).toEqual([null, null, null]);
    expect(JSON.parse(await text(server, "/taint"))).toEqual([null, null, null]);
    expect((await scopeOf(server, "/show_scope"))["extensions"]).toHaveProperty([
      "http.response.pathsend",
    ]);
  });

  test("on a unix socket the server is a path and the client is unknown", async () => {
    using place = new Place();
    const path = place.of("socket");
    await using server = await serve("asgi_app:app", { args, bind: `unix:${path}` });
    const scope = await scopeOf(path, "/show_scope");
    expect(server.port).toBe(0);
    expect(scope["server"]).toEqual([path, null]);
    expect(scope["client"]).toBeNull();
  });

  test("buffers that the app uses again are copied", async () => {
    await using server = await serve("asgi_app:app", { args });
    expect(await text(server, "/borrowed")).toBe("first part,second part");
  });

  test("unknown messages are an error for the app, not for the server", async () => {
    await using server = await serve("asgi_app:app", { args });
    expect((await ask(server, "/unknown_message")).status).toBe(200);
  });
});
