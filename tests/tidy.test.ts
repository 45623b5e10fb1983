/**
 * The rules of the repository that no linter knows: which folder may import which, sizes, banned calls, files that
 * nobody needs, and that every guarantee of docs/behavior.md has a test of its name. Exceptions are listed in
 * tidy-exceptions.json; one that is no longer needed fails too, so that the list only shrinks.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { Glob } from "bun";
import exceptions from "./tidy-exceptions.json";

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const FILE_LINES_MAX = 400;
const CODE_COLUMNS_MAX = 100;
const COMMENT_COLUMNS_MAX = 140;
const FILE_BYTES_MAX = 256 * 1024;

/** docs/architecture.md, "Layers". A folder imports itself and folders of a lower level. */
const LEVELS: Record<string, number> = {
  core: 0,
  proto: 1,
  wire: 1,
  config: 1,
  net: 2,
  observe: 2,
  exchange: 2,
  edge: 3,
  dispatch: 3,
  static: 3,
  supervisor: 4,
  simulate: 4,
  compare: 4,
  audit: 5,
  cli: 6,
};

/** Folders whose code takes the time from outside. */
const CLOCKLESS = ["core", "proto", "wire"];

interface Source {
  path: string;
  text: string;
  lines: string[];
}

function list(pattern: string): string[] {
  const ignored = /(^|\/)(node_modules|__pycache__|staticfiles|coverage|results|\.(?!ci\/)[^/]+)\//;
  return [...new Glob(pattern).scanSync({ cwd: root, dot: true })]
    .filter((path) => !ignored.test(path))
    .sort();
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  return { path, text, lines: text.split("\n") };
}

const typescript = ["src", "tests", "tools", "bench"]
  .flatMap((folder) => list(`${folder}/**/*.ts`))
  .map(read);
const python = ["python", "tests", "examples", "bench"]
  .flatMap((folder) => list(`${folder}/**/*.py`))
  .map(read);
const src = typescript.filter((file) => file.path.startsWith("src/"));
const tests = typescript.filter((file) => file.path.endsWith(".test.ts"));

/** Paths of the repository's files that this one imports. */
function importsOf(file: Source): string[] {
  const specifiers = file.text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
  return [...specifiers].map(([, to = ""]) => normalize(join(dirname(file.path), to)));
}

/** `path:line: text` of each line that matches. */
function find(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [],
    ),
  );
}

