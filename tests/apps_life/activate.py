"""A parent that passes sockets as systemd does (sd_listen_fds(3)), and becomes the server.

Arguments: a JSON list of sockets, each with a kind (tcp, tcp6, unix, abstract, udp, bound, file)
and perhaps a name and a path; then the command. LISTEN_PID stays when the environment has one: to
pass them to somebody else.
"""

import json
import os
import socket
import sys

FIRST = 3
ASIDE = 100


def make(kind, path):
    if kind == "file":
        return os.open(os.devnull, os.O_RDONLY)
    if kind in ("unix", "abstract"):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind("\0" + path if kind == "abstract" else path)
    elif kind == "tcp6":
        sock = socket.socket(socket.AF_INET6)
        sock.bind(("::1", 0))
    else:
        sock = socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
    if kind not in ("udp", "bound"):
        sock.listen(7)
    return sock.detach()


wanted = json.loads(sys.argv[1])
made = [make(one["kind"], one.get("path", "")) for one in wanted]
# Aside first: the number that one of them must get may be that of another.
for at, fd in enumerate(made):
    os.dup2(fd, ASIDE + at)
os.closerange(FIRST, ASIDE)
for at in range(len(made)):
    os.dup2(ASIDE + at, FIRST + at)
os.closerange(ASIDE, ASIDE + len(made))
names = [one.get("name") for one in wanted]
os.environ["LISTEN_FDS"] = str(len(made))
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
if any(names):
    os.environ["LISTEN_FDNAMES"] = ":".join(name or "unknown" for name in names)
os.execv(sys.argv[2], sys.argv[2:])
