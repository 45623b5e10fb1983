/** With HTTP/3 a TCP port is of use only where the UDP port of its number is free. */
import { afterEach, describe, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import type { Bind } from "../../../src/config/bind.ts";
import {
  bindTo,
  datagramSocket,
  readFamily,
  socketName,
  socketState,
} from "../../../src/net/libc.ts";
import type { Listener } from "../../../src/net/open-result.ts";
import { closeListeners, type OpenedListeners, openListeners } from "../../../src/net/sockets.ts";
import { udpFailure } from "../../../src/net/udp-ports.ts";
import { PLAIN_SOCKETS } from "../../support/sockets.ts";

const CHOSEN_BY_KERNEL: Bind = { kind: "tcp", host: "127.0.0.1", port: 0 };
const open: Listener[] = [];
const taken: number[] = [];

afterEach(() => {
  closeListeners(open.splice(0));
  for (const fd of taken.splice(0)) closeSync(fd);
});

/** Takes the UDP side of a socket's port, unless another program has it: then it is taken all the same. */
function takeUdp({ fd }: Listener): void {
  const name = socketName(fd)!;
  const socket = datagramSocket(readFamily(name));
  taken.push(socket);
  bindTo(socket, name);
}

/** Opens for HTTP/3, with others who take the UDP side of the first `others` sockets: those, and what came of it. */
async function openBeside(
  others: number,
  binds: readonly Bind[],
): Promise<{ refused: Listener[]; result: OpenedListeners }> {
  const refused: Listener[] = [];
  const result = await openListeners(binds, {
    ...PLAIN_SOCKETS,
    objection: (listener) => {
      if (refused.length < others) takeUdp(listener);
      const failure = udpFailure(listener);
      if (failure !== null) refused.push(listener);
      return failure;
    },
  });
  if (result.ok) open.push(...result.listeners);
  return { refused, result };
}

describe("a TCP port whose UDP port is another's", () => {
  test("is chosen anew where the kernel has chosen it", async () => {
    const { refused, result } = await openBeside(1, [CHOSEN_BY_KERNEL, CHOSEN_BY_KERNEL]);
    const listeners = result.ok ? result.listeners : [];
    expect(listeners).toHaveLength(2);
    expect(listeners.map((listener) => udpFailure(listener))).toEqual([null, null]);
    expect(listeners.map(({ port }) => port)).not.toContain(refused[0]!.port);
  });

  test("is given up in the end, and nothing stays open", async () => {
    const { refused, result } = await openBeside(Infinity, [CHOSEN_BY_KERNEL]);
    expect(refused).toHaveLength(5);
    const last = refused.at(-1)!;
    expect(result).toMatchObject({ ok: false, failure: { code: "in-use" } });
    expect(result.ok ? "" : result.failure.message).toBe(
      `HTTP/3 cannot listen on ${last.address}: UDP port ${last.port} is in use`,
    );
    expect(refused.map(({ fd }) => socketState(fd))).not.toContain("listening");
  });

  test("is refused at once where it was named", async () => {
    const { result: held } = await openBeside(0, [CHOSEN_BY_KERNEL]);
    const port = held.ok ? held.listeners[0]!.port : 0;
    // Nobody else has the port at this address: whoever asks for one without naming it gets another.
    const { refused, result } = await openBeside(Infinity, [
      { kind: "tcp", host: "127.0.0.2", port },
    ]);
    expect(refused).toHaveLength(1);
    expect(result).toMatchObject({
      ok: false,
      failure: {
        message: `HTTP/3 cannot listen on 127.0.0.2:${port}: UDP port ${port} is in use`,
      },
    });
  });

  test("does no harm where no HTTP is spoken", async () => {
    const { refused, result } = await openBeside(1, [{ ...CHOSEN_BY_KERNEL, protocol: "uwsgi" }]);
    expect(result.ok).toBe(true);
    expect(refused).toEqual([]);
  });
});
