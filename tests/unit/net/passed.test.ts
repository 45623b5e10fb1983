/** The variables of sd_listen_fds(3), and what a bind finds among the sockets that they tell of. */
import { describe, expect, test } from "bun:test";
import { findPassed, nothingPassed, passedName, takePassed } from "../../../src/net/passed.ts";

const PID = 4711;

/** Numbers from 3 are this process's own: what is done to them does no harm. */
function take(variables: Record<string, string>) {
  const env: Record<string, string | undefined> = { PATH: "/bin", ...variables };
  const passed = takePassed(env, PID);
  expect(Object.keys(env)).toEqual(["PATH"]);
  return passed;
}

describe("sockets that are passed", () => {
  test("with names", () => {
    const { sockets, warnings } = take({
      LISTEN_FDS: "4",
      LISTEN_PID: "4711",
      LISTEN_FDNAMES: "web.socket:web.socket:unknown:",
    });
    expect(warnings).toEqual([]);
    expect(sockets).toEqual([
      { fd: 3, name: "web.socket" },
      { fd: 4, name: "web.socket" },
      { fd: 5, name: null },
      { fd: 6, name: null },
    ]);
    expect(sockets.map((socket) => passedName(socket))).toEqual([
      "fd://web.socket",
      "fd://web.socket",
      "fd://5",
      "fd://6",
    ]);
    expect(findPassed({ kind: "passed", name: "web.socket" }, sockets)).toHaveLength(2);
    expect(findPassed({ kind: "passed", name: "web" }, sockets)).toEqual([]);
    expect(findPassed({ kind: "fd", fd: 4 }, sockets)).toEqual([{ fd: 4, name: "web.socket" }]);
    expect(findPassed({ kind: "fd", fd: 9 }, sockets)).toEqual([{ fd: 9, name: null }]);
    expect(nothingPassed("web", sockets).remedy).toContain("there are fd://web.socket, fd://web");
  });

  test("without names", () => {
    const { sockets } = take({ LISTEN_FDS: "1", LISTEN_PID: "4711", LISTEN_PIDFDID: "1" });
    expect(sockets).toEqual([{ fd: 3, name: null }]);
    expect(nothingPassed("web", []).remedy).toContain("systemctl start NAME.socket");
  });

  test.each([{}, { LISTEN_FDS: "", LISTEN_PID: "4711" }, { LISTEN_FDS: "0", LISTEN_PID: "4711" }])(
    "none: %p",
    (variables) => {
      expect(take(variables)).toEqual({ sockets: [], warnings: [] });
    },
  );

  test.each([
    [{ LISTEN_FDS: "2", LISTEN_PID: "1" }, "they are for process 1, and this is process 4711"],
    [{ LISTEN_FDS: "2" }, "LISTEN_PID is missing"],
    [{ LISTEN_FDS: "2", LISTEN_PID: "04711" }, "they are for process 04711"],
    [{ LISTEN_FDS: "x", LISTEN_PID: "4711" }, "LISTEN_FDS=x is no number of sockets"],
    [{ LISTEN_FDS: "-1", LISTEN_PID: "4711" }, "is no number of sockets"],
    [{ LISTEN_FDS: "5000", LISTEN_PID: "4711" }, "is no number of sockets between 1 and 4096"],
  ])("those of somebody else are not touched, and it is said: %p", (variables, why) => {
    const { sockets, warnings } = take(variables);
    expect(sockets).toEqual([]);
    expect(warnings.join()).toContain(`sockets that were passed are not used: `);
    expect(warnings.join()).toContain(why);
  });
});
