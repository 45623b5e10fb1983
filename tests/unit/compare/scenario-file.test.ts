import { describe, expect, test } from "bun:test";
import { readScenarioFile, ScenarioFileError } from "../../../src/compare/scenario-file.ts";

function complaint(text: string): string {
  try {
    readScenarioFile(text);
  } catch (error) {
    if (error instanceof ScenarioFileError) return error.message;
    throw error;
  }
  return "";
}

describe("a scenario file", () => {
  test("has requests with methods, headers, bodies, weights and what is expected", () => {
    const file = readScenarioFile(`
      title = "A shop"
      connections = 32
      rate = 200
      [[request]]
      path = "/items?page=2"
      weight = 3
      [[request]]
      method = "POST"
      path = "/cart"
      headers = { Content-Type = "application/json" }
      body = '{"item": 7}'
      expect = { status = 201, body = "ok" }
    `);
    expect(file).toEqual({
      ...{ title: "A shop", connections: 32, rate: 200 },
      requests: [
        { method: "GET", path: "/items?page=2", headers: {}, weight: 3 },
        {
          ...{ method: "POST", path: "/cart", weight: 1, body: '{"item": 7}' },
          headers: { "Content-Type": "application/json" },
          expect: { status: 201, body: "ok" },
        },
      ],
    });
  });

  test("what is wrong is said with where it is and what would be right", () => {
    expect(complaint("title = 'x'")).toContain('write [[request]] and below it path = "/"');
    expect(complaint("[[request]]\npath = 'items'")).toContain("request 1: path must begin with /");
    expect(complaint("[[request]]\npath = '/a b'")).toContain("write %20");
    expect(complaint("[[request]]\npath = '/'\nverb = 'GET'")).toContain('no key "verb"');
    expect(complaint("[[request]]\npath = '/'\nweight = 0")).toContain("from 1 to 1000");
    expect(complaint("[[request]]\npath = '/'\nmethod = 'get it'")).toContain("is no method");
    expect(complaint("[[request]]\npath = '/'\nbody = 'a'\nbody-base64 = 'YQ=='")).toContain(
      "exclude each other",
    );
    expect(complaint("[[request]]\npath = '/'\nheaders = { A = \"b\\r\\nC: d\" }")).toContain(
      "one line",
    );
    expect(complaint("= 1")).toContain("is no TOML");
  });
});
