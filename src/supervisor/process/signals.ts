/**
 * Signals, as data. What is not listed keeps its default meaning; signals that other servers use
 * are accepted without effect, as dying from them would be the worst answer.
 */

export type SignalMeaning =
  | "stop"
  | "quit"
  | "reload"
  | "reopen-logs"
  | "upgrade"
  | "rest-workers"
  | "more-workers"
  | "fewer-workers"
  | "continued"
  | "ignore"
  | "reap";

export const SIGNALS: Readonly<Partial<Record<NodeJS.Signals, SignalMeaning>>> = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGQUIT: "quit",
  SIGHUP: "reload",
  SIGUSR1: "reopen-logs",
  SIGUSR2: "upgrade",
  SIGWINCH: "rest-workers",
  SIGTTIN: "more-workers",
  SIGTTOU: "fewer-workers",
  SIGCONT: "continued",
  SIGPIPE: "ignore",
};

/** Only the first process of a container inherits other people's children. */
const REAPING: Readonly<Partial<Record<NodeJS.Signals, SignalMeaning>>> = { SIGCHLD: "reap" };

export function listenForSignals(
  handle: (meaning: SignalMeaning, signal: NodeJS.Signals) => void,
): () => void {
  const table = process.pid === 1 ? { ...SIGNALS, ...REAPING } : SIGNALS;
  const handlers = Object.entries(table).map(([name, meaning]) => {
    const signal = name as NodeJS.Signals;
    const handler = (): void => handle(meaning, signal);
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
