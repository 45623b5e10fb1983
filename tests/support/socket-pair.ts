/** Two ends of a connection: what one sends waits in the kernel, at the other's descriptor. */
export interface SocketPair extends AsyncDisposable {
  readonly fd: number;
  /** Resolves when the kernel has all of it. */
  send(bytes: Buffer): Promise<void>;
}

export async function socketPair(): Promise<SocketPair> {
  const accepted = Promise.withResolvers<Bun.Socket>();
  let drained = Promise.withResolvers<void>();
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => accepted.resolve(socket),
      drain: () => drained.resolve(),
      data() {},
    },
  });
  const reader = await Bun.connect({
    hostname: "127.0.0.1",
    port: listener.port,
    socket: { open: (self) => self.pause(), data() {} },
  });
  const writer = await accepted.promise;
  return {
    fd: (reader as unknown as { fd: number }).fd,
    async send(bytes) {
      for (let at = 0; at < bytes.length;) {
        drained = Promise.withResolvers();
        const wrote = writer.write(bytes, at);
        at += Math.max(0, wrote);
        if (at < bytes.length) await drained.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      reader.terminate();
      writer.terminate();
      listener.stop(true);
    },
  };
}
