# usage: notified.py PATH
#
# Stands in for a service manager: prints what is told at a datagram socket.
import socket
import sys

hearing = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
hearing.bind("\0" + sys.argv[1][1:] if sys.argv[1][0] == "@" else sys.argv[1])
print("hearing", flush=True)
while True:
    print(hearing.recv(4096).decode().replace("\n", " "), flush=True)
