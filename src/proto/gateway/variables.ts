/**
 * The variables of one request. Web servers make one of each header line (`HTTP_X_FOO`), and of each repeated line another one; the others
 * come from their configuration, which may name one twice (nginx: a file of parameters that is included twice).
 */
import { GatewayError } from "./events.ts";

export class Variables {
  /** Names and values as latin1 text, in the order they came; only those of header lines may repeat. */
  readonly pairs: (readonly [string, string])[] = [];
  readonly #first = new Map<string, string>();
  readonly #repeated = new Set<string>();

  /** Throws GatewayError: which of two values counts, nobody can tell. */
  add(name: string, value: string): void {
    const before = this.#first.get(name);
    if (before === undefined) this.#first.set(name, value);
    else if (isField(name)) this.#repeated.add(name);
    else if (before === value) return;
    else throw new GatewayError(`the variable ${JSON.stringify(name)} came with two values`);
    this.pairs.push([name, value]);
  }

  has(name: string): boolean {
    return this.#first.has(name);
  }

  /** The value, the first one of a repeated header; empty when there is none. */
  get(name: string): string {
    return this.#first.get(name) ?? "";
  }

  /** There are several header lines of this name. */
  repeats(name: string): boolean {
    return this.#repeated.has(name);
  }
}

/** Is it a header line of the client's? */
export function isField(name: string): boolean {
  return name.startsWith("HTTP_");
}
