/**
 * Reads what a Python source file defines at its top level, without running it: one pass that knows
 * strings, comments and brackets, so that text in a docstring or an argument list is never taken
 * for a definition. Pure.
 */

/**
 * A top-level logical line: comments removed, what stands in strings kept, line breaks in brackets
 * joined.
 */
export function topLevelStatements(source: string): string[] {
  const statements: string[] = [];
  let statement = "";
  let depth = 0;
  const finish = (): void => {
    // Indented lines belong to a block; the blocks' heads are statements themselves.
    if (statement.trim() !== "" && !/^\s/.test(statement)) statements.push(statement.trimEnd());
    statement = "";
  };
  let at = source.startsWith("\uFEFF") ? 1 : 0;
  while (at < source.length) {
    const char = source[at] ?? "";
    if (char === "#") {
      at = endOfLine(source, at);
    } else if (char === '"' || char === "'") {
      const end = endOfString(source, at);
      statement += source.slice(at, end);
      at = end;
    } else if (char === "\\" && /^\\\r?\n/.test(source.slice(at, at + 3))) {
      at = endOfLine(source, at) + 1;
      statement += " ";
    } else if (char === "\n" || char === "\r") {
      if (depth === 0) finish();
      else statement += " ";
      at += 1;
    } else {
      if ("([{".includes(char)) depth += 1;
      if (")]}".includes(char)) depth = Math.max(0, depth - 1);
      if (char === ";" && depth === 0 && !/^\s/.test(statement)) {
        finish();
        at += 1;
        while (source[at] === " ") at += 1;
        continue;
      }
      statement += char;
      at += 1;
    }
  }
  finish();
  return statements;
}

function endOfLine(source: string, at: number): number {
  const end = source.indexOf("\n", at);
  return end === -1 ? source.length : end;
}

/** The index after a string literal that begins at `at`; an unfinished one ends with its line. */
function endOfString(source: string, at: number): number {
  const quote = source[at] ?? "";
  const triple = source.startsWith(quote.repeat(3), at);
  const mark = triple ? quote.repeat(3) : quote;
  let index = at + mark.length;
  while (index < source.length) {
    if (source[index] === "\\") {
      index += 2;
    } else if (source.startsWith(mark, index)) {
      return index + mark.length;
    } else if (!triple && source[index] === "\n") {
      return index;
    } else {
      index += 1;
    }
  }
  return source.length;
}

export interface Definition {
  readonly kind: "value" | "function";
  /** For a function: it can be called without arguments. */
  readonly callable: boolean;
  /** For a value that is assigned: the text of the expression. */
  readonly expression: string;
}

const VALUE: Definition = { kind: "value", callable: false, expression: "" };

/** How a name is defined at the top level (the last definition counts), or null. */
export function definitionOf(name: string, statements: readonly string[]): Definition | null {
  for (const statement of statements.toReversed()) {
    const found = definedBy(name, statement);
    if (found !== null) return found;
  }
  return null;
}

function definedBy(name: string, statement: string): Definition | null {
  const def = /^(?:async\s+)?def\s+([^\s(]+)\s*(?:\[[^\]]*\]\s*)?\((.*)$/s.exec(statement);
  if (def !== null) {
    if (def[1] !== name) return null;
    return { kind: "function", callable: takesNothing(def[2] ?? ""), expression: "" };
  }
  if (/^class\s/.test(statement)) {
    return /^class\s+([^\s(:]+)/.exec(statement)?.[1] === name ? VALUE : null;
  }
  if (/^(?:from|import)\s/.test(statement))
    return importedNames(statement).includes(name) ? VALUE : null;
  const expression = assignedTo(name, statement);
  return expression === null ? null : { ...VALUE, expression };
}

/** `a = b = 1`, `a: T = 1`: the expression that is assigned to the name. */
function assignedTo(name: string, statement: string): string | null {
  const annotated = /^([^\s=:([,.]+)\s*:[^=]*=(?!=)\s*(.*)$/s.exec(statement);
  if (annotated !== null && annotated[1] === name) return annotated[2] ?? "";
  let rest = statement;
  let found = false;
  for (;;) {
    const target = /^([^\s=:([,.!<>+*/%&|^@-]+)\s*=(?!=)\s*(.*)$/s.exec(rest);
    if (target === null) return found ? rest : null;
    found ||= target[1] === name;
    rest = target[2] ?? "";
  }
}

function importedNames(statement: string): string[] {
  const list =
    /^from\s+\S+\s+import\s+(.*)$/s.exec(statement)?.[1] ?? statement.replace(/^import\s+/, "");
  return list
    .replace(/[()]/g, "")
    .split(",")
    .map((item) => /^\s*(\S+)(?:\s+as\s+(\S+))?\s*$/.exec(item))
    .flatMap((match) => (match === null ? [] : [match[2] ?? match[1] ?? ""]));
}

/** The modules of `from X import *`. */
export function starImports(statements: readonly string[]): string[] {
  return statements.flatMap((statement) => {
    const module = /^from\s+(\S+)\s+import\s*\(?\s*\*/.exec(statement)?.[1];
    return module === undefined ? [] : [module];
  });
}

/**
 * Can a function with these parameters (text after the opening bracket) be called without
 * arguments?
 */
function takesNothing(text: string): boolean {
  let depth = 0;
  let parameter = "";
  for (const char of text) {
    if (depth === 0 && (char === "," || char === ")")) {
      const plain = parameter.trim();
      if (plain !== "" && !plain.includes("=") && !/^[*/]/.test(plain)) return false;
      if (char === ")") return true;
      parameter = "";
      continue;
    }
    if ("([{".includes(char)) depth += 1;
    if (")]}".includes(char)) depth -= 1;
    parameter += char;
  }
  return false;
}

/** The text of a string literal, when the expression is nothing else. */
export function stringValue(expression: string): string | null {
  const match = /^[rRbBuU]?(["'])([^"'\\]*)\1$/.exec(expression.trim());
  return match?.[2] ?? null;
}
