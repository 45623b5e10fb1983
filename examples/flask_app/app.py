"""A Flask app: JSON, a page from a template, a streamed CSV, an upload and a session."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator

from flask import Flask, Response, jsonify, render_template, request, session

app = Flask(__name__)
# Without the variable each worker makes its own key, and sessions hold with one worker only.
app.secret_key = os.environ.get("FLASK_SECRET_KEY") or secrets.token_bytes(32)
CHUNK_BYTES = 64 * 1024


@app.get("/")
def index() -> str:
    """The page for people."""
    session["visits"] = session.get("visits", 0) + 1
    return render_template("index.html", visits=session["visits"], worker=os.getpid())


@app.get("/api/where")
def where() -> Response:
    """What the WSGI environment says."""
    environ = request.environ
    return jsonify(
        worker=os.getpid(),
        client=request.remote_addr,
        url=request.url,
        multithread=environ["wsgi.multithread"],
        multiprocess=environ["wsgi.multiprocess"],
    )


@app.post("/api/sum")
def add() -> Response:
    """JSON in, JSON out; a body that is not JSON is a 400 or 415 by Flask."""
    numbers = request.get_json()["numbers"]
    return jsonify(sum=sum(numbers))


@app.get("/table.csv")
def table() -> Response:
    """Rows made while they are sent."""
    rows = request.args.get("rows", 1000, type=int)

    def lines() -> Iterator[str]:
        yield "number,square\n"
        for number in range(rows):
            yield f"{number},{number * number}\n"

    return Response(lines(), mimetype="text/csv")


@app.post("/upload")
def upload() -> Response:
    """A form upload: its length and SHA-256."""
    stream = request.files["file"].stream
    digest = hashlib.sha256()
    length = 0
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        length += len(chunk)
    return jsonify(bytes=length, sha256=digest.hexdigest())


@app.put("/echo")
def echo() -> Response:
    """Sends the body back as it is read."""

    stream = request.stream  # the request is gone when the generator runs

    def chunks() -> Iterator[bytes]:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk

    return Response(chunks(), mimetype="application/octet-stream")


@app.get("/slow")
def slow() -> Response:
    """A view that blocks its thread."""
    ms = min(request.args.get("ms", 500, type=int), 10_000)
    time.sleep(ms / 1000)
    return jsonify(slept_ms=ms)


@app.get("/broken")
def broken() -> Response:
    """Fails: Flask answers 500 and logs the traceback."""
    raise RuntimeError("broken on purpose")
