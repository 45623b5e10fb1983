import { describe, expect, test } from "bun:test";
import type { Answer, Testimony } from "../../../src/compare/probe.ts";
import { isRight, referenceOf } from "../../../src/compare/probe.ts";
import { get } from "../../../src/compare/scenarios.ts";

function answer(text: string, status = 200): Answer {
  return { status, body: Buffer.from(text), keepsAlive: true, contentType: "text/plain" };
}

function said(server: string, first: Answer, second: Answer = first): Testimony {
  return { server, answers: [first, second] };
}

describe("the reference", () => {
  test("is what most servers say, and the one that says something else is flagged", () => {
    const liar = said("liar", answer("hullo"));
    const all = [said("a", answer("hello")), liar, said("b", answer("hello"))];
    const reference = referenceOf(get("/"), all);
    expect(reference.compared).toBe("in full");
    expect([...reference.wrong.keys()]).toEqual(["liar"]);
    expect(isRight(answer("hello"), reference.check)).toBe(true);
    expect(isRight(answer("hullo"), reference.check)).toBe(false);
  });

  test("numbers in a page may differ: process ids, counters, times", () => {
    const page = (worker: number, visits: number): Answer =>
      answer(`<p>worker ${worker}, visit ${visits}</p>`);
    const all = [said("a", page(17, 1), page(17, 2)), said("b", page(4711, 1), page(4712, 1))];
    const reference = referenceOf(get("/"), all);
    expect(reference.compared).toBe("without numbers");
    expect(reference.wrong.size).toBe(0);
    expect(isRight(page(1, 99), reference.check)).toBe(true);
    expect(isRight(answer("<p>sorry</p>"), reference.check)).toBe(false);
  });

  test("a page that differs each time is judged by its status", () => {
    const all = [said("a", answer("qx"), answer("zy")), said("b", answer("lm"), answer("no"))];
    const reference = referenceOf(get("/"), all);
    expect(reference.compared).toBe("by status only");
    expect(isRight(answer("anything"), reference.check)).toBe(true);
    expect(isRight(answer("anything", 500), reference.check)).toBe(false);
  });

  test("another status than the others' is flagged, and a status that is expected decides", () => {
    const all = [said("a", answer("x")), said("b", answer("x", 404)), said("c", answer("x"))];
    expect([...referenceOf(get("/"), all).wrong.keys()]).toEqual(["b"]);
    const expecting = { ...get("/"), expect: { status: 404 } };
    expect([...referenceOf(expecting, all).wrong.keys()]).toEqual(["a", "c"]);
  });

  test("a body that is expected decides, whatever most say", () => {
    const all = [said("a", answer("no")), said("b", answer("no")), said("c", answer("yes"))];
    const expecting = { ...get("/"), expect: { body: "yes" } };
    expect([...referenceOf(expecting, all).wrong.keys()]).toEqual(["a", "b"]);
  });
});
