/** Where the tracebacks of a worker end: with the handler of the signal, as /proc tells, and not with a pause in the middle. */
import { expect, test } from "bun:test";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { eventually, Place } from "../../apps_life/serve.ts";
import { Dumps, DUMP_SIGNAL } from "../../../src/supervisor/workers/dump.ts";
import { handlingOf } from "../../../src/supervisor/workers/handling.ts";

const HEAD = "Thread 0x1 (most recent call first):";
const FRAME = '  File "a.py", line 1 in view';

test("a worker that is held up in the middle of its traceback is waited for", async () => {
  const dumps = new Dumps();
  let looks = 0;
  const collected = dumps.collect("worker-1", () => {
    looks += 1;
    if (looks === 12) dumps.heard("worker-1", FRAME);
    return looks <= 12;
  });
  // The traceback of another worker is not this one's.
  dumps.heard("worker-2", "Fatal Python error");
  dumps.heard("worker-1", HEAD);
  expect(await collected).toEqual([HEAD, FRAME]);
});

test("one that prints all the time has its end, and who asks meanwhile gets it too", async () => {
  const dumps = new Dumps();
  let looks = 0;
  const chatty = (): boolean => {
    looks += 1;
    dumps.heard("worker-1", "hello");
    return looks <= 4;
  };
  const first = dumps.collect("worker-1", chatty);
  // Of a thread that handles the first signal, this one could not tell whether it does.
  const second = dumps.collect("worker-1", () => false);
  dumps.heard("worker-1", HEAD);
  expect((await first)[0]).toBe(HEAD);
  expect((await second)[0]).toBe(HEAD);
  expect(looks).toBeGreaterThan(4);
});

test("where nobody tells, a second without a line is the end", async () => {
  const dumps = new Dumps();
  let looks = 0;
  const collected = dumps.collect("worker-1", () => {
    looks += 1;
    if (looks === 12) dumps.heard("worker-1", FRAME);
    return null;
  });
  dumps.heard("worker-1", HEAD);
  expect(await collected).toEqual([HEAD, FRAME]);
});

/** Writes its traceback to a pipe that takes less of it, and has a thread that blocks the signal all the time. */
const WRITER = `
import faulthandler, fcntl, os, signal, sys, threading
F_SETPIPE_SZ = 1031
path, number = sys.argv[1], int(sys.argv[2])
os.mkfifo(path)
pipe = os.open(path, os.O_RDWR)
fcntl.fcntl(pipe, F_SETPIPE_SZ, 4096)
faulthandler.register(number, file=pipe, all_threads=True, chain=False)
blocked = threading.Event()

def aloof():
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    blocked.set()
    threading.Event().wait()

def a_view_with_a_long_name_that_calls_itself_again_and_again(depth):
    if depth:
        a_view_with_a_long_name_that_calls_itself_again_and_again(depth - 1)
    print("ready", flush=True)
    threading.Event().wait()

threading.Thread(target=aloof, daemon=True).start()
blocked.wait()
a_view_with_a_long_name_that_calls_itself_again_and_again(90)
`;

test.if(process.platform === "linux")("the kernel tells how long a handler runs", async () => {
  using place = new Place();
  const path = place.of("pipe");
  await using child = Bun.spawn(["python3", "-c", WRITER, path, `${DUMP_SIGNAL}`]);
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toStartWith("ready");
  const handling = handlingOf(child.pid, DUMP_SIGNAL);
  expect(handling()).toBe(false);
  const pipe = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const take = (bytes: number): boolean => {
    try {
      return readSync(pipe, Buffer.alloc(bytes)) > 0;
    } catch {
      return false; // there is nothing in it now
    }
  };
  process.kill(child.pid, DUMP_SIGNAL);
  // It has begun to write, and cannot end.
  await eventually("the beginning of the traceback", () => take(8));
  expect(handling()).toBe(true);
  await eventually("the end of the handler", () => {
    take(4096);
    return handling() === false;
  });
  closeSync(pipe);
  child.kill();
  await child.exited;
  expect(handling()).toBe(false);
});

test("of a process that is not shown nothing is known", () => {
  expect(handlingOf(0, DUMP_SIGNAL)()).toBeNull();
});
