import { describe, expect, test } from "bun:test";
import { percent, size, time, where } from "../../../src/audit/words.ts";
import { spot } from "./facts.ts";

describe("words", () => {
  test.each([
    [0.0312, "0.03 ms"],
    [4.56, "4.6 ms"],
    [48.2, "48 ms"],
    [1234, "1.2 s"],
    [61_234, "61 s"],
  ])("%p ms is %p", (ms, text) => {
    expect(time(ms)).toBe(text);
  });

  test("sizes and shares", () => {
    expect([size(12), size(2048), size(3 * 1024 * 1024)]).toEqual(["12 B", "2.0 KiB", "3.0 MiB"]);
    expect(percent(0.256)).toBe("26 %");
  });

  test.each([
    ["time.sleep(0.048)", "time.sleep(0.048)"],
    ["return requests.get(url, timeout=3)", "requests.get(url, timeout=3)"],
    ["rows = await session.execute(query)", "session.execute(query)"],
    ["self.total: int = compute(a == b)", "compute(a == b)"],
    ["with engine.connect() as connection:", "engine.connect() as connection"],
    ['if path == "/slow": fetch(1)', "fetch(1)"],
    ["for row in cursor.execute(sql):", "cursor.execute(sql)"],
    ["x".repeat(90), `${"x".repeat(57)}...`],
  ])("%p is called %p", (code, call) => {
    expect(where(spot("wait", code))).toBe(`in ${call} at app.py:31`);
  });

  test("where the time goes deeper down is said too", () => {
    const file = "/srv/.venv/lib/python3.13/site-packages/urllib3/connection.py";
    const within = { file, line: 7, function: "connect", code: "" };
    expect(where({ ...spot("wait", "get(url)"), within })).toBe(
      "in get(url) at app.py:31 (connect, urllib3/connection.py)",
    );
  });
});
