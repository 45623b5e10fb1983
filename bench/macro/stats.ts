/** The few statistics that the bars need: those of every comparison. */
export { median, quantile } from "../../src/compare/statistics.ts";
