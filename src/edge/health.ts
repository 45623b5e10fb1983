/**
 * Requests of load balancers and orchestrators that the edge answers itself: whether it lives (`--health-path`) and whether requests should
 * be sent here (`--ready-path`). No worker hears of them, they wait in no queue, and the access log leaves them out. They are recognised in
 * the head block, which is the same for every version of HTTP: for all other requests one byte of it is looked at for each endpoint.
 */
import type { Exchange } from "../exchange/exchange.ts";
import type { HeadForm, RequestHead } from "../proto/events.ts";
import { startsWithAt } from "../core/bytes.ts";
import { Flag } from "../wire/spec.ts";
import { plainHead } from "./error-response.ts";

export interface HealthPaths {
  /** Empty: there is none. */
  readonly healthPath: string;
  readonly readyPath: string;
}

/** Why no request should be sent here; null: they may come. */
export type Unready = () => string | null;

interface Endpoint {
  /** What head blocks begin with that ask for it. */
  readonly starts: Readonly<Record<HeadForm, Readonly<Record<string, Uint8Array>>>>;
  readonly unready: Unready;
}

const ALIVE: Unready = () => null;

export class Health {
  readonly #endpoints: readonly Endpoint[];

  private constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
  }

  /** Null: there are no such paths, and nothing is to be looked at. */
  static of(paths: HealthPaths, unready: Unready): Health | null {
    const endpoints = [
      { path: paths.healthPath, unready: ALIVE },
      { path: paths.readyPath, unready },
    ].filter(({ path }) => path !== "");
    if (endpoints.length === 0) return null;
    return new Health(
      endpoints.map((endpoint) => ({
        starts: startsOf(endpoint.path),
        unready: endpoint.unready,
      })),
    );
  }

  /** Answers a request for one of the endpoints. False: it is for the app. */
  answer(x: Exchange, head: RequestHead): boolean {
    for (const { starts, unready } of this.#endpoints) {
      const start = starts[x.form][head.method];
      if (start === undefined || head.splitAt < start.length) continue;
      // The NUL behind the path stands elsewhere for most other paths.
      const { block } = head;
      if (block[start.length - 1] !== 0 || !startsWithAt(block, 0, start, start.length)) continue;
      reply(x, unready());
      return true;
    }
    return false;
  }
}

/** docs/protocol.md, "Head block". */
function startsOf(path: string): Endpoint["starts"] {
  const of = (start: (method: string) => string): Readonly<Record<string, Uint8Array>> =>
    Object.fromEntries(["GET", "HEAD"].map((method) => [method, Buffer.from(start(method))]));
  return {
    cgi: of((method) => `REQUEST_METHOD\0${method}\0PATH_INFO\0${path}\0`),
    asgi: of((method) => `${method}\0${path}\0`),
  };
}

function reply(x: Exchange, unready: string | null): void {
  const status = unready === null ? 200 : 503;
  const body = Buffer.from(`${unready ?? "ok"}\n`);
  const head = Buffer.from(plainHead(status, body.length, []), "latin1");
  const bytes = x.method === "HEAD" ? head : Buffer.concat([head, body]);
  x.quiet = true;
  x.onHead(status, Flag.END | Flag.LENGTH, bytes, 0, head.length, bytes.length);
}
