/**
 * The server's own log: lines on stderr, as text or JSON. Writing never blocks and never fails the
 * caller: when nobody reads, the disk is full or the reader is gone, lines are held up to a bound,
 * then dropped, counted, and the count is told as soon as writing works again. Control characters
 * are escaped: a value can neither forge a line nor drive a terminal.
 */
import { writeSync } from "node:fs";
import { inspect } from "node:util";

export type LogLevel = "debug" | "info" | "warning" | "error";
export type LogFormat = "text" | "json";
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;
type Write = (message: string, fields?: LogFields) => void;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A line that somebody else wrote (a worker's output), whatever the level. */
  line(from: string, text: string): void;
  /** Changes which messages are shown from now on. */
  setLevel(level: LogLevel): void;
  /** Whether messages of this level are shown. */
  shows(level: LogLevel): boolean;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warning: 2, error: 3 };
const LABEL: Readonly<Record<LogLevel, string>> = {
  debug: "debug  ",
  info: "info   ",
  warning: "warning",
  error: "error  ",
};

/** A write this long is taken whole or not at all by a pipe (PIPE_BUF). */
const WRITE_BYTES_MAX = 4096;
/** Held for a reader that is slow; beyond it lines are dropped. */
const HELD_CHARS_MAX = 1024 * 1024;
const RETRY_MS = 50;
/** An ISO time without its Z. */
const STAMP_CHARS = 23;

/** Where bytes go. */
export interface LogTarget {
  /** A write of WRITE_BYTES_MAX bytes would not block. */
  ready(): boolean;
  /** Bytes taken; throws what the system said. */
  write(bytes: Uint8Array): number;
}

/** What a log asks of the system. */
export interface LogSystem {
  /** A write to stderr would not block. */
  stderrReady(): boolean;
  /** How far local time is ahead of UTC at a time (milliseconds). */
  localOffsetMs(at: number): number;
}

let system: LogSystem = { stderrReady: () => true, localOffsetMs: () => 0 };

/** Called once, when a process starts; before, logs are in UTC. */
export function connectLogs(to: LogSystem): void {
  system = to;
}

const STDERR: LogTarget = {
  ready: () => system.stderrReady(),
  write: (bytes) => writeSync(2, bytes),
};

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Who speaks: `edge-0`; empty for the supervisor. */
  readonly name?: string;
  readonly target?: LogTarget;
  /** Wall-clock milliseconds; replaced in tests. */
  readonly time?: () => number;
}

export function createLogger(level: LogLevel, format: LogFormat, name: string = ""): Logger {
  return openLogger({ level, format, name });
}

export function openLogger(options: LoggerOptions): Logger {
  const { format, name = "", time = Date.now } = options;
  let { level } = options;
  const output = new Output(options.target ?? STDERR, (count) =>
    render({ level: "warning", name, message: `${count} log lines were dropped`, at: time() }),
  );
  const render = format === "json" ? renderJson : renderText;
  const writer = (of: LogLevel): Write => {
    return (message, fields) => {
      if (RANK[of] < RANK[level]) return;
      output.write(render({ level: of, name, message, at: time(), ...(fields && { fields }) }));
    };
  };
  return {
    debug: writer("debug"),
    info: writer("info"),
    warning: writer("warning"),
    error: writer("error"),
    line: (from, text) => output.write(renderLine(format, from, text, time())),
    setLevel: (to) => {
      level = to;
    },
    shows: (of) => RANK[of] >= RANK[level],
  };
}

interface Entry {
  readonly level: LogLevel;
  readonly name: string;
  readonly message: string;
  readonly at: number;
  readonly fields?: LogFields;
}

/** Further lines of a message (a traceback) stand indented below the first. */
function renderText({ level, name, message, at, fields }: Entry): string {
  const who = name === "" ? "" : `${name}: `;
  const [first = "", ...further] = message.split("\n").map((part) => escapeControls(part));
  const below = further.map((part) => `    ${part}\n`).join("");
  return `${stamp(at)} ${LABEL[level]} ${who}${first}${fieldsText(fields)}\n${below}`;
}

