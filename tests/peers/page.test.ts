/** docs/peers.md says what these tests show, of the servers that are installed for them. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { repository } from "../support/server.ts";

const page = readFileSync(`${repository}/docs/peers.md`, "utf8");

test("docs/peers.md names the versions that are tested", () => {
  const pins = readFileSync(`${repository}/tools/requirements/peers.txt`, "utf8");
  const versions = new Map(
    [...pins.matchAll(/^(\w+)==([\d.]+?)(?:\.post\d+)?$/gm)].map(([, name, version]) => [
      name!.replace("pyuwsgi", "uwsgi"),
      version!,
    ]),
  );
  const named = /Looked at: ([^]*?),\s+with/.exec(page)?.[1] ?? "";
  const servers = named.split(/,\s+/).map((words) => words.toLowerCase().split(" "));
  expect(servers.map(([name]) => name)).toEqual([
    ...["gunicorn", "uvicorn", "granian", "hypercorn", "uwsgi"],
  ]);
  for (const [name, version] of servers) expect(version).toBe(versions.get(name!));
});

test("docs/peers.md has a row for each complaint that is tested, in its theme", () => {
  const rows: string[] = [];
  const files = readdirSync(import.meta.dir).filter((name) => name.endsWith(".test.ts"));
  for (const file of files.filter((name) => name !== "page.test.ts")) {
    const text = readFileSync(`${import.meta.dir}/${file}`, "utf8");
    const theme = page.slice(page.indexOf(`(\`${file}\`)`)).split("\n| **")[0] ?? "";
    for (const [, title] of text.matchAll(/^describe\("([^"]+)"/gm)) {
      if (!theme.includes(`| ${title} |`)) rows.push(`${file}: ${title}`);
    }
  }
  expect(rows).toEqual([]);
});
