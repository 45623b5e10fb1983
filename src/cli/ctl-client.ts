/** The client's side of the control socket: one question, one answer. */
import { listenerAt } from "../net/socket-link.ts";
import type { CtlAnswer } from "../supervisor/ctl/ctl-server.ts";

/** `silent`: somebody listens there, who said nothing in time. */
export type Answer = CtlAnswer & { readonly silent?: true };

/** A server asks its edges for their figures, and waits a second for them. */
const ANSWER_MS = 5000;

/** How long an answer may take. */
export type Patience =
  | "prompt"
  /** As long as the work does. */
  | "patient"
  /** Until the server is gone, after it has agreed. */
  | "until-gone";

export async function askServer(
  path: string,
  question: object,
  patience: Patience = "prompt",
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const late = (): void => resolve(silent(listenerAt(path) ?? 0));
  const timer = patience === "prompt" ? setTimeout(late, ANSWER_MS) : undefined;
  let received = "";
  let answer: Answer | null = null;
  const decoder = new TextDecoder();
  try {
    await Bun.connect({
      unix: path,
      socket: {
        open: (socket) => void socket.write(`${JSON.stringify(question)}\n`),
        data: (socket, chunk) => {
          received += decoder.decode(chunk, { stream: true });
          const end = received.indexOf("\n");
          if (answer !== null || end < 0) return;
          answer = parse(received.slice(0, end));
          if (patience !== "until-gone" || !answer.ok) socket.end();
        },
        close: () => resolve(answer ?? broken("the server ended before it answered")),
        error: (_, error) => resolve(broken(error.message)),
      },
    });
    return await promise;
  } catch (error) {
    return notConnected(path, error);
  } finally {
    clearTimeout(timer);
  }
}

/** `pid`: who listens; 0: not known. */
export function silent(pid: number): Answer & { ok: false } {
  const who = pid === 0 ? "the server" : `the server (pid ${pid})`;
  const hint = `is it stopped? kill -CONT ${pid === 0 ? "PID" : pid} has it go on`;
  return { ok: false, error: `${who} does not answer`, hint, silent: true };
}

function parse(line: string): Answer {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && "ok" in value) return value as Answer;
  } catch {
    // No JSON: said below.
  }
  return broken("what it answered is not of this protocol");
}

function broken(error: string): Answer {
  return { ok: false, error };
}

function notConnected(path: string, error: unknown): Answer {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT":
      return {
        ok: false,
        error: `there is no socket ${path}`,
        hint: "the server is gone, or never was",
      };
    case "ECONNREFUSED":
      return { ok: false, error: `no server listens at ${path} any more` };
    case "EACCES":
    case "EPERM": {
      const hint = "ask as the user who runs the server, or as root";
      return { ok: false, error: `no permission to use ${path}`, hint };
    }
    default:
      return { ok: false, error: `${path}: ${error instanceof Error ? error.message : code}` };
  }
}