/** Code only: comments and the contents of strings become blanks. */
function codeOf(file: Source): Source {
  const text = file.text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|`[^`]*`/g,
    (found) => found.replaceAll(/[^\n]/g, " "),
  );
  return { path: file.path, text, lines: text.split("\n") };
}

describe("layers", () => {
  test("an import goes to the same folder or to a lower level", () => {
    const wrong: string[] = [];
    for (const file of src) {
      const folder = file.path.split("/")[1] ?? "";
      if (folder.endsWith(".ts")) continue;
      const level = LEVELS[folder];
      if (level === undefined) {
        wrong.push(`${file.path}: its folder has no level`);
        continue;
      }
      for (const to of importsOf(file)) {
        const target = to.split("/")[1] ?? "";
        if (target === folder) continue;
        if (to === "package.json") continue;
        const below = to.startsWith("src/") ? LEVELS[target] : undefined;
        if (below === undefined || below >= level) wrong.push(`${file.path} imports ${to}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("the engines import nothing of Node or Bun", () => {
    const engines = src.filter((file) => /^src\/(core|proto|wire)\//.test(file.path));
    expect(find(engines, /from "(node:|bun)/)).toEqual([]);
  });

  test("the Python package imports the standard library only", () => {
    const script = [
      "import ast, pathlib, sys",
      "known = set(sys.stdlib_module_names) | {'keelback'}",
      "optional = {'uvloop'}",
      "for path in sorted(pathlib.Path('python/keelback').rglob('*.py')):",
      "    for node in ast.walk(ast.parse(path.read_text())):",
      "        names = []",
      "        if isinstance(node, ast.Import): names = [a.name for a in node.names]",
      "        elif isinstance(node, ast.ImportFrom) and not node.level: names = [node.module]",
      "        for name in names:",
      "            top = name.split('.')[0]",
      "            if top not in known and not (top in optional and node.col_offset > 0):",
      "                print(f'{path}:{node.lineno}: {name}')",
    ].join("\n");
    const interpreter = `${root}/.venv/bin/python`;
    const command = existsSync(interpreter) ? interpreter : "python3";
    const done = Bun.spawnSync([command, "-c", script], { cwd: root });
    expect(done.stderr.toString()).toBe("");
    expect(done.stdout.toString()).toBe("");
  });
});

describe("sizes", () => {
  test("no file is longer than 400 lines, tables and listed exceptions aside", () => {
    const allowed: Record<string, number | undefined> = exceptions.longFiles;
    const tooLong = [...typescript, ...python]
      .map(({ path, lines }) => ({ path, count: lines.length - 1 }))
      .filter(({ path, count }) => count > (allowed[path] ?? FILE_LINES_MAX));
    expect(tooLong).toEqual([]);
  });

  test("an exception for a long file is needed and is as small as can be", () => {
    const stale = Object.entries(exceptions.longFiles).filter(([path]) => {
      if (!existsSync(join(root, path))) return true;
      return read(path).lines.length - 1 <= FILE_LINES_MAX;
    });
    expect(stale).toEqual([]);
  });

  test("no line of code is wider than 100 columns, no comment than 140", () => {
    const written = [...typescript, ...python].filter(({ path }) => !path.includes("/migrations/"));
    const wide = written.flatMap(({ path, lines }) =>
      lines.flatMap((line, index) =>
        widthOf(line) <= columnsMax(line) ? [] : [`${path}:${index + 1}: ${widthOf(line)} columns`],
      ),
    );
    expect(wide).toEqual([]);
  });

  test("no file is a large blob", () => {
    const allowed: Record<string, number | undefined> = exceptions.binaryFiles;
    const large = list("**/*").filter(
      (path) => statSync(join(root, path)).size > (allowed[path] ?? FILE_BYTES_MAX),
    );
    expect(large).toEqual([]);
  });
});

function isComment(line: string): boolean {
  return /^\s*(\*|\/\/|\/\*|#)/.test(line);
}

function columnsMax(line: string): number {
  return isComment(line) ? COMMENT_COLUMNS_MAX : CODE_COLUMNS_MAX;
}

/** The formatters can't break a long string, so what is inside one does not count. */
function widthOf(line: string): number {
  if (isComment(line) || line.length <= CODE_COLUMNS_MAX) return line.length;
  return line.replaceAll(/"(?:[^"\\]|\\.)*"|`[^`]*`|\/\*.*\*\/|\/\/.*$/g, '""').length;
}

describe("banned", () => {
  test("process.exit is called in main.ts only", () => {
    const files = src.filter((file) => file.path !== "src/main.ts").map(codeOf);
    expect(find(files, /\bprocess\.exit\(/)).toEqual([]);
  });

  test("the engines read no clock and set no timer", () => {
    const files = src
      .filter((file) => CLOCKLESS.includes(file.path.split("/")[1] ?? ""))
      .filter((file) => file.path !== "src/core/clock.ts")
      .map(codeOf);
    expect(find(files, /\b(Date\.now|performance\.now|setTimeout|setInterval|new Date)\b/)).toEqual(
      [],
    );
  });

  test("src prints through the log only", () => {
    expect(find(src.map(codeOf), /\bconsole\./)).toEqual([]);
  });

  test("tests do not sleep", () => {
    const waits =
      /(Bun\.sleep|new Promise\([^)]*\) ?=> ?setTimeout|setTimeout\(resolve|time\.sleep)/;
    const here = (file: Source): boolean => !file.path.endsWith("tidy.test.ts");
    expect(find(tests.filter(here).map(codeOf), waits)).toEqual([]);
    const inPython = python.filter((file) => /^tests\/.*test_[^/]*\.py$/.test(file.path));
    expect(find(inPython, /^(?!.*# the app blocks).*\btime\.sleep\(/)).toEqual([]);
  });

  test("no test is singled out", () => {
    expect(find(tests.map(codeOf), /\b(test|it|describe)\.only\b/)).toEqual([]);
  });

  test("no mark of unfinished work", () => {
    const marks = /\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/;
    expect(find([...typescript, ...python], marks)).toEqual([]);
  });

  test("no suppression without a reason", () => {
    const bare = /(@ts-(ignore|nocheck)|@ts-expect-error\s*$|oxlint-disable(?!.*--))/;
    expect(find(src, bare)).toEqual([]);
    expect(find(python, /# (type: ignore|noqa|pyright: ignore)(?!\[|: ?[A-Z])/)).toEqual([]);
  });
});

describe("files", () => {
  test("every file of tests is imported by another, started by one, or is a test", () => {
    const entries = [/^(src|tools|bench)\//, /\.test\.ts$/];
    const imported = new Set(typescript.flatMap(importsOf));
    const spawned = typescript.map((file) => file.text).join("\n");
    const unused = typescript
      .map((file) => file.path)
      .filter((path) => !imported.has(path) && !entries.some((entry) => entry.test(path)))
      .filter((path) => !spawned.includes(`/${path.split("/").at(-1)}`));
    expect(unused).toEqual([]);
  });

  test("src is imported by src, not only by tests", () => {
    const imported = new Set(src.flatMap(importsOf));
    const unused = src
      .map((file) => file.path)
      .filter((path) => path !== "src/main.ts" && !imported.has(path));
    expect(unused).toEqual([]);
  });

  test("every source file opens by saying its job", () => {
    const silent = [...src, ...typescript.filter((file) => /^(tools|bench)\//.test(file.path))]
      .filter((file) => !/^(#!.*\n)?\/(\*|\/)/.test(file.text))
      .map((file) => file.path);
    expect(silent).toEqual([]);
    const quiet = python
      .filter((file) => file.path.startsWith("python/") && !file.path.endsWith("__init__.py"))
      .filter((file) => !/^(#!.*\n)?"""/.test(file.text))
      .map((file) => file.path);
    expect(quiet).toEqual([]);
  });

  test("only kinds of files we know", () => {
    const known = new Set([
      ...[".ts", ".py", ".pyi", ".typed", ".md", ".json", ".toml", ".txt", ".in", ".html"],
      ...[".css", ".http", ".sh", ".yml", ".yaml", ".svg", ".png", ".sqlite3", ".ini"],
      ...[".go", ".mod", ".sum"],
    ]);
    const strange = list("{src,python,tests,tools,bench,examples,docs}/**/*").filter((path) => {
      const name = path.split("/").at(-1) ?? "";
      return !name.startsWith(".") && !known.has(extname(name));
    });
    expect(strange).toEqual([]);
  });
});

describe("documents", () => {
  test.skipIf(!existsSync(`${root}/docs/behavior.md`))(
    "each guarantee of docs/behavior.md has a test of its name",
    () => {
      const page = readFileSync(`${root}/docs/behavior.md`, "utf8");
      const headings = [...page.matchAll(/^#{2,} (.+)$/gm)].map(([, heading = ""]) =>
        heading.trim(),
      );
      const everything = [...tests, ...python.filter((file) => file.path.startsWith("tests/"))]
        .map((file) => file.text.toLowerCase())
        .join("\n");
      const untested = headings.filter((heading) => {
        const plain = heading.toLowerCase().replaceAll("`", "");
        const snake = `test_${plain.replaceAll(/[^a-z0-9]+/g, "_")}`;
        return !everything.includes(plain) && !everything.includes(snake);
      });
      expect(headings.length).toBeGreaterThan(0);
      expect(untested).toEqual([]);
    },
  );

  test("links between the documents lead somewhere", () => {
    const broken = list("**/*.md").flatMap((path) => {
      const targets = [...read(path).text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)];
      return targets
        .map(([, to = ""]) => join(dirname(path), to))
        .filter((to) => !existsSync(join(root, to)))
        .map((to) => `${path}: ${to}`);
    });
    expect(broken).toEqual([]);
  });
});
