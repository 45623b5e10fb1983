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
    expect([...reference.wrong]).toEqual([
      [
        "liar",
        'another body than the others, counted as wrong: "hullo", where a and b answer "hello"',
      ],
    ]);
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
    expect(reference.compared).toBe('by status only (a answers "qx", and asked again "zy")');
    expect(reference.wrong.size).toBe(0);
    expect(isRight(answer("anything"), reference.check)).toBe(true);
    expect(isRight(answer("anything", 500), reference.check)).toBe(false);
  });

  test("a counter in each process is nobody's fault, though two servers happen to agree", () => {
    const visits = (count: number): Answer => answer(`visits: ${count}`);
    // Two workers each, so that the second answer is the other worker's first one.
    const two = ["gunicorn sync", "uvicorn"].map((name) => said(name, visits(1), visits(1)));
    const reference = referenceOf(get("/"), [...two, said("waitress", visits(1), visits(2))]);
    expect(reference.compared).toBe("without numbers");
    expect(reference.wrong.size).toBe(0);
  });

  test("an app that names its server is no lie of the only server of another family", () => {
    const page = (server: string): Answer => answer(`{"software": "${server}"}`);
    const gunicorns = ["sync", "gthread"].map((kind) => said(`gunicorn ${kind}`, page("gunicorn")));
    const reference = referenceOf(get("/"), [...gunicorns, said("keelback", page("keelback"))]);
    expect(reference.wrong.size).toBe(0);
    const [first, other] = ["gunicorn", "keelback"].map(
      (name) => `{\\"software\\": \\"${name}\\"}`,
    );
    expect(reference.compared).toBe(
      `by status only (gunicorn sync answers "${first}", keelback "${other}")`,
    );
    const third = said("uvicorn", page("gunicorn"));
    const decided = referenceOf(get("/"), [...gunicorns, third, said("x", page("x"))]);
    expect([...decided.wrong.keys()]).toEqual(["x"]);
    const alike = [...gunicorns, said("gunicorn gevent", page("oops"))];
    expect([...referenceOf(get("/"), alike).wrong.keys()]).toEqual(["gunicorn gevent"]);
  });

  test("one that answers now so, now so, while the others agree, is told both times", () => {
    const fickle = said("fickle", answer("hello"), answer("sorry"));
    const all = [said("a", answer("hello")), fickle, said("b", answer("hello"))];
    expect(referenceOf(get("/"), all).wrong.get("fickle")).toBe(
      'another body than the others, counted as wrong: "sorry"' +
        ' (once, and otherwise when asked again), where a and b answer "hello"',
    );
  });

  test("of a long body the place is shown where it differs", () => {
    const long = (word: string): Answer => answer(`${"x".repeat(500)} ${word} ${"y".repeat(500)}`);
    const all = [said("a", long("one")), said("b", long("one")), said("c", long("two"))];
    expect(referenceOf(get("/"), all).wrong.get("c")).toContain(
      `: "...${"x".repeat(14)} two ${"y".repeat(41)}...", where a and b answer "...`,
    );
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
