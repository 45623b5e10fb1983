import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync } from "node:fs";
import { treeOf } from "../../apps_life/processes.ts";
import { ask, eventually, Load, Place, serve, text } from "../../apps_life/serve.ts";
import type { TestServer } from "../../support/server.ts";

const args = ["--workers", "1", "--reload"];

function page(words: string): string {
  return `
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "${words.length}")])
    return [b"${words}"]
`;
}

function shows(server: TestServer, words: string): Promise<boolean> {
  return eventually(`the page ${words}`, async () => (await ask(server, "/")).body === words);
}

describe("Reload in development keeps the old code while the new one fails", () => {
  test("a saved file is served", async () => {
    using place = new Place();
    place.write("web.py", page("one"));
    await using server = await serve("web:app", { args, cwd: place.path });
    expect(await text(server, "/")).toBe("one");
    place.write("web.py", page("second"));
    await server.waitForLine(/reload: .*web\.py.* changed/);
    await shows(server, "second");
    // As editors do it: a new file, moved over the old one.
    place.write("web.py.tmp", page("the third"));
    renameSync(place.of("web.py.tmp"), place.of("web.py"));
    await shows(server, "the third");
  });

  test("a broken file leaves the old code, and the traceback is printed", async () => {
    using place = new Place();
    place.write("web.py", page("good"));
    await using server = await serve("web:app", { args, cwd: place.path });
    await using load = new Load(server, "/", 2);
    await load.goesOn(20);
    place.write("web.py", "def app(:\n");
    await server.waitForLine(/SyntaxError/);
    await load.goesOn(20);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect([...load.bodies.keys()]).toEqual(["good"]);
    place.write("web.py", page("repaired"));
    await shows(server, "repaired");
    expect(treeOf(server).workers.length).toBeGreaterThan(0);
  });

  test("an app that does not start at first is served when it is repaired", async () => {
    using place = new Place();
    place.write("web.py", 'open("tried", "w").write("once\\n")\nraise RuntimeError("not yet")\n');
    const starting = serve("web:app", { args, cwd: place.path });
    starting.catch(() => {});
    await place.noted("tried");
    place.write("web.py", page("now"));
    await using server = await starting;
    await shows(server, "now");
  });

  test("modules and packages below are watched, also new ones", async () => {
    using place = new Place();
    place.write("web.py", `from parts.words import WORDS\n${page("x").replace('b"x"', "WORDS")}`);
    mkdirSync(place.of("parts"));
    place.write("parts/__init__.py", "");
    place.write("parts/words.py", 'WORDS = b"a"\n');
    await using server = await serve("web:app", { args, cwd: place.path });
    expect(await text(server, "/")).toBe("a");
    place.write("parts/words.py", 'WORDS = b"b"  # longer\n');
    await shows(server, "b");
  });

  test("several saves in a row end in the last one", async () => {
    using place = new Place();
    place.write("web.py", page("begin"));
    await using server = await serve("web:app", { args, cwd: place.path });
    for (let i = 0; i < 10; i++) place.write("web.py", page(`save ${"x".repeat(i)}`));
    await shows(server, `save ${"x".repeat(9)}`);
  });
});
