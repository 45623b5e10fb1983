import { expect, test } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LineSink } from "../../../src/observe/line-sink.ts";

function folder(): string {
  return mkdtempSync(join(tmpdir(), "keelback-sink-"));
}

test("lines arrive in order, and reopen follows a rotated file", async () => {
  const dir = folder();
  const path = join(dir, "access.log");
  const sink = new LineSink(path, () => {});
  for (let i = 0; i < 500; i++) sink.write(`line ${i}`);
  await sink.flush();
  const expected = Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join("");
  expect(readFileSync(path, "utf8")).toBe(expected);
  renameSync(path, `${path}.1`);
  sink.reopen();
  sink.write("after");
  await sink.flush();
  expect(readFileSync(path, "utf8")).toBe("after\n");
  rmSync(dir, { recursive: true });
});

test("A full disk does not stop the server", async () => {
  const troubles: string[] = [];
  const fd = openSync("/dev/full", "w");
  const sink = new LineSink(fd, (message) => troubles.push(message));
  for (let i = 0; i < 10; i++) sink.write("x");
  await sink.flush();
  sink.write("y");
  await sink.flush();
  expect(sink.dropped).toBe(11);
  expect(troubles).toHaveLength(1);
  expect(troubles[0]).toContain("no space left");
  closeSync(fd);
});

test("a directory that is missing loses lines until it is there", async () => {
  const dir = folder();
  const path = join(dir, "later", "access.log");
  const sink = new LineSink(path, () => {});
  sink.write("lost");
  await sink.flush();
  expect(sink.dropped).toBe(1);
  writeFileSync(join(dir, "marker"), "");
  await Bun.$`mkdir ${join(dir, "later")}`.quiet();
  sink.write("kept");
  await sink.flush();
  expect(readFileSync(path, "utf8")).toBe("kept\n");
  rmSync(dir, { recursive: true });
});

test("a reader that is too slow loses lines, not memory", () => {
  const sink = new LineSink("/nonexistent/never", () => {});
  const line = "x".repeat(1024 * 1024);
  for (let i = 0; i < 20; i++) sink.write(line);
  expect(sink.dropped).toBeGreaterThan(8);
});
