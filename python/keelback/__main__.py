"""Entry of the zygote: `<python> <directory>/keelback/__main__.py`.

Python has put this file's folder first on sys.path. It must go: its modules are ours, not
top-level ones. The package itself comes last, so that the user's modules win over any name of ours.
"""

from __future__ import annotations

import os
import sys


def _fix_path() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    sys.path.append(os.path.dirname(folder))


if __name__ == "__main__":
    _fix_path()
    from keelback.zygote import main

    sys.exit(main())
