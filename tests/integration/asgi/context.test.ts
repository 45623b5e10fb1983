import { describe, expect, test } from "bun:test";
import { RawClient } from "../../support/raw-client.ts";
import { Place, requestText, serve, text } from "../../apps_life/serve.ts";

const args = ["--workers", "1"];
const UNTOUCHED = '["set at startup", "unset"]';

describe("Context variables do not leak between requests", () => {
  test("each request runs in a copy of the lifespan's context", async () => {
    using place = new Place();
    await using server = await serve("lifespans:good", { place, args });
    for (const value of ["one", "two", "three"]) {
      expect(JSON.parse(await text(server, `/context?${value}`))).toEqual([UNTOUCHED, true]);
    }
  });

  test("not even between requests of one connection, pipelined", async () => {
    using place = new Place();
    await using server = await serve("lifespans:good", { place, args });
    await using client = await RawClient.connect(server.port);
    await client.send(["a", "b", "c"].map((value) => requestText(`/context?${value}`)).join(""));
    for (let i = 0; i < 3; i++) {
      expect(JSON.parse((await client.readResponse()).body)).toEqual([UNTOUCHED, true]);
    }
  });

  test("nor between requests that run at once", async () => {
    using place = new Place();
    await using server = await serve("lifespans:good", { place, args });
    const seen = await Promise.all(
      Array.from({ length: 50 }, (_, i) => text(server, `/context?value-${i}`)),
    );
    for (const one of seen) expect(JSON.parse(one)).toEqual([UNTOUCHED, true]);
  });
});
