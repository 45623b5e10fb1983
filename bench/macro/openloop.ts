/** What the open-loop load generator is told and answers: that of every comparison. */
export type { OpenLoopSpec, StreamResult, StreamSpec } from "../../src/compare/load/http-load.ts";
