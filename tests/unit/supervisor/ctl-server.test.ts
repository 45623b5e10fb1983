import { expect, test } from "bun:test";
import { serveCtl } from "../../../src/supervisor/ctl/ctl-server.ts";
import { Place } from "../../apps_life/serve.ts";
import { RawClient } from "../../support/raw-client.ts";

test("A closed control socket takes nobody any more, and leaves who is there until the process ends", async () => {
  using place = new Place();
  const path = place.of("ctl.sock");
  const server = serveCtl(path, ({ do: word }) => ({ ok: true, word }));
  await using client = await RawClient.connect(path);
  await client.send('{"do":"stop"}\n');
  expect(await client.readUntil("\n")).toBe('{"ok":true,"word":"stop"}\n');
  server.close();
  const newcomer = RawClient.connect(path).then(
    () => "let in",
    () => "refused",
  );
  expect(await newcomer).toBe("refused");
  await client.send('{"do":"status"}\n');
  expect(await client.readUntil("\n")).toBe('{"ok":true,"word":"status"}\n');
});
