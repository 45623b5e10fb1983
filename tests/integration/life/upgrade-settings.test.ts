/** Settings of listening sockets that have changed when a new server inherits them (SIGUSR2). */
import { describe, expect, test } from "bun:test";
import { gone } from "../../apps_life/processes.ts";
import { appsDirectory, Place, serve, text } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";
import type { TestServer } from "../../support/server.ts";
import { run } from "../tls/support.ts";

/** The new server serves, and the old one has gone. */
async function upgrade(line: Line): Promise<void> {
  const old = line.newest;
  await line.upgrade();
  await gone([old]);
}

function start(place: Place, settings: string): Promise<TestServer> {
  place.write("keelback.toml", settings);
  const args = ["--workers", "1", "--config", place.of("keelback.toml")];
  return serve("wsgi_app:app", { args, bind: null, cwd: appsDirectory });
}

describe.if(process.platform === "linux")("addresses beside those that are inherited", () => {
  test("[::] beside 0.0.0.0 on the same port", async () => {
    using place = new Place();
    await using server = await start(place, 'bind = ["0.0.0.0:0"]\n');
    await using line = new Line(server);
    place.write("keelback.toml", `bind = ["0.0.0.0:0", "[::]:${server.port}"]\n`);
    await upgrade(line);
    expect(await text(server.port, "/hello")).toBe("hello");
    const six = await run(["curl", "-sg", `http://[::1]:${server.port}/hello`]);
    expect(six.out).toBe("hello");
  });
});
