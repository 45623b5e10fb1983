"""What PEP 3333 asks, checked by the standard library's validator: a fault becomes a 500."""

from __future__ import annotations

import warnings
from wsgiref.validate import WSGIWarning, validator

warnings.simplefilter("error", WSGIWarning)


def checked(environ, start_response):
    data = environ["wsgi.input"].read(8) + environ["wsgi.input"].read(1 << 16)
    body = f"{environ['REQUEST_METHOD']} {len(data)}".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    write = start_response("200 OK", headers)
    if environ["QUERY_STRING"] == "write":
        write(body)
        return []
    if environ["QUERY_STRING"] == "lines":
        return iter([body[:3], b"", body[3:]])
    return [body]


app = validator(checked)
