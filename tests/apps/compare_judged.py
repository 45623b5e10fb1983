"""A server to be judged: `compare_judged.py PORT` answers hello, by options late or wrongly."""

from __future__ import annotations

import argparse
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--sleep-ms", type=int, default=0)
parser.add_argument("--body", default="hello")
parser.add_argument("--every", type=int, default=1)
parser.add_argument("--end-after", type=int, default=0)
parser.add_argument("--fail", action="store_true")
options = parser.parse_args()
if options.fail:
    raise RuntimeError("broken on purpose")

answered = 0


class Handler(BaseHTTPRequestHandler):
    """Answers every GET."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """Hello, or what the options say."""
        global answered
        answered += 1
        if options.end_after and answered > options.end_after:
            print("that was enough", file=sys.stderr, flush=True)
            os._exit(1)
        if options.sleep_ms:
            time.sleep(options.sleep_ms / 1000)  # the app blocks
        # The first answers are probes: it behaves while it is looked at.
        wrong = answered % options.every == 0 and (options.every == 1 or answered > 3)
        body = (options.body if wrong else "hello").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    """As many waiting connections as a load opens."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients may go as they like."""


Server(("127.0.0.1", options.port), Handler).serve_forever()
