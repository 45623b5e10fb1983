/**
 * `--scenario FILE.toml`: requests of the user's own.
 *
 *     title = "A shop"
 *     connections = 32
 *     rate = 200              # of the open loop, requests a second
 *
 *     [[request]]
 *     path = "/items?page=2"
 *     weight = 3
 *
 *     [[request]]
 *     method = "POST"
 *     path = "/cart"
 *     headers = { Content-Type = "application/json" }
 *     body = '{"item": 7}'
 *     expect = { status = 201 }
 */
import type { RequestSpec } from "./types.ts";

export interface ScenarioFile {
  readonly title?: string;
  readonly about?: string;
  readonly connections?: number;
  readonly rate?: number;
  readonly newConnections?: boolean;
  readonly requests: readonly RequestSpec[];
}

export class ScenarioFileError extends Error {}

type Table = Readonly<Record<string, unknown>>;

const TOP = ["title", "about", "connections", "rate", "new-connections", "request"];
const REQUEST = ["method", "path", "headers", "body", "body-base64", "weight", "expect"];
const EXPECT = ["status", "body"];
const METHOD = /^[A-Z]+$/;
const CONNECTIONS_MAX = 10_000;
const RATE_MAX = 100_000;
const WEIGHT_MAX = 1000;
const STATUS = { least: 200, most: 599 };

export function readScenarioFile(text: string): ScenarioFile {
  let table: Table;
  try {
    table = Bun.TOML.parse(text) as Table;
  } catch (error) {
    fail(`is no TOML: ${error instanceof Error ? error.message : String(error)}`);
  }
  onlyKeys(table, TOP, "");
  const list = table["request"];
  if (!Array.isArray(list) || list.length === 0) {
    fail('has no request; write [[request]] and below it path = "/"');
  }
  const requests = list.map((entry: unknown, index) => {
    return requestOf(tableOf(entry, `request ${index + 1}`), `request ${index + 1}: `);
  });
  const title = text_(table, "title", "");
  const about = text_(table, "about", "");
  const connections = whole(table, "connections", { least: 1, most: CONNECTIONS_MAX }, "");
  const rate = whole(table, "rate", { least: 1, most: RATE_MAX }, "");
  const fresh = table["new-connections"];
  if (fresh !== undefined && typeof fresh !== "boolean") fail("new-connections is true or false");
  return {
    requests,
    ...(title === undefined ? {} : { title }),
    ...(about === undefined ? {} : { about }),
    ...(connections === undefined ? {} : { connections }),
    ...(rate === undefined ? {} : { rate }),
    ...(fresh === undefined ? {} : { newConnections: fresh }),
  };
}

function requestOf(table: Table, where: string): RequestSpec {
  onlyKeys(table, REQUEST, where);
  const method = text_(table, "method", where) ?? "GET";
  if (!METHOD.test(method)) fail(`${where}method ${JSON.stringify(method)} is no method`);
  const path = text_(table, "path", where) ?? "";
  if (!path.startsWith("/")) fail(`${where}path must begin with /, as in path = "/items"`);
  // oxlint-disable-next-line no-control-regex -- these would end the request line
  if (/[\s\u0000-\u001f]/.test(path)) fail(`${where}path has a blank in it; write %20`);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(tableOf(table["headers"] ?? {}, `${where}headers`))) {
    if (typeof value !== "string" || /[\r\n]/.test(`${name}${value}`)) {
      fail(`${where}header ${name} must be a text of one line`);
    }
    headers[name] = value;
  }
  const body = text_(table, "body", where);
  const coded = text_(table, "body-base64", where);
  if (body !== undefined && coded !== undefined)
    fail(`${where}body and body-base64 exclude each other`);
  const weight = whole(table, "weight", { least: 1, most: WEIGHT_MAX }, where) ?? 1;
  const given = body ?? coded;
  return {
    ...{ method, path, headers, weight },
    ...(given === undefined ? {} : { body: given }),
    ...(coded === undefined ? {} : { bodyBase64: true }),
    ...(table["expect"] === undefined ? {} : { expect: expectOf(table["expect"], where) }),
  };
}

function expectOf(value: unknown, where: string): NonNullable<RequestSpec["expect"]> {
  const table = tableOf(value, `${where}expect`);
  onlyKeys(table, EXPECT, `${where}expect: `);
  const status = whole(table, "status", STATUS, `${where}expect: `);
  const body = text_(table, "body", `${where}expect: `);
  return { ...(status === undefined ? {} : { status }), ...(body === undefined ? {} : { body }) };
}

function fail(text: string): never {
  throw new ScenarioFileError(text);
}

function onlyKeys(table: Table, known: readonly string[], where: string): void {
  const unknown = Object.keys(table).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    fail(`${where}there is no key ${JSON.stringify(unknown)}; there are ${known.join(", ")}`);
  }
}

function tableOf(value: unknown, where: string): Table {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Table;
  return fail(`${where} must be a table`);
}

function text_(table: Table, key: string, where: string): string | undefined {
  const value = table[key];
  if (value === undefined || typeof value === "string") return value;
  return fail(`${where}${key} must be a text in quotes`);
}

function whole(
  table: Table,
  key: string,
  { least, most }: { readonly least: number; readonly most: number },
  where: string,
): number | undefined {
  const value = table[key];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  return fail(`${where}${key} must be a whole number from ${least} to ${most}`);
}
