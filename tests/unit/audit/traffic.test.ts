import { describe, expect, test } from "bun:test";
import { fromLog, fromScenario, readTraffic } from "../../../src/audit/traffic.ts";

const line = (method: string, target: string): string =>
  `::1 - - [10/Oct/2026:13:55:36 +0000] "${method} ${target} HTTP/1.1" 200 5 "-" "-"`;

describe("traffic", () => {
  test("a log is repeated by how often each request came, what changes something left out", () => {
    const lines = [line("GET", "/a"), line("GET", "/b?x=1"), line("GET", "/a"), line("POST", "/a")];
    const traffic = fromLog("a.log", [...lines, "what is this", ""].join("\n"), { Host: "shop" });
    expect(traffic).toMatchObject({
      about: "a.log: 4 requests, 2 different",
      requests: [
        { method: "GET", path: "/a", weight: 2, headers: { Host: "shop" } },
        { method: "GET", path: "/b?x=1", weight: 1 },
      ],
      notes: [
        "1 requests of a.log change something and were not repeated (a log has no bodies): give them as --scenario",
        "1 lines of a.log tell no request",
      ],
    });
  });

  test.each([
    ["", "a.log is empty"],
    ["hello\nworld", "a.log has no line that tells a request (of 2)"],
    [line("POST", "/"), "a.log has no GET, HEAD or OPTIONS"],
  ])("a log of %p is refused", (text, complaint) => {
    expect(fromLog("a.log", text, {})).toMatchObject({
      complaint: expect.stringContaining(complaint),
    });
  });

  test("a scenario is that of a comparison", () => {
    const text = `
      [[request]]
      method = "POST"
      path = "/cart"
      headers = { Content-Type = "application/json" }
      body = "{}"
      weight = 3`;
    expect(fromScenario("s.toml", text, { Host: "shop" })).toMatchObject({
      requests: [
        {
          ...{ method: "POST", path: "/cart", body: "{}", weight: 3 },
          headers: { Host: "shop", "Content-Type": "application/json" },
        },
      ],
    });
    expect(fromScenario("s.toml", "a = 1", {})).toMatchObject({
      complaint: expect.stringContaining("--scenario: s.toml: "),
    });
  });

  test("paths begin with a slash, files are there", () => {
    expect(readTraffic({ from: "paths", paths: ["/a", "b"] }, {})).toMatchObject({
      complaint: expect.stringContaining('"b" is no path'),
    });
    expect(readTraffic({ from: "log", file: "/nowhere/access.log" }, {})).toMatchObject({
      complaint: expect.stringContaining("--log: /nowhere/access.log cannot be read"),
    });
  });
});
