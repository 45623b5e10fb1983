/**
 * Holds idle keep-alive connections: `bun holders.ts PORT COUNT` opens them, makes one request on each, prints
 * `{"open":n,"errors":n}` when all are answered, and closes them when its standard input ends.
 */
const [port = 0, count = 0] = process.argv.slice(2).map(Number);
const AT_ONCE = 200;
const request = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

let errors = 0;
let open = 0;

async function one(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let received = "";
  try {
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write(request),
        data: (_, bytes) => {
          received += Buffer.from(bytes).toString("latin1");
          if (!/\r\n\r\n[^]+$/.test(received)) return;
          open += 1;
          received = "";
          resolve();
        },
        close: () => {
          errors += 1;
          resolve();
        },
        error: () => resolve(),
      },
    });
  } catch {
    errors += 1;
    resolve();
  }
  return promise;
}

for (let made = 0; made < count; made += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - made) }, one));
}
process.stdout.write(`${JSON.stringify({ open, errors })}\n`);
await Bun.stdin.text();
process.exit(0);
