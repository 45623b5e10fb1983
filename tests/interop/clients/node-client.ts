/**
 * Node's own clients: `node - URL UPLOAD PIECES`, JSON out. node:http2 for requests and, by extended CONNECT, for a
 * WebSocket whose frames are built by hand; the global WebSocket over HTTP/1.1. Runs in Node 20 and newer, bundled.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { once } from "node:events";

const [url = "", uploadPath = "", pieces = "0"] = process.argv.slice(2);
const BINARY = Buffer.alloc(256 * 1024, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));

async function request(session: ClientHttp2Session, path: string, body?: Buffer): Promise<Buffer> {
  const stream = session.request({ ":path": path, ":method": body ? "POST" : "GET" });
  stream.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function masked(opcode: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(14);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(payload.length), 2); // the mask stays zero
  if (payload.length > 125) return Buffer.concat([head, payload]);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** Payloads of the server's frames, one after the other. */
async function* frames(stream: ClientHttp2Stream): AsyncGenerator<Buffer> {
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    received = Buffer.concat([received, chunk as Buffer]);
    while (received.length >= 10 || (received.length >= 2 && received[1]! < 126)) {
      const short = received[1]!;
      const at = short < 126 ? 2 : short === 126 ? 4 : 10;
      const length =
        short < 126
          ? short
          : short === 126
            ? received.readUInt16BE(2)
            : Number(received.readBigUInt64BE(2));
      if (received.length < at + length) break;
      yield received.subarray(at, at + length);
      received = received.subarray(at + length);
    }
  }
}

async function extendedConnect(session: ClientHttp2Session): Promise<unknown> {
  if (session.remoteSettings.enableConnectProtocol !== true) {
    return { refused: "no extended CONNECT" };
  }
  const stream = session.request(
    {
      ...{ ":method": "CONNECT", ":protocol": "websocket", ":path": "/" },
      ...{ "sec-websocket-version": "13", "sec-websocket-protocol": "first, second" },
    },
    { endStream: false },
  );
  const [headers] = (await once(stream, "response")) as [Record<string, string>];
  const incoming = frames(stream);
  const next = async (): Promise<Buffer> => {
    const { value } = await incoming.next();
    return (value as Buffer | undefined) ?? Buffer.alloc(2);
  };
  stream.write(masked(1, Buffer.from("hello")));
  const text = await next();
  stream.write(masked(2, BINARY));
  const binary = await next();
  stream.write(masked(8, Buffer.from([3, 232])));
  const close = await next();
  stream.close();
  return {
    text: text.toString(),
    binary: binary.equals(BINARY),
    protocol: headers["sec-websocket-protocol"],
    code: close.readUInt16BE(0),
  };
}

async function http2(): Promise<Record<string, unknown>> {
  const session = connect(url, { rejectUnauthorized: false });
  await once(session, "remoteSettings");
  const get = JSON.parse((await request(session, "/")).toString()) as unknown;
  const sent = await request(session, "/upload", readFileSync(uploadPath));
  const got = await request(session, `/download?pieces=${pieces}`);
  const websocket = await extendedConnect(session);
  session.destroy();
  return {
    ...{ version: "HTTP/2", get, websocket, upload: JSON.parse(sent.toString()) as unknown },
    download: createHash("sha256").update(got).digest("hex"),
  };
}

async function webSocket(): Promise<unknown> {
  const socket = new WebSocket(url.replace("http", "ws"), ["first", "second"]);
  socket.binaryType = "arraybuffer";
  await once(socket as never, "open");
  const answer = async (data: string | Uint8Array): Promise<unknown> => {
    socket.send(data);
    const [event] = (await once(socket as never, "message")) as [MessageEvent];
    return event.data;
  };
  const text = await answer("hello");
  const binary = Buffer.from((await answer(BINARY)) as ArrayBuffer);
  socket.close(1000);
  const [closed] = (await once(socket as never, "close")) as [CloseEvent];
  return {
    ...{ text, binary: binary.equals(BINARY), protocol: socket.protocol, code: closed.code },
  };
}

const seen = await http2();
process.stdout.write(JSON.stringify({ ...seen, webSocketOverHttp1: await webSocket() }));
process.exit(0);
