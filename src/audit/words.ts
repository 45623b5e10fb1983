/** Figures as a person reads them. Pure. */
import type { Frame, Spot } from "./types.ts";

/** `48 ms`, `0.31 ms`, `1.2 s`. */
export function time(ms: number): string {
  if (ms >= 10_000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 10) return `${Math.round(ms)} ms`;
  return ms >= 1 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`;
}

export function size(bytes: number): string {
  if (bytes >= 1024 * 1024) return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return bytes >= 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${Math.round(bytes)} B`;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${number0(count)} ${count === 1 ? one : many}`;
}

function number0(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function place({ file, line }: Frame): string {
  return `${shortFile(file)}:${line}`;
}

/** `in time.sleep(0.048) at app.py:31`, or with the library's frame where the time goes. */
export function where(spot: Spot): string {
  const { at, within } = spot;
  const what = at.code === "" ? at.function : called(at.code);
  const deep = within === null ? "" : ` (${within.function}, ${shortFile(within.file)})`;
  return `in ${what} at ${place(at)}${deep}`;
}

/** Of `x = await client.get(url)` what matters: `client.get(url)`. */
function called(code: string): string {
  const call = code
    .replace(/^(?:if|elif|while|for|with|try|else)\b.*?:\s+(?=[\w(]+.*\()/, "")
    .replace(/^(?:return|yield|raise|with|for .* in|if|while)\s+/, "")
    .replace(/^[\w.,\s[\]"']+?\s*(?::[^=]+)?=\s*(?!=)/, "")
    .replace(/^await\s+/, "")
    .replace(/:$/, "");
  return call.length > 60 ? `${call.slice(0, 57)}...` : call;
}

function shortFile(file: string): string {
  const inside = /.*(?:site-packages|dist-packages|python3\.\d+)\/(.*)$/.exec(file)?.[1];
  return inside ?? file;
}
