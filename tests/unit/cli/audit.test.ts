import { describe, expect, test } from "bun:test";
import { parseAudit } from "../../../src/cli/audit-arguments.ts";

describe("keelback audit", () => {
  test("its own options are taken, the others are the server's", () => {
    const argv = ["main:app", "--path", "/a", "--path=/b", "--workers", "2", "--verify"];
    expect(parseAudit([...argv, "--seconds", "5s", "--header", "Host: shop"])).toMatchObject({
      kind: "run",
      arguments: {
        ...{ paths: ["/a", "/b"], seconds: 5, clients: 8, rate: 0, verify: true, json: false },
        ...{ headers: { Host: "shop" }, rest: ["main:app", "--workers", "2"] },
      },
    });
  });

  test("without traffic it asks for /", () => {
    expect(parseAudit(["main:app"])).toMatchObject({ arguments: { paths: ["/"] } });
    expect(parseAudit(["--live", "30"])).toMatchObject({ arguments: { paths: [], live: 30 } });
    expect(parseAudit(["main:app", "--help"])).toEqual({ kind: "help" });
  });

  test.each([
    [["--log"], "--log needs a value"],
    [["--log", "--verify"], "--log needs a value"],
    [["--log", "a", "--path", "/"], "traffic comes from one place: --path or --log"],
    [["--clients", "0"], '--clients: "0" is no whole number from 1 to 10000'],
    [["--clients", "1.5"], '--clients: "1.5" is no whole number'],
    [["--seconds", "soon"], '--seconds: "soon" is no number'],
    [["--live", "5", "--verify"], "--verify needs requests to send"],
    [["--live", "5", "--rate", "5"], "--rate is for requests of ours"],
    [["--bind", ":8000"], '"--bind": an audit has a port of its own'],
    [["--header", "nonsense"], '--header: "nonsense" is not NAME: VALUE'],
  ])("%p is refused", (argv, text) => {
    expect(parseAudit(argv)).toEqual({ kind: "wrong", text: expect.stringContaining(text) });
  });
});
