/** Whoever takes part in a comparison: a server of the catalogue, one behind a proxy, or the ceiling. */
import type { Launch, Listen, Resources, ServerSpec } from "./servers/spec.ts";
import type { Row, Setup } from "./types.ts";

export interface Contender {
  readonly name: string;
  readonly kind: Row["kind"];
  readonly version: string;
  /** For development only, or to learn from. */
  readonly label?: string;
  /** Why it can't run at all: not installed, failed to install. */
  readonly failure?: string;
  /** Why it can't take part with this setup; null: it can. */
  refuses(setup: Setup, webSocket: boolean): string | null;
  /** Whether `threads` changes something. */
  readonly threaded: boolean;
  resources(setup: Setup): Resources;
  command(setup: Setup, listen: Listen): Launch;
}

export function contenderOf(spec: ServerSpec, version: string, failure?: string): Contender {
  const { name, kind, label } = spec;
  return {
    ...{ name, kind, version, threaded: spec.threaded === true },
    ...(label === undefined ? {} : { label }),
    ...(failure === undefined ? {} : { failure }),
    refuses: (setup, webSocket) => refusal(spec, setup, webSocket),
    resources: (setup) => spec.resources(setup),
    command: (setup, listen) => spec.command(setup, listen),
  };
}

const PROTOCOLS = { h1: "HTTP/1.1", tls: "TLS", h2: "HTTP/2", h3: "HTTP/3" } as const;

function refusal(spec: ServerSpec, setup: Setup, webSocket: boolean): string | null {
  const { interface: spoken, protocol = "h1" } = setup;
  if (!spec.interfaces.includes(spoken)) {
    const theirs = spec.interfaces.map((each) => each.toUpperCase()).join(" and ");
    return `serves ${theirs} apps, and this is ${spoken.toUpperCase()}`;
  }
  if (!spec.protocols.includes(protocol)) return `does not speak ${PROTOCOLS[protocol]}`;
  return webSocket && !spec.websocket ? "does not speak WebSocket" : null;
}

const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

/** A command line that can be pasted: the port and the directory of the start by name. */
export function shownCommand(launch: Launch, listen: Listen): string {
  const variables = Object.entries(launch.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const words = [...variables, ...launch.argv].map((word) => {
    const named = word.replaceAll(listen.directory, "DIR").replaceAll(`${listen.port}`, "PORT");
    return PLAIN_WORD.test(named) ? named : `'${named.replaceAll("'", `'\\''`)}'`;
  });
  return words.join(" ");
}
