"""How tools such as `ps -o comm`, `top` and `pgrep` show this process."""

from __future__ import annotations

NAME_BYTES_MAX = 15
"""Linux takes no more."""


def set_process_name(name: str) -> None:
    """Where there is no such file (outside Linux, in a locked sandbox) the name stays."""
    try:
        with open("/proc/self/comm", "wb", 0) as comm:
            comm.write(name.encode()[:NAME_BYTES_MAX])
    except OSError:
        pass
