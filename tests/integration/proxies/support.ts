/** An app that says who it thinks the client is (tests/apps/ends.py), asked over every version of HTTP and by WebSocket. */
import { testCertificate } from "../../support/certificate.ts";
import { H2Client } from "../../support/h2-client.ts";
import { H3Client } from "../../support/h3-client.ts";
import { RawClient } from "../../support/raw-client.ts";
import { repository, startServer, type TestServer } from "../../support/server.ts";
import { message } from "../http/support.ts";
import { WsClient } from "../websocket/client.ts";

/** The client of HTTP/3 is built first, which takes a while where nothing is cached. */
export const TEST_TIMEOUT_MS = 60_000;

export type Kind = "wsgi" | "asgi";
export type Fields = readonly (readonly [name: string, value: string])[];

/** What the app sees. */
export interface Ends {
  client: string;
  port: number;
  scheme: string;
  https: string;
  host: string;
  server: [name: string, port: number | null];
  root: string;
  path: string;
  raw?: string;
  fields: [name: string, value: string][];
}

export interface EndsOptions {
  args?: readonly string[];
  env?: Record<string, string>;
  bind?: string;
}

export function startEnds(kind: Kind, options: EndsOptions = {}): Promise<TestServer> {
  const { args = [], ...rest } = options;
  const place = ["--workers", "1", "--chdir", `${repository}/tests/apps`];
  return startServer({ app: `ends:${kind}`, args: [...place, ...args], ...rest });
}

export function tlsArgs(): string[] {
  const { certificate, key } = testCertificate();
  return ["--certfile", certificate, "--keyfile", key];
}

export interface Answer {
  status: number;
  body: string;
}

/** One request over a connection of its own. */
export type Way = (server: TestServer, path: string, fields: Fields) => Promise<Answer>;

export function head(path: string, fields: Fields = []): string {
  const lines = fields.map(([name, value]) => `${name}: ${value}`);
  return message([`GET ${path} HTTP/1.1`, "Host: own.test", ...lines]);
}

/** Plain servers. */
export const PLAIN_WAYS: Readonly<Record<string, Way>> = {
  "HTTP/1.1": async (server, path, fields) => {
    await using client = await RawClient.connect(server.port);
    await client.send(head(path, fields));
    return await client.readResponse();
  },
  "HTTP/2": async (server, path, fields) => {
    await using client = await H2Client.connect(server.port);
    const lower = fields.map(([name, value]) => [name.toLowerCase(), value] as const);
    return await client.answerOf(path, lower);
  },
};

/** By a WebSocket: of apps that speak ASGI. */
export const WEBSOCKET: Way = async (server, path, fields) => {
  await using client = await WsClient.ask(server.port, path, { fields });
  if (client.status !== 101) return { status: client.status, body: await client.body() };
  const body = String(await client.message());
  await client.ending();
  return { status: 200, body };
};

/** Servers with TLS and --http3. */
export const HTTP3: Way = async (server, path, fields) => {
  await using client = new H3Client(server.url);
  return await client.fetch(path, { headers: fields });
};

export async function seen(
  way: Way,
  server: TestServer,
  fields: Fields,
  path = "/x",
): Promise<Ends> {
  const { status, body } = await way(server, path, fields);
  if (status !== 200) throw new Error(`answered with ${status}: ${body}`);
  return JSON.parse(body) as Ends;
}

/** The values of a field as the app sees them. */
export function valuesOf(ends: Ends, name: string): string[] {
  return ends.fields.filter(([field]) => field === name).map(([, value]) => value);
}
