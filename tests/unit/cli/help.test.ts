/** `--help` and what the other printing commands say. */
import { describe, expect, test } from "bun:test";
import { help, HELP_COLUMNS_MAX } from "../../../src/cli/help.ts";
import { printConfig, printConfigJson } from "../../../src/cli/print.ts";
import { VERSION, versionText } from "../../../src/cli/version.ts";
import { ROWS, SETTING_ROWS } from "../../../src/config/config.ts";
import { good } from "../config/support.ts";

function textOf(topic: string): string {
  const answer = help(topic);
  if ("complaint" in answer) throw new Error(answer.complaint);
  return answer.text;
}

describe("help", () => {
  const topics = ["", "all", ...ROWS.map(({ name }) => name)];

  test.each(topics)("%p fits the terminal and ends with a line", (topic) => {
    const lines = textOf(topic).split("\n");
    expect(lines.filter((line) => line.length > HELP_COLUMNS_MAX)).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
    expect(lines.at(-1)).toBe("");
  });

  test("plain help is one screen and holds the common options", () => {
    const text = textOf("");
    expect(text.split("\n").length).toBeLessThan(60);
    expect(text).toContain("  -b, --bind ADDRESS ");
    expect(text).toContain("  -w, --workers N ");
    expect(text).toContain("(127.0.0.1:8000)");
    expect(text).not.toContain("--backlog");
  });

  test("all of it names every option", () => {
    const text = textOf("all");
    for (const { name, spec } of ROWS) {
      if (spec.positional !== true) expect(text).toMatch(new RegExp(`--(\\[no-\\])?${name}\\b`));
    }
  });

  test("one option by name, flag or variable", () => {
    const text = textOf("keep-alive");
    expect(text).toContain("KEELBACK_KEEP_ALIVE");
    expect(text).toContain("uvicorn --timeout-keep-alive");
    expect(textOf("--timeout-keep-alive")).toBe(text);
    expect(textOf("KEELBACK_KEEP_ALIVE")).toBe(text);
    expect(help("keepalive")).toEqual({
      complaint: '--help: there is no option "keepalive"; did you mean keep-alive?',
    });
  });
});

describe("print-config", () => {
  const { config, sources } = good(["-w", "3", "-b", "[::1]:1", "-b", "unix:/s", "-t", "90"], {
    env: { KEELBACK_ENV: "A=1,B=2" },
  });

  test("every setting with its value and where it came from", () => {
    const lines = printConfig(config, sources).split("\n");
    const line = (name: string): string =>
      lines.find((text) => text.startsWith(`  ${name} `)) ?? "";
    for (const { name } of SETTING_ROWS) expect(line(name)).not.toBe("");
    expect(line("workers")).toMatch(/^ {2}workers +3 +-w$/);
    expect(line("bind")).toMatch(/^ {2}bind +\[::1\]:1, unix:\/s +-b$/);
    expect(line("timeout")).toMatch(/ 90s +-t$/);
    expect(line("env")).toMatch(/ A=1, B=2 +KEELBACK_ENV$/);
    expect(line("keep-alive")).toMatch(/ 75s +default$/);
    expect(line("python")).toMatch(/ none +default$/);
  });

  test("as JSON", () => {
    const parsed = JSON.parse(printConfigJson(config, sources)) as Record<string, unknown>;
    expect(Object.keys(parsed)).toEqual(SETTING_ROWS.map(({ name }) => name));
    expect(parsed["timeout"]).toEqual({ value: 90_000, text: "90s", source: "flag", from: "-t" });
  });
});

test("the version is that of package.json", async () => {
  const manifest = (await Bun.file(new URL("../../../package.json", import.meta.url)).json()) as {
    version: string;
  };
  expect(VERSION).toBe(manifest.version);
  expect(versionText()).toStartWith(`keelback ${manifest.version} (`);
});
