/** Names of users and groups as the system's numbers, through every source that the system knows them from. */
import { parseOwner } from "../config/socket-file.ts";
import { groupId } from "./libc.ts";
import { findUser } from "./this-process.ts";

export interface Owner {
  /** -1: stays as it is. */
  readonly uid: number;
  readonly gid: number;
}

/** chown(2) takes -1, the largest unsigned number, for "stays". */
const ID_MAX = 0xffff_fffe;

/** The complaint is the rest of a sentence that begins with the value. */
export function resolveOwner(
  text: string,
): { readonly owner: Owner } | { readonly complaint: string } {
  const names = parseOwner(text);
  if (names === null) return { complaint: "names no owner" };
  const uid = numberOf(names.user, (name) => findUser(name)?.uid ?? null);
  if (uid === null) return { complaint: `names the user ${names.user}, whom this system lacks` };
  const gid = numberOf(names.group, groupId);
  if (gid === null) return { complaint: `names the group ${names.group}, which this system lacks` };
  return { owner: { uid, gid } };
}

function numberOf(name: string | null, find: (name: string) => number | null): number | null {
  if (name === null) return -1;
  // A name of digits alone is possible, as with chown(1).
  const found = find(name);
  if (found !== null || !/^\d+$/.test(name)) return found;
  return Number(name) <= ID_MAX ? Number(name) : null;
}
