/** Clients that behave badly, or that can do no better. */
import { examplesPython } from "../support/server.ts";
import { RawClient } from "../support/raw-client.ts";
import { type Faults, nothing, recovered, type Scene, WITHIN } from "./fault.ts";

const FEW_PORTS = new URL("few_ports.py", import.meta.url).pathname;

export const CLIENTS: Faults = {
  garbage: {
    weight: 2,
    allows: nothing,
    within: WITHIN.answer,
    async run(scene) {
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => RawClient.connect(scene.door.port)),
      );
      for (const client of clients) {
        const bytes = Buffer.alloc(200);
        for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(scene.random() * 256);
        await client.send(bytes);
        client.reset();
      }
    },
  },
  "half requests": {
    weight: 2,
    allows: nothing,
    within: WITHIN.answer,
    async run(scene) {
      const halves = ["GET /sum/x HTTP/1.1\r\nHo", "POST /sum/half HTTP/1.1\r\nHost: x\r\n", "P"];
      for (let i = 0; i < 30; i++) {
        const client = await scene.door.h1();
        await client.send(halves[i % halves.length]!);
        setTimeout(() => client.close(), scene.random() * 3000);
      }
    },
  },
  "slow readers": {
    weight: 1,
    allows: nothing,
    within: WITHIN.answer,
    async run(scene) {
      for (let i = 0; i < 10; i++) {
        const client = await scene.door.h1();
        client.pause();
        await client.send(`GET /download/slow${i}/64 HTTP/1.1\r\nHost: x\r\n\r\n`);
        setTimeout(() => client.reset(), 500 + scene.random() * 2000);
      }
    },
  },
  "clients without ports": {
    weight: 1,
    allows: nothing,
    within: WITHIN.start,
    run: withoutPorts,
  },
};

/** A few ports serve many connections one after the other, which is to work as soon as one is free. */
async function withoutPorts(scene: Scene): Promise<void> {
  const address = `127.${2 + Math.floor(scene.random() * 250)}.0.1`;
  const { port, secure } = scene.door;
  const kind = secure ? "tls" : "plain";
  const command = [examplesPython() ?? "python3", FEW_PORTS, address, `${port}`, kind];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(said);
  await recovered(scene);
}
