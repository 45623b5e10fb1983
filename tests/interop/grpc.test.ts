/** gRPC over ASGI: a service made of messages and trailers (tests/apps/grpc_asgi.py) and the real gRPC client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { testCertificate } from "../support/certificate.ts";
import { repository } from "../support/server.ts";
import { startTarget, targetName } from "../support/target.ts";
import type { Target } from "../support/target.ts";

const python = `${repository}/.cache/interop-venv/bin/python`;

interface Report {
  unary: string;
  initial: string;
  trailing: string;
  large: boolean;
  down: number[];
  up: string;
  bothWays: string[];
  atOnce: string[];
  fail: unknown;
  unknown: unknown;
}

describe.each(["h2c", "tls"])("a gRPC client over %s", (transport) => {
  const certificate = transport === "tls" ? testCertificate() : undefined;
  let target: Target;
  let report: Report;

  beforeAll(async () => {
    target = await startTarget(targetName(), {
      app: "grpc_asgi:app",
      ...(certificate === undefined ? {} : { certificate }),
    });
    const program = `${repository}/tests/interop/clients/grpc_client.py`;
    const args = [`127.0.0.1:${target.port}`];
    if (certificate !== undefined) args.push(certificate.certificate);
    const child = Bun.spawn([python, program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`${errors}\n${target.output()}`);
    report = JSON.parse(output);
  });
  afterAll(async () => {
    await target[Symbol.asyncDispose]();
  });

  test("a unary call has its answer, metadata and trailing metadata", () => {
    expect(report).toMatchObject({ unary: "olleh", initial: "asgi", trailing: "yes" });
  });

  test("a message of 1 MiB comes back", () => {
    expect(report.large).toBe(true);
  });

  test("the server streams", () => {
    expect(report.down).toEqual(Array.from({ length: 500 }, (_, number) => number));
  });

  test("the client streams", () => {
    expect(report.up).toBe("500 1390");
  });

  test("both stream at once, message by message", () => {
    expect(report.bothWays).toEqual(["cba", "fed", "ihg"]);
  });

  test("fifty calls at once on one connection", () => {
    expect(report.atOnce).toEqual(
      Array.from({ length: 50 }, (_, number) => Buffer.from(`${number}!`).reverse().toString()),
    );
  });

  test("a status other than OK arrives with its text", () => {
    expect(report.fail).toEqual({ code: "INVALID_ARGUMENT", details: "wrong on purpose" });
    expect(report.unknown).toMatchObject({ code: "UNIMPLEMENTED" });
  });
});