function fieldsText(fields: LogFields | undefined): string {
  let text = "";
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (value === undefined) continue;
    const plain = String(value);
    text += ` ${key}=${/^[\w.:/@%+-]+$/.test(plain) ? plain : JSON.stringify(plain)}`;
  }
  return text === "" ? "" : escapeControls(text);
}

function renderJson({ level, name, message, at, fields }: Entry): string {
  const from = name === "" ? {} : { from: name };
  return `${json({ time: new Date(at).toISOString(), level, ...from, message, ...fields })}\n`;
}

function renderLine(format: LogFormat, from: string, text: string, at: number): string {
  if (format === "text") return `${stamp(at)} ${from} | ${escapeControls(text)}\n`;
  return `${json({ time: new Date(at).toISOString(), from, message: text })}\n`;
}

/** JSON escapes the controls below 0x20 only. */
function json(value: object): string {
  return escapeControls(JSON.stringify(value), "\\u00");
}

/** `2026-11-21 06:39:00.123`, in local time, as a person who watches reads it. */
function stamp(at: number): string {
  const local = new Date(at + system.localOffsetMs(at)).toISOString();
  return local.slice(0, STAMP_CHARS).replace("T", " ");
}

// C0 but the tab, DEL, C1, and the separators that some readers take for line ends.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g;

function escapeControls(text: string, prefix: string = "\\x"): string {
  if (text.search(CONTROLS) < 0) return text;
  return text.replace(CONTROLS, (control) => {
    const code = control.charCodeAt(0);
    const hex = code.toString(16);
    return code > 0xff ? `\\u${hex}` : prefix + hex.padStart(2, "0");
  });
}

/** Any thrown thing as text. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : inspect(error);
}

/** Bytes on their way, and how many lines are lost with them. */
interface Parcel {
  readonly bytes: Uint8Array;
  readonly lines: number;
}

class Output {
  readonly #target: LogTarget;
  readonly #dropNotice: (count: number) => string;
  #held: string[] = [];
  #heldLength = 0;
  /** Begun, or not yet possible. */
  #parcel: Parcel | null = null;
  #dropped = 0;
  #timer: Timer | null = null;

  constructor(target: LogTarget, dropNotice: (count: number) => string) {
    this.#target = target;
    this.#dropNotice = dropNotice;
  }

  write(line: string): void {
    if (this.#heldLength + line.length > HELD_CHARS_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#held.push(line);
    this.#heldLength += line.length;
    if (this.#timer === null) this.#flush();
  }

  #flush(): void {
    this.#timer = null;
    while (this.#parcel !== null || this.#held.length > 0 || this.#dropped > 0) {
      this.#parcel ??= this.#next();
      if (!this.#send(this.#parcel)) return;
    }
  }

  /** The next lines, together not longer than one write where that is possible. */
  #next(): Parcel {
    if (this.#held.length === 0) {
      const lines = this.#dropped;
      this.#dropped = 0;
      return { bytes: Buffer.from(this.#dropNotice(lines)), lines };
    }
    let text = "";
    let lines = 0;
    for (const line of this.#held) {
      if (lines > 0 && text.length + line.length > WRITE_BYTES_MAX) break;
      text += line;
      lines += 1;
    }
    this.#held.splice(0, lines);
    this.#heldLength -= text.length;
    return { bytes: Buffer.from(text), lines };
  }

  /** False: nothing more can be written now. */
  #send({ bytes, lines }: Parcel): boolean {
    if (!this.#target.ready()) return this.#later();
    try {
      const taken = this.#target.write(bytes.subarray(0, WRITE_BYTES_MAX));
      this.#parcel = taken < bytes.length ? { bytes: bytes.subarray(taken), lines } : null;
      return true;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "EAGAIN" || code === "EINTR") return this.#later();
      // A full disk, a reader that is gone: what is held now is lost, what comes next may not be.
      this.#dropped += lines + this.#held.length;
      this.#parcel = null;
      this.#held = [];
      this.#heldLength = 0;
      return false;
    }
  }

  #later(): false {
    this.#timer = setTimeout(() => this.#flush(), RETRY_MS);
    this.#timer.unref();
    return false;
  }
}
