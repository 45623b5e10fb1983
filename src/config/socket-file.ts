/** Who may connect to a unix socket: the grammar of unix-mode and unix-owner. Pure. */

/** Connecting is writing; a mode without its owner's rights is none that anybody means. */
const OWNER_RIGHTS = 0o600;
/** As useradd takes them, with a dollar at the end as Samba has it, or a number. */
const NAME = /^(?:[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,255}\$?)$/;

export const MODE_ALLOWED = "three octal digits such as 0660, the owner's 6 or 7";
export const OWNER_ALLOWED = "USER, USER:GROUP or :GROUP; names or numbers";

/** The bits of `0660`, `660` or `0o660`; null: no mode for a socket. */
export function parseMode(text: string): number | null {
  const digits = /^(?:0o?)?([0-7]{3})$/.exec(text)?.[1];
  if (digits === undefined) return null;
  const mode = Number.parseInt(digits, 8);
  return (mode & OWNER_RIGHTS) === OWNER_RIGHTS ? mode : null;
}

/** Names or numbers as they were written; null stays as it is. */
export interface OwnerNames {
  readonly user: string | null;
  readonly group: string | null;
}

export function parseOwner(text: string): OwnerNames | null {
  const [user = "", group, ...more] = text.split(":");
  if (more.length > 0 || (user === "" && group === undefined)) return null;
  if (user !== "" && !NAME.test(user)) return null;
  if (group !== undefined && !NAME.test(group)) return null;
  return { user: user === "" ? null : user, group: group ?? null };
}
