/** HTTP/2 connections with something to write in this round of the event loop. */

export interface Flushable {
  flush(): void;
}

let dirty: Flushable[] = [];

export function flushLater(connection: Flushable): void {
  if (dirty.push(connection) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const connections = dirty;
  dirty = [];
  for (const connection of connections) connection.flush();
}
