"""Python's email beside spec/bench/read.lua, with the same arguments:
read.py full|headers MS CHECKFILE FILE..."""

import email.policy
import sys
import time
import zlib
from email.parser import BytesHeaderParser, BytesParser

mode, ms, check = sys.argv[1], float(sys.argv[2]), sys.argv[3]
messages = [open(name, "rb").read() for name in sys.argv[4:]]
kind = BytesHeaderParser if mode == "headers" else BytesParser
parser = kind(policy=email.policy.default)


def read(data, found=None):
    message = parser.parsebytes(data)
    for name in ("subject", "from", "to", "date"):
        try:
            str(message[name])
        except Exception:  # it gives up on some fields
            pass
    if mode == "headers":
        return 0, 0
    leaves = size = 0
    for part in message.walk():
        if part.is_multipart():
            continue
        body = part.get_payload(decode=True) or b""
        leaves += 1
        size += len(body)
        if part.get_content_maintype() != "text":
            if found is not None:
                found.append(f"{len(body)}:{zlib.crc32(body):08x}")
            continue
        try:
            body.decode(part.get_content_charset("utf-8"), "replace")
        except LookupError:
            pass
    return leaves, size


lines = []
for data in messages:
    found = []
    read(data, found)
    lines.append(",".join(found))
if check != "-":
    with open(check, "w") as out:
        out.write("\n".join(lines) + "\n")

rounds, start, took = 0, time.process_time_ns(), 0
while took < ms * 1e6:
    leaves = size = 0
    for data in messages:
        n, more = read(data)
        leaves += n
        size += more
    rounds += 1
    took = time.process_time_ns() - start
print(rounds, took, leaves, size)
