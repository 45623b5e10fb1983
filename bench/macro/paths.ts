/**
 * Where the harness finds things.
 */

export const root: string = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** The environment of the peers. */
export const venv: string = `${root}/.cache/bench-venv`;
