import { describe, expect, test } from "bun:test";
import { chooseDeflate, parseOffers } from "../../../../src/proto/ws/extensions.ts";
import {
  acceptFields,
  acceptKey,
  checkExtendedConnect,
  checkUpgrade,
  type Handshake,
  type HandshakeRequest,
} from "../../../../src/proto/ws/handshake.ts";

const FIELDS: Readonly<Record<string, string>> = {
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
};

interface Changes {
  readonly fields?: Readonly<Record<string, string | null>>;
  readonly method?: string;
  readonly version?: number;
  readonly contentLength?: number;
}

function request(changes: Changes = {}): HandshakeRequest {
  const fields = { ...FIELDS, ...changes.fields };
  return {
    method: changes.method ?? "GET",
    version: changes.version ?? 11,
    contentLength: changes.contentLength ?? 0,
    field: (name) => fields[name] ?? null,
  };
}

function check(changes: Changes = {}): Handshake {
  return checkUpgrade(request(changes), true);
}

const outcome = (handshake: Handshake): string | number =>
  handshake.kind === "refused" ? handshake.status : handshake.kind;

test("the example of RFC 6455 section 1.3", () => {
  expect(check()).toEqual({ kind: "valid", key: "dGhlIHNhbXBsZSBub25jZQ==", deflate: null });
  expect(acceptKey("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  expect(acceptFields("dGhlIHNhbXBsZSBub25jZQ==", null)).toBe(
    "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
  );
});

describe("other requests are not refused", () => {
  test.each([
    ["without Upgrade", { fields: { upgrade: null } }],
    ["another protocol", { fields: { upgrade: "h2c" } }],
    ["not named in Connection", { fields: { connection: "keep-alive" } }],
    ["Connection is missing", { fields: { connection: null } }],
    ["HTTP/1.0", { version: 10 }],
    ["a word that only begins alike", { fields: { upgrade: "websocket2" } }],
  ])("%s", (_, changes) => {
    expect(check(changes)).toEqual({ kind: "none" });
  });

  test.each([
    ["lists", { fields: { upgrade: "h2c, WebSocket", connection: "keep-alive ,UPGRADE" } }],
    ["case", { fields: { upgrade: "WEBSOCKET", connection: "upgrade" } }],
  ])("%s are read as lists of tokens whatever their case", (_, changes) => {
    expect(check(changes).kind).toBe("valid");
  });
});

describe("what is refused", () => {
  test.each([
    ["a key that is missing", { fields: { "sec-websocket-key": null } }],
    ["an empty key", { fields: { "sec-websocket-key": "" } }],
    ["15 bytes", { fields: { "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAA" } }],
    ["17 bytes", { fields: { "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAAA=" } }],
    ["no base64", { fields: { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZ!==" } }],
    ["base64 for URLs", { fields: { "sec-websocket-key": "dGhlIHNhbXBsZSBub25_ZQ==" } }],
    ["two keys", { fields: { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==, x" } }],
    ["another method", { method: "POST" }],
    ["a body", { contentLength: 5 }],
    ["a chunked body", { contentLength: -1 }],
    ["malformed extensions", { fields: { "sec-websocket-extensions": "a;;b" } }],
  ])("400: %s", (_, changes) => {
    expect(outcome(check(changes))).toBe(400);
  });

  test.each([["8"], ["14"], ["013"], ["13, 8"], [""], [null]])("426: version %p", (version) => {
    const refused = check({ fields: { "sec-websocket-version": version } });
    expect(outcome(refused)).toBe(426);
    expect(refused).toHaveProperty("fields", "sec-websocket-version: 13\r\n");
  });

  test("over HTTP/2 there is no key and no Upgrade (RFC 8441)", () => {
    const http2 = { method: "CONNECT", version: 20, contentLength: -1 };
    const plain = { upgrade: null, connection: null, "sec-websocket-key": null };
    const taken = checkExtendedConnect(request({ ...http2, fields: plain }), true);
    expect(taken).toEqual({ kind: "valid", key: "", deflate: null });
    expect(acceptFields("", null)).toBe("");
    const older = { ...plain, "sec-websocket-version": "12" };
    expect(outcome(checkExtendedConnect(request({ ...http2, fields: older }), true))).toBe(426);
  });
});

/** The answer to an offer; null: declined; "malformed": the handshake fails. */
function answer(field: string): string | null {
  const offers = parseOffers(field);
  return offers === null ? "malformed" : (chooseDeflate(offers)?.answer ?? null);
}

describe("permessage-deflate (RFC 7692 section 7.1)", () => {
  const SERVER = "server_max_window_bits=12";

  test.each([
    ["permessage-deflate", `permessage-deflate; ${SERVER}`],
    [
      "permessage-deflate; client_max_window_bits",
      `permessage-deflate; ${SERVER}; client_max_window_bits=12`,
    ],
    [
      "permessage-deflate; client_max_window_bits=9",
      `permessage-deflate; ${SERVER}; client_max_window_bits=9`,
    ],
    [
      "permessage-deflate; server_max_window_bits=8",
      "permessage-deflate; server_max_window_bits=8",
    ],
    ["permessage-deflate; server_max_window_bits=15", `permessage-deflate; ${SERVER}`],
    [
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
      `permessage-deflate; server_no_context_takeover; client_no_context_takeover; ${SERVER}`,
    ],
    [
      'permessage-deflate;server_max_window_bits="10"',
      "permessage-deflate; server_max_window_bits=10",
    ],
    [
      'permessage-deflate;server_max_window_bits="\\10"',
      "permessage-deflate; server_max_window_bits=10",
    ],
    ["x-webkit-deflate-frame, permessage-deflate", `permessage-deflate; ${SERVER}`],
    [", permessage-deflate ,,", `permessage-deflate; ${SERVER}`],
    ["Permessage-Deflate", `permessage-deflate; ${SERVER}`],
    [
      "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=11",
      "permessage-deflate; server_max_window_bits=11",
    ],
  ])("%s is agreed to", (field, expected) => {
    expect(answer(field)).toBe(expected);
  });

  test.each([
    [""],
    ["permessage-bzip2"],
    ["permessage-deflate; unknown"],
    ["permessage-deflate; server_max_window_bits"],
    ["permessage-deflate; server_max_window_bits=7"],
    ["permessage-deflate; server_max_window_bits=16"],
    ["permessage-deflate; server_max_window_bits=08"],
    ["permessage-deflate; client_max_window_bits=x"],
    ["permessage-deflate; server_no_context_takeover=1"],
    ["permessage-deflate; client_no_context_takeover=true"],
    ["permessage-deflate; client_max_window_bits; client_max_window_bits=9"],
  ])("%p is declined", (field) => {
    expect(answer(field)).toBe(null);
  });

  test.each([
    ["a b"],
    [";"],
    ["permessage-deflate;"],
    ["permessage-deflate; =9"],
    ["permessage-deflate; server_max_window_bits="],
    ['permessage-deflate; server_max_window_bits="1 0"'],
    ['permessage-deflate; server_max_window_bits="10'],
    ["é"],
  ])("%p is malformed", (field) => {
    expect(answer(field)).toBe("malformed");
  });

  test("what was agreed is what the answer says", () => {
    const offers = parseOffers(
      "permessage-deflate; client_max_window_bits=10; server_no_context_takeover",
    )!;
    expect(chooseDeflate(offers)).toMatchObject({
      serverNoContextTakeover: true,
      clientNoContextTakeover: false,
      serverWindowBits: 12,
      clientWindowBits: 10,
    });
    expect(chooseDeflate(parseOffers("permessage-deflate")!)?.clientWindowBits).toBe(15);
  });

  test("it can be turned off", () => {
    const offer = { fields: { "sec-websocket-extensions": "permessage-deflate" } };
    expect(checkUpgrade(request(offer), false)).toHaveProperty("deflate", null);
    expect(checkUpgrade(request(offer), true)).not.toHaveProperty("deflate", null);
  });

  test("a long field is read in linear time", () => {
    const long = `x; a="${"\\a".repeat(100_000)}", `.repeat(4);
    expect(parseOffers(long)).toHaveLength(4);
    expect(parseOffers(`x; a="${"\\a".repeat(100_000)}`)).toBe(null);
    expect(parseOffers(" ".repeat(200_000))).toEqual([]);
  });
});
