"""A FastAPI view that answers JSON."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def index() -> dict[str, Any]:
    """A small object."""
    return {"message": "Hello, World!", "numbers": [1, 2, 3], "nested": {"a": True}}
