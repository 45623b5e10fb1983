"""A Flask view that answers JSON."""

from __future__ import annotations

from flask import Flask, Response, jsonify

app = Flask(__name__)


@app.get("/")
def index() -> Response:
    """A small object."""
    return jsonify(message="Hello, World!", numbers=[1, 2, 3], nested={"a": True})
