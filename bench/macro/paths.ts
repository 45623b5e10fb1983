/** Where the bars find things. */
export const root: string = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** The environment of the peers. */
export const venv: string = `${root}/.cache/bench-venv`;
export const python: string = `${venv}/bin/python`;
/** The load client of bench/macro/clients. */
export const client: string = `${root}/.cache/go/bin/load`;
