/** What a stream of HTTP/2 needs of its connection. */
import type { H2Connection } from "../../proto/h2/connection.ts";
import type { EdgeContext } from "../context.ts";
import type { H2Stream } from "./h2-stream.ts";

export interface H2Owner {
  readonly ctx: EdgeContext;
  readonly engine: H2Connection;
  client(): string;
  /** Something was sent: it is written before the event loop waits. */
  flushSoon(): void;
  /** Writes now what the socket takes. */
  flush(): void;
  /** The stream's exchange is over. */
  over(stream: H2Stream): void;
  /** The app wants the connection to end. */
  closeSoon(): void;
}
