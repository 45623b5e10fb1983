/** What kind of server a run breaks: by the seed, so that a seed that fails breaks the same one again. */

export interface Shape {
  readonly app: "asgi" | "wsgi";
  readonly edges: number;
  /** HTTP/2 is agreed on by ALPN then; without it clients begin with it (prior knowledge). */
  readonly tls: boolean;
  /** Beside the TCP socket. */
  readonly unix: boolean;
}

export const PLAIN: Shape = { app: "asgi", edges: 1, tls: false, unix: false };

/** One of all of them. */
export function shapeOf(random: () => number): Shape {
  const app = random() < 0.5 ? "asgi" : "wsgi";
  const edges = random() < 0.5 ? 1 : 2;
  return { app, edges, tls: random() < 0.5, unix: random() < 0.5 };
}

export function shapeText({ app, edges, tls, unix }: Shape): string {
  const sockets = `${tls ? "TLS" : "plain TCP"}${unix ? " and a unix socket" : ""}`;
  return `${app}, ${edges} ${edges === 1 ? "edge" : "edges"}, ${sockets}`;
}

/** Mulberry32: the same seed, the same chaos. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
