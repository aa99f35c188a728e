# usage: passer.py NAMES COMMAND...
#
# Does what systemd does for a socket unit: opens a listening socket on
# 127.0.0.1 for each name ("a:b"), says their ports, and runs the command with
# them from descriptor 3 on.
import os
import socket
import sys

names = sys.argv[1].split(":")
held = [socket.create_server(("127.0.0.1", 0)) for _ in names]
print("passing", *(s.getsockname()[1] for s in held), flush=True)
spare = [os.dup(s.fileno()) for s in held]
for i, fd in enumerate(spare):
    os.dup2(fd, 3 + i, inheritable=True)
environment = dict(os.environ, LISTEN_FDS=str(len(names)),
                   LISTEN_FDNAMES=sys.argv[1], LISTEN_PID=str(os.getpid()))
os.execvpe(sys.argv[2], sys.argv[2:], environment)
