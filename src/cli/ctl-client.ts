/** The client's side of the control socket: one question, one answer. */
import type { CtlAnswer } from "../supervisor/ctl/ctl-server.ts";

export type Answer = CtlAnswer;

/** `untilGone`: resolves only when the server is gone, after it has agreed. */
export async function askServer(
  path: string,
  question: object,
  untilGone: boolean = false,
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
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
          if (!untilGone || !answer.ok) socket.end();
        },
        close: () => resolve(answer ?? broken("the server ended before it answered")),
        error: (_, error) => resolve(broken(error.message)),
      },
    });
  } catch (error) {
    return notConnected(path, error);
  }
  return promise;
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
