/**
 * HTTP/3 at one UDP port: makes a session of each client. Requests whose first bytes do not tell whether a body follows wait here until the
 * event loop has shown what else has come.
 */
import {
  openQuic,
  type QuicEndpoint,
  type QuicSession,
  replaceIdentities,
} from "../../net/quic.ts";
import type { TlsStore } from "../../net/tls-store.ts";
import type { HeadForm } from "../../proto/events.ts";
import { H3RequestHead } from "../../proto/h3/request-head.ts";
import { ResponseHeads } from "../../proto/h3/response-fields.ts";
import type { ClientMember } from "../connection.ts";
import type { EdgeContext } from "../context.ts";
import type { H3Request } from "./h3.ts";
import { H3Outbox } from "./h3-outbox.ts";
import { H3Session, type H3Shared } from "./h3-session.ts";

/** After the last session, for what it has still said. */
const RELEASE_MS = 50;

export interface H3Owner {
  readonly ctx: EdgeContext;
  readonly store: TlsStore;
  /** There may be too many: decides on the newcomer, which has counted itself in. */
  admit(newcomer: ClientMember): void;
  log(level: "debug", text: string): void;
}

export class H3Server implements H3Shared {
  readonly outbox = new H3Outbox();
  readonly responseHeads = new ResponseHeads();
  readonly #owner: H3Owner;
  readonly #heads: Partial<Record<HeadForm, H3RequestHead>> = {};
  #endpoint: QuicEndpoint | null = null;
  #sessions = 0;
  #stopping = false;
  #undecided: H3Request[] = [];

  constructor(owner: H3Owner) {
    this.#owner = owner;
  }

  /** Serves at this address (`127.0.0.1:8443`). Null, or why it cannot. */
  async open(address: string): Promise<string | null> {
    const { identities } = this.#owner.store;
    const opened = await openQuic({
      address,
      identities,
      onsession: (session) => this.#session(session),
    });
    if (typeof opened === "string") return opened;
    this.#endpoint = opened;
    opened.closed.catch((error) => {
      this.#owner.log("debug", `HTTP/3 has ended: ${String(error)}`);
    });
    return null;
  }

  /** New handshakes use the certificates that the store has now. */
  renew(): void {
    if (this.#endpoint !== null) replaceIdentities(this.#endpoint, this.#owner.store.identities);
  }

  /** New clients are refused; the port is given back with the last one: a successor may wait for it. */
  stop(): void {
    this.#stopping = true;
    if (this.#endpoint !== null) this.#endpoint.busy = true;
    this.#releaseSoon();
  }

  sessionOver(): void {
    this.#sessions -= 1;
    if (this.#stopping) this.#releaseSoon();
  }

  leafPath(serverName: string | null): string {
    return this.#owner.store.leafPath(serverName);
  }

  headReader(form: HeadForm): H3RequestHead {
    return (this.#heads[form] ??= new H3RequestHead({ ...this.#owner.ctx.settings, form }));
  }

  beginLater(request: H3Request): void {
    if (this.#undecided.length === 0) setImmediate(this.#decide);
    this.#undecided.push(request);
  }

  log(level: "debug", text: string): void {
    this.#owner.log(level, text);
  }

  readonly #decide = (): void => {
    const undecided = this.#undecided;
    this.#undecided = [];
    for (const request of undecided) request.begin(false);
  };

  #releaseSoon(): void {
    if (this.#sessions > 0) return;
    setTimeout(() => {
      if (this.#sessions > 0) return;
      this.#endpoint?.destroy();
      this.#endpoint = null;
    }, RELEASE_MS).unref();
  }

  #session(session: QuicSession): void {
    this.#sessions += 1;
    this.#owner.admit(new H3Session(this.#owner.ctx, this, session));
  }
}
