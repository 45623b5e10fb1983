/**
 * log.sock: what the app prints, line by line into the server's log under the worker's name. Always
 * read, so that no app waits for a log; the log itself drops what nobody takes.
 */
import type { Logger } from "../../observe/log.ts";
import { LineBuffer } from "./lines.ts";

/** A longer line comes in pieces. */
const LINE_BYTES_MAX = 16 * 1024;
const NAME_CHARS_MAX = 64;

interface Writer {
  readonly lines: LineBuffer;
  name: string | null;
}

/** Hears each line as it comes. */
export type Tap = (name: string, line: string) => void;

export function serveOutput(path: string, log: Logger, tap: Tap = () => {}): { close(): void } {
  const take = (writer: Writer, lines: readonly string[]): void => {
    for (const line of lines) {
      if (writer.name === null) writer.name = line.slice(0, NAME_CHARS_MAX);
      else {
        log.line(writer.name, line);
        tap(writer.name, line);
      }
    }
  };
  const server = Bun.listen<Writer>({
    unix: path,
    socket: {
      open: (socket) => {
        socket.data = { lines: new LineBuffer(LINE_BYTES_MAX), name: null };
      },
      data: (socket, chunk) => take(socket.data, socket.data.lines.push(chunk)),
      close: (socket) => take(socket.data, socket.data.lines.rest()),
      error: (socket) => {
        socket.terminate();
      },
    },
  });
  return { close: () => server.stop(true) };
}

/** Lines of a pipe until its end. */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  const lines = new LineBuffer(LINE_BYTES_MAX);
  try {
    for await (const chunk of stream) for (const line of lines.push(chunk)) take(line);
  } catch {
    // The process is gone; what came is shown.
  }
  for (const line of lines.rest()) take(line);
}
