import { describe, expect, test } from "bun:test";
import { findIdentity, inContainer } from "../../../src/supervisor/process/privileges.ts";
import type { Surroundings } from "../../../src/supervisor/process/privileges.ts";

const MACHINE: Surroundings = {
  pid: 4711,
  env: { HOME: "/root" },
  exists: () => false,
  read: () => "0::/init.scope\n",
};

describe("a container", () => {
  test("is told by what its tools leave", () => {
    const signs: Partial<Surroundings>[] = [
      { pid: 1 },
      { env: { KUBERNETES_SERVICE_HOST: "10.0.0.1" } },
      { env: { container: "podman" } },
      { exists: (path) => path === "/.dockerenv" },
      { exists: (path) => path === "/run/.containerenv" },
      { read: () => "12:pids:/docker/0123456789ab\n" },
    ];
    for (const sign of signs) expect(inContainer({ ...MACHINE, ...sign })).toBe(true);
  });

  test("is not seen in a machine", () => {
    expect(inContainer(MACHINE)).toBe(false);
    expect(inContainer({ ...MACHINE, read: () => null })).toBe(false);
  });
});

describe("who the settings name", () => {
  test("nobody: this process stays who it is", () => {
    expect(findIdentity(null, null)).toEqual({ identity: null });
  });

  test("a user or group that the system lacks is a complaint", () => {
    expect(findIdentity("no-such-user", null)).toEqual({
      setting: "user",
      complaint: "no-such-user is no user of this system",
    });
    expect(findIdentity(null, "no-such-group")).toEqual({
      setting: "group",
      complaint: "no-such-group is no group of this system",
    });
    expect(findIdentity("54321", null)).toEqual({
      setting: "user",
      complaint: "54321 has no entry in this system; name a group too",
    });
  });

  test.skipIf(process.getuid?.() !== 0)("root may become anybody", () => {
    const nobody = { uid: 65534, gid: 65534, name: "nobody", home: "/nonexistent" };
    expect(findIdentity("nobody", null)).toEqual({ identity: nobody });
    expect(findIdentity("65534", "0")).toEqual({ identity: { ...nobody, gid: 0 } });
    expect(findIdentity("54321", "54322")).toEqual({
      identity: { uid: 54321, gid: 54322, name: null, home: null },
    });
  });
});
