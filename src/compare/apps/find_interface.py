"""Prints as JSON which interface an app speaks: `find_interface.py PACKAGE_DIRECTORY APP`.

To be run in the app's directory.
"""

from __future__ import annotations

import json
import os
import sys

sys.path[0] = os.getcwd()
sys.path.append(sys.argv[1])

from keelback.loader import LoadError, load  # noqa: E402  (it needs the path)

# What the app prints while it is imported is not for us.
said = os.dup(1)
os.dup2(2, 1)
try:
    loaded = load(sys.argv[2])
    result = {"interface": loaded.interface, "found": loaded.found}
except LoadError as error:
    result = {"message": error.message, "hint": error.hint, "traceback": error.traceback}
os.write(said, json.dumps(result).encode())
sys.stderr.flush()
os._exit(0)
