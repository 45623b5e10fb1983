import { describe, expect, test } from "bun:test";
import { ask, begin, serve, text } from "../../apps_life/serve.ts";

type Environ = Record<string, unknown>;

describe("WSGI environ follows PEP 3333", () => {
  test("wsgiref.validate finds nothing, whatever the method and however the app answers", async () => {
    await using server = await serve("validated:app", { args: ["--workers", "1"] });
    const post = { method: "POST", headers: ["Content-Type: text/plain"], body: "0123456789" };
    const chunked = {
      method: "POST",
      headers: ["Transfer-Encoding: chunked", "Content-Type: text/plain"],
    };
    expect((await ask(server, "/")).body).toBe("GET 0");
    expect((await ask(server, "/a/b?lines")).body).toBe("GET 0");
    expect((await ask(server, "/?write", post)).body).toBe("POST 10");
    expect((await ask(server, "/", { method: "DELETE" })).body).toBe("DELETE 0");
    await using client = await begin(server, "/", chunked);
    await client.send("4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n");
    expect((await client.readResponse()).body).toBe("POST 7");
    expect((await ask(server, "/", { method: "HEAD" })).status).toBe(200);
  });

  test("the variables of a request are all there", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    const question = {
      method: "PUT",
      headers: ["Content-Type: text/x", "X-One: 1", "Cookie: a=b"],
      body: "abc",
    };
    const { body } = await ask(server, "/environment/x%20y?q=%20z", question);
    const environ = JSON.parse(body) as Environ;
    expect(environ).toMatchObject({
      REQUEST_METHOD: "PUT",
      SCRIPT_NAME: "",
      PATH_INFO: "/environment/x y",
      QUERY_STRING: "q=%20z",
      REQUEST_URI: "/environment/x%20y?q=%20z",
      CONTENT_TYPE: "text/x",
      CONTENT_LENGTH: "3",
      SERVER_PROTOCOL: "HTTP/1.1",
      REMOTE_ADDR: "127.0.0.1",
      SERVER_PORT: String(server.port),
      HTTP_HOST: "test",
      HTTP_X_ONE: "1",
      HTTP_COOKIE: "a=b",
      "wsgi.version": [1, 0],
      "wsgi.url_scheme": "http",
      "wsgi.run_once": false,
    });
    expect(environ["HTTP_CONTENT_TYPE"]).toBeUndefined();
    expect(environ["HTTP_CONTENT_LENGTH"]).toBeUndefined();
  });

  test("repeated headers are joined, cookies with a semicolon", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    const headers = ["X-Two: a", "Cookie: c=1", "X-Two: b", "Cookie: d=2", "x-two: c"];
    const { body } = await ask(server, "/environment", { headers });
    expect(JSON.parse(body)).toMatchObject({ HTTP_X_TWO: "a, b, c", HTTP_COOKIE: "c=1; d=2" });
  });

  test("paths are decoded to bytes shown as latin-1", async () => {
    await using server = await serve("wsgi_app:app", { args: ["--workers", "1"] });
    const { PATH_INFO: path } = JSON.parse(await text(server, "/environment/%C3%BC%ff%2f")) as {
      PATH_INFO: string;
    };
    expect(path).toBe("/environment/\u00c3\u00bc\u00ff/");
  });

  test("SCRIPT_NAME comes from --root-path, and PATH_INFO is what follows it", async () => {
    const args = ["--workers", "1", "--root-path", "/mounted"];
    await using server = await serve("wsgi_app:app", { args });
    const inside = JSON.parse(await text(server, "/mounted/environment/x")) as Environ;
    expect(inside).toMatchObject({ SCRIPT_NAME: "/mounted", PATH_INFO: "/environment/x" });
    const stripped = JSON.parse(await text(server, "/environment/x")) as Environ;
    expect(stripped).toMatchObject({ SCRIPT_NAME: "/mounted", PATH_INFO: "/environment/x" });
  });

  test("multithread and multiprocess are true to fact", async () => {
    const flags = async (...args: string[]): Promise<unknown[]> => {
      await using server = await serve("wsgi_app:app", { args });
      const environ = JSON.parse(await text(server, "/environment")) as Environ;
      return [environ["wsgi.multithread"], environ["wsgi.multiprocess"]];
    };
    // A single worker is not alone either: at a reload two generations run.
    expect(await flags("--workers", "1", "--worker", "sync")).toEqual([false, true]);
    expect(await flags("--workers", "2", "--worker", "threads")).toEqual([true, true]);
    expect(await flags("--workers", "2", "--threads", "1")).toEqual([false, true]);
  });
});
