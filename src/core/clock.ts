/** Time as the edge and the supervisor see it: milliseconds that never go back, whatever the wall clock does. */
export interface Clock {
  readonly now: () => number;
}

export const monotonic: Clock = { now: () => performance.now() };
