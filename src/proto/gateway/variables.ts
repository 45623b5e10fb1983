/**
 * The variables of one request. Web servers make one of each header line (`HTTP_X_FOO`), and of each repeated line another one; the others
 * come from their configuration, which may name one twice: a file of parameters that is included twice, or one that a later line
 * overrides (nginx: `include fastcgi_params; fastcgi_param SCRIPT_NAME "";`).
 */
import { GatewayError } from "./events.ts";

/** How long the body is must not depend on who reads it. */
const LENGTH = "CONTENT_LENGTH";
/** Of the client's headers the one that files of parameters set, too. */
const HOST = "HTTP_HOST";

export class Variables {
  readonly #fields: (readonly [string, string])[] = [];
  /** The first line of each header, and the last value of each other variable. */
  readonly #values = new Map<string, string>();
  readonly #repeated = new Set<string>();

  /** Throws GatewayError: there are two lengths of the body. */
  add(name: string, value: string): void {
    const before = this.#values.get(name);
    if (!isField(name)) {
      if (name === LENGTH && before !== undefined && before !== value) {
        throw new GatewayError(`the variable ${LENGTH} came with two values`);
      }
      this.#values.set(name, value);
      return;
    }
    if (before === undefined) this.#values.set(name, value);
    else if (name === HOST && before === value) return;
    else this.#repeated.add(name);
    this.#fields.push([name, value]);
  }

  /** Names and values as latin1 text; those of header lines may repeat, in the order they came. */
  get pairs(): (readonly [string, string])[] {
    return [...[...this.#values].filter(([name]) => !isField(name)), ...this.#fields];
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The value, the first one of a repeated header; empty when there is none. */
  get(name: string): string {
    return this.#values.get(name) ?? "";
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
