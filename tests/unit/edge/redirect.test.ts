import { expect, test } from "bun:test";
import { locationOf } from "../../../src/edge/drivers/redirect.ts";

const standard = { http: 80, https: 443 };
const own = { http: 8080, https: 8443 };
const mixed = { http: 80, https: 8443 };

test.each([
  ["/", "a.test", standard, "https://a.test/"],
  ["/x?y=z", "a.test:80", standard, "https://a.test/x?y=z"],
  ["/", "a.test", mixed, "https://a.test:8443/"],
  ["/", "a.test:8080", own, "https://a.test:8443/"],
  // A mapping in front: the client saw port 80, so it has 443 too.
  ["/", "a.test", own, "https://a.test/"],
  ["/", "[::1]:8080", own, "https://[::1]:8443/"],
  ["//b.test/x", "a.test", standard, "https://a.test//b.test/x"],
  ["http://b.test/x?y", "a.test", standard, "https://b.test/x?y"],
  ["HTTP://b.test:8080?q", "a.test", own, "https://b.test:8443/?q"],
  ["*", "a.test", standard, null],
  ["/", "", standard, null],
  ["/", "a@b", standard, null],
  ["/", "a/b", standard, null],
])("%s of %p", (target, host, ports, location) => {
  expect(locationOf(target, host, ports)).toBe(location);
});
