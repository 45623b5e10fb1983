/**
 * Lets a WebSocket client of HTTP/1.1 talk to a server of HTTP/2: listens on loopback, answers the Upgrade itself, and
 * carries the bytes of each connection over one extended CONNECT (RFC 8441) in a connection of its own. A close of the
 * client's side becomes END_STREAM, a reset RST_STREAM, and the other way round. One job for each end: the tunnel never
 * looks into the WebSocket frames.
 */
import { createHash } from "node:crypto";
import { connect, constants } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Fields of the handshake that mean the same in both versions. */
const CARRIED = [
  "sec-websocket-version",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
  "origin",
  "user-agent",
];
const HEAD_BYTES_MAX = 65_536;

export interface Tunnel extends AsyncDisposable {
  /** `ws://127.0.0.1:PORT` */
  url: string;
}

interface Handshake {
  target: string;
  fields: Map<string, string>;
  /** What came behind the head. */
  rest: Buffer;
}

function parseHandshake(received: Buffer): Handshake | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [requestLine = "", ...lines] = received.toString("latin1", 0, end).split("\r\n");
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const target = requestLine.split(" ")[1] ?? "/";
  return { target, fields: new Map(fields), rest: received.subarray(end + 4) };
}

function upgradeAnswer(handshake: Handshake, answer: IncomingHttpHeaders): string {
  const key = handshake.fields.get("sec-websocket-key") ?? "";
  const accept = createHash("sha1")
    .update(key + ACCEPT_GUID)
    .digest("base64");
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  lines.push(`Sec-WebSocket-Accept: ${accept}`);
  for (const name of ["sec-websocket-extensions", "sec-websocket-protocol"]) {
    const value = answer[name];
    if (value !== undefined) lines.push(`${name}: ${String(value)}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function pipe(socket: Socket, stream: ClientHttp2Stream, session: ClientHttp2Session): void {
  stream.on("data", (chunk: Buffer) => {
    if (socket.write(chunk)) return;
    stream.pause();
    socket.once("drain", () => stream.resume());
  });
  stream.on("end", () => socket.end());
  stream.on("error", () => socket.destroy());
  stream.on("close", () => {
    if (stream.rstCode === constants.NGHTTP2_NO_ERROR) socket.end();
    else socket.resetAndDestroy();
    session.close();
  });
  socket.on("data", (chunk: Buffer) => {
    if (stream.write(chunk)) return;
    socket.pause();
    stream.once("drain", () => socket.resume());
  });
  socket.on("end", () => stream.end());
  socket.on("close", () => stream.close(constants.NGHTTP2_CANCEL));
}

/** `origin` is the server under test, `http:` (prior knowledge) or `https:`. */
function carry(origin: string, socket: Socket, handshake: Handshake): void {
  const session = connect(origin, { rejectUnauthorized: false });
  session.on("error", () => socket.destroy());
  socket.once("close", () => session.close());
  session.once("remoteSettings", (settings) => {
    if (settings.enableConnectProtocol !== true) {
      socket.end("HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n");
      session.close();
      return;
    }
    const { protocol, host } = new URL(origin);
    const headers: Record<string, string> = {
      ...{ ":method": "CONNECT", ":protocol": "websocket", ":path": handshake.target },
      ...{ ":scheme": protocol.slice(0, -1), ":authority": host },
    };
    for (const name of CARRIED) {
      const value = handshake.fields.get(name);
      if (value !== undefined) headers[name] = value;
    }
    const stream = session.request(headers, { endStream: false });
    stream.on("error", () => socket.destroy());
    stream.once("response", (answer) => {
      if (answer[":status"] !== 200) {
        socket.end(`HTTP/1.1 ${answer[":status"]} Refused\r\nContent-Length: 0\r\n\r\n`);
        stream.close();
        return;
      }
      socket.write(upgradeAnswer(handshake, answer));
      pipe(socket, stream, session);
      if (handshake.rest.length > 0) stream.write(handshake.rest);
      socket.resume();
    });
  });
}

export async function startTunnel(origin: string): Promise<Tunnel> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let received: Buffer = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on("error", () => undefined); // its close follows
    const gather = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const handshake = parseHandshake(received);
      if (handshake === undefined) {
        if (received.length > HEAD_BYTES_MAX) socket.destroy();
        return;
      }
      socket.off("data", gather);
      socket.pause();
      carry(origin, socket, handshake);
    };
    socket.on("data", gather);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  // listen() with a host and a port gives an AddressInfo
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}
