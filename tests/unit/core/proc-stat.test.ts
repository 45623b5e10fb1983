import { expect, test } from "bun:test";
import { statFields } from "../../../src/core/proc-stat.ts";

test("the state comes first, whatever the name holds", () => {
  expect(statFields("17 (a) S (b c) Z 3 17").slice(0, 2)).toEqual(["Z", "3"]);
});
