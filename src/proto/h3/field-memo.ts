/**
 * The fields of the request before, in their order, but for its path: clients repeat themselves, and what means the same need not be read
 * again. Of whatever client it was.
 */
import type { FieldTable } from "./request-head.ts";

const PATH = ":path";

export class FieldMemo {
  readonly #names: string[] = [];
  readonly #values: FieldTable[string][] = [];
  #known = false;

  forget(): void {
    this.#known = false;
  }

  keep(fields: FieldTable): void {
    this.#names.length = this.#values.length = 0;
    for (const name in fields) {
      this.#names.push(name);
      this.#values.push(name === PATH ? "" : fields[name]);
    }
    this.#known = true;
  }

  /** Are these the fields that were kept? Never when there are several values of one name. */
  repeats(fields: FieldTable): boolean {
    if (!this.#known) return false;
    const names = this.#names;
    let at = 0;
    for (const name in fields) {
      if (names[at] !== name) return false;
      if (name !== PATH && this.#values[at] !== fields[name]) return false;
      at += 1;
    }
    return at === names.length;
  }
}
