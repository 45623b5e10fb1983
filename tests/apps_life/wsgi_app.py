"""A WSGI app for the tests of workers and of the server's life.

Each path does what the function of its name does.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, Callable
from urllib.parse import parse_qs

import place

Environ = dict
StartResponse = Callable[..., Any]

print(f"imported by {os.getpid()}")


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    name, _, rest = environ["PATH_INFO"].strip("/").partition("/")
    view = VIEWS.get(name)
    if view is None:
        return reply(start_response, "no such view", "404 Not Found")
    return view(environ, start_response, rest)


def reply(start_response: StartResponse, text: str, status: str = "200 OK") -> list[bytes]:
    body = text.encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def hello(environ, start_response, rest):
    return reply(start_response, "hello")


def pid(environ, start_response, rest):
    return reply(start_response, str(os.getpid()))


def thread(environ, start_response, rest):
    return reply(start_response, threading.current_thread().name)


def threads(environ, start_response, rest):
    return reply(start_response, str(threading.active_count()))


def version(environ, start_response, rest):
    return reply(start_response, f"{sys.version_info[0]}.{sys.version_info[1]}")


def environment(environ, start_response, rest):
    shown = {k: v for k, v in environ.items() if isinstance(v, (str, bool, int, tuple))}
    return reply(start_response, json.dumps(shown))


def variable(environ, start_response, rest):
    return reply(start_response, os.environ.get(rest, "(unset)"))


def echo(environ, start_response, rest):
    return reply(start_response, environ["wsgi.input"].read().decode("latin-1"))


def nap(environ, start_response, rest):
    time.sleep(float(rest) / 1000)
    return reply(start_response, "rested")


def wait(environ, start_response, gate):
    """Says that it has begun, then blocks until the gate is open."""
    place.note(f"{gate}.begun", os.getpid())
    place.wait(gate)
    return reply(start_response, f"waited for {gate}")


def stream(environ, start_response, gate):
    """A part of the response, and the rest when the gate is open."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first,"
    place.note(f"{gate}.begun", os.getpid())
    place.wait(gate)
    yield b"last"


def count(environ, start_response, name):
    """Written down each time it runs."""
    environ["wsgi.input"].read()
    place.note(name, environ["QUERY_STRING"] or os.getpid())
    return reply(start_response, "counted")


def count_and_wait(environ, start_response, name):
    environ["wsgi.input"].read()
    place.note(f"{name}.begun", os.getpid())
    place.wait(name)
    return reply(start_response, f"{os.getpid()}")


def spin(environ, start_response, name):
    """Computes in Python for ever; says what ended that."""
    place.note(f"{name}.begun", os.getpid())
    try:
        while True:
            pass
    except BaseException as error:
        place.note(f"{name}.ended", type(error).__name__)
        raise


def sleep_long(environ, start_response, name):
    """In a system call, where no exception can reach it."""
    place.note(f"{name}.begun", os.getpid())
    time.sleep(3600)
    return reply(start_response, "never")


def hash_long(environ, start_response, name):
    """In C code that has let go of the interpreter lock."""
    place.note(f"{name}.begun", os.getpid())
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2_000_000_000)
    return reply(start_response, "never")


def match_long(environ, start_response, name):
    """In C code that keeps the interpreter lock: no other thread of this process runs."""
    place.note(f"{name}.begun", os.getpid())
    re.match(r"(a|a)*$", "a" * 64 + "b")
    return reply(start_response, "never")


def swallow(environ, start_response, name):
    """Catches whatever is thrown at it."""
    place.note(f"{name}.begun", os.getpid())
    while True:
        try:
            while True:
                pass
        except BaseException as error:
            place.note(f"{name}.swallowed", type(error).__name__)


def die(environ, start_response, name):
    place.note(name, os.getpid())
    os._exit(7)


def child(environ, start_response, status):
    """A child that ends with this status, waited for."""
    done = subprocess.run([sys.executable, "-c", f"raise SystemExit({status})"], check=False)
    return reply(start_response, str(done.returncode))


def orphan(environ, start_response, status):
    """A grandchild that ends with this status when nobody of its family is left."""
    child_pid = os.fork()
    if child_pid == 0:
        if os.fork() == 0:
            os._exit(int(status))
        os._exit(0)
    os.waitpid(child_pid, 0)
    return reply(start_response, "orphaned")


def linger(environ, start_response, rest):
    """A child that would live on for an hour."""
    command = [sys.executable, "-c", "import time; time.sleep(3600)"]
    process = subprocess.Popen(command)
    return reply(start_response, str(process.pid))


def descriptors(environ, start_response, rest):
    """What a program that the app starts gets to see."""
    command = ["ls", "-l", "/proc/self/fd"]
    done = subprocess.run(command, close_fds=False, capture_output=True, check=True)
    return reply(start_response, done.stdout.decode())


def say(environ, start_response, rest):
    """In every way a program may write."""
    print(f"printed {rest}")
    print(f"complained {rest}", file=sys.stderr)
    os.write(1, f"written {rest}\n".encode())
    os.system(f"echo from a child {rest}")
    print(f"unfinished {rest}", end="", flush=True)
    print(" and finished")
    environ["wsgi.errors"].write(f"wsgi.errors {rest}\n")
    environ["wsgi.errors"].flush()
    return reply(start_response, "said")


def say_bytes(environ, start_response, rest):
    os.write(2, b"raw \xff\x1b[31m\x07 bytes\n")
    return reply(start_response, "said")


def say_much(environ, start_response, rest):
    sys.stdout.write("x" * int(rest) + "\n")
    sys.stdout.flush()
    return reply(start_response, "said")


def fail(environ, start_response, rest):
    raise RuntimeError(f"on purpose {rest}")


def query(environ, start_response, rest):
    return reply(start_response, json.dumps(parse_qs(environ["QUERY_STRING"])))


VIEWS = {
    view.__name__: view
    for view in (
        *(hello, pid, thread, threads, version, environment, variable, echo, nap, wait, stream),
        *(count, count_and_wait, spin, sleep_long, hash_long, match_long, swallow, die, child),
        *(orphan, linger, descriptors, say, say_bytes, say_much, fail, query),
    )
}
