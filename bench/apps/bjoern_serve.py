"""Runs bjoern, which has no command of its own: `python bjoern_serve.py MODULE:ATTRIBUTE PORT`."""

from __future__ import annotations

import importlib
import sys

import bjoern

module, _, attribute = sys.argv[1].partition(":")
bjoern.run(getattr(importlib.import_module(module), attribute), "127.0.0.1", int(sys.argv[2]))
