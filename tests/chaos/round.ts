/**
 * A round through every kind of fault, once each, in an order by the seed; in parts, each on a server of another shape. `make test` runs
 * all parts of one.
 */
import { FAULTS } from "./faults.ts";
import { randomOf, type Shape } from "./shape.ts";

export interface Part {
  readonly shape: Shape;
  readonly names: readonly string[];
}

export const SHAPES: readonly Shape[] = [
  { app: "asgi", edges: 1, tls: false, unix: true },
  { app: "wsgi", edges: 2, tls: false, unix: false },
  { app: "asgi", edges: 2, tls: true, unix: true },
];

/** The part `number` of them, from 1 on. */
export function partOf(seed: number, number: number): Part {
  const shape = SHAPES[number - 1];
  if (shape === undefined) throw new Error(`there are parts 1 to ${SHAPES.length}`);
  const names = shuffled(Object.keys(FAULTS), randomOf(seed));
  return { shape, names: names.filter((_, at) => at % SHAPES.length === number - 1) };
}

export function shuffled<T>(from: readonly T[], random: () => number): T[] {
  const to = [...from];
  for (let left = to.length; left > 1; left--) {
    const at = Math.floor(random() * left);
    [to[at], to[left - 1]] = [to[left - 1]!, to[at]!];
  }
  return to;
}
