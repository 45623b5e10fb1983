/**
 * TLS on a connection that has begun with plain bytes, a PROXY header. The runtime takes the socket over with what has come behind the
 * header. It goes on to show the plain side what comes, encrypted: nobody there looks at it.
 */
import type { ClientSocket } from "./client-socket.ts";
import { type TlsOwner, TlsServer } from "./tls-listener.ts";

/** What the runtime's socket can, and its types leave out. */
interface Upgradable extends ClientSocket {
  upgradeTLS(options: {
    isServer: true;
    /** What has come of the handshake. */
    initialData: Buffer | undefined;
    tls: object;
    socket: object;
  }): unknown;
}

/** `ends`: who is at the ends of it. */
export function upgradeToTls(
  owner: TlsOwner,
  socket: ClientSocket,
  ends: ClientSocket,
  rest: Buffer,
): void {
  new TlsUpgrade(owner, ends).begin(socket as Upgradable, rest);
}

class TlsUpgrade extends TlsServer {
  begin(socket: Upgradable, rest: Buffer): void {
    const { options: tls, select } = this.owner.store.context;
    socket.upgradeTLS({
      isServer: true,
      initialData: rest.length > 0 ? rest : undefined,
      tls,
      socket: this.handlers(select),
    });
  }
}
