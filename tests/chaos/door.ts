/** Where clients come in: a port, plain or with TLS, and a unix socket beside it, or none. */
import { requestText } from "../apps_life/serve.ts";
import { WsClient } from "../integration/websocket/client.ts";
import { H2Client } from "../support/h2-client.ts";
import { RawClient, type RawResponse } from "../support/raw-client.ts";

/** Handshakes under way beyond 1000 push out the oldest (docs/behavior.md, "A handshake that stalls is cut"). */
const OPENING_MAX = 800;
const TURN_MS = 5;

export class Door {
  readonly port: number;
  readonly secure: boolean;
  /** A path. */
  readonly unix: string | null;

  constructor(port: number, secure: boolean = false, unix: string | null = null) {
    this.port = port;
    this.secure = secure;
    this.unix = unix;
  }

  #opening = 0;

  /** The same server by another port. */
  by(port: number): Door {
    return new Door(port, this.secure);
  }

  async h1(): Promise<RawClient> {
    while (this.secure && this.#opening >= OPENING_MAX) await Bun.sleep(TURN_MS);
    this.#opening += 1;
    try {
      return await RawClient.connect(this.port, this.secure);
    } finally {
      this.#opening -= 1;
    }
  }

  h2(): Promise<H2Client> {
    return H2Client.connect(this.port, { secure: this.secure });
  }

  webSocket(path: string): Promise<WsClient> {
    return WsClient.open(this.port, path, { transport: this.secure ? "h1 over TLS" : "h1" });
  }

  /** One request on a connection of its own. */
  async ask(path: string, timeoutMs: number): Promise<RawResponse> {
    await using client = await this.h1();
    await client.send(requestText(path));
    return await client.readResponse("GET", timeoutMs);
  }
}
