/** What became of requests at a pool, for metrics and for the number of workers. Only grows. */
export class DispatchCounts {
  /** Given to a worker. */
  dispatched = 0;
  /** Had to wait for one. */
  queued = 0;
  /** How long these waited, all together. */
  waitedMs = 0;
  returned = 0;
  retried = 0;
  lost = 0;
}
