"""codecs - Python's codecs, for cross-checks and beside ours in the benchmark

Usage: codecs.py OP < records > results
       codecs.py OP FILE SECONDS

A record is its length in digits, LF, and its bytes; a result is the same, or
"-1" and LF where Python refuses. With a FILE the work on it is done again and
again for at least so many seconds of processor time, and the seconds that
one call takes are printed.
"""
import base64
import binascii
import email.header
import email.policy
import email.utils
import quopri
import sys
import time
import urllib.parse


def text_of(data):
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text):
    return text.encode("utf-8", "surrogateescape")


def base64_lines(data):
    """In lines of 76 characters, with LF."""
    return base64.encodebytes(data)


def unbase64_strict(data):
    return binascii.a2b_base64(data, strict_mode=True)


def unbase64_url(data):
    return base64.urlsafe_b64decode(data)


def qp(data):
    return binascii.b2a_qp(data, istext=True, header=False)


def qp_binary(data):
    return binascii.b2a_qp(data, istext=False, header=False)


def uu(data):
    """The lines of a body, without begin and end."""
    return b"".join(
        binascii.b2a_uu(data[i:i + 45], backtick=True)
        for i in range(0, len(data), 45)
    )


def unuu(data):
    return b"".join(binascii.a2b_uu(line) for line in data.split(b"\n") if line)


def word(data):
    header = email.header.Header(data.decode("utf-8"), "utf-8", maxlinelen=76)
    return header.encode().encode("ascii")


def unword(data):
    header = email.header.make_header(
        email.header.decode_header(text_of(data)))
    return bytes_of(str(header))


def modern_unword(data):
    """By the parser of email.policy.default."""
    return bytes_of(email.policy.default.header_factory(
        "Subject", text_of(data)))


def param(data):
    return b"filename*=" + email.utils.encode_rfc2231(
        data.decode("utf-8"), "utf-8").encode("ascii")


def unparam(data):
    """The value of filename in what stands behind the first ";"."""
    field = email.policy.default.header_factory(
        "Content-Disposition", "attachment" + text_of(data))
    return bytes_of(field.params["filename"])


OPERATIONS = {
    "base64": binascii.b2a_base64,
    "base64_lines": base64_lines,
    "base64_url": base64.urlsafe_b64encode,
    "unbase64": binascii.a2b_base64,
    "unbase64_strict": unbase64_strict,
    "unbase64_url": unbase64_url,
    "qp": qp,
    "qp_binary": qp_binary,
    "unqp": binascii.a2b_qp,
    "quopri": quopri.decodestring,
    "uu": uu,
    "unuu": unuu,
    "word": word,
    "unword": unword,
    "modern_unword": modern_unword,
    "param": param,
    "unparam": unparam,
    "percent": urllib.parse.unquote_to_bytes,
}


def answer(run):
    records, results = sys.stdin.buffer, sys.stdout.buffer
    while head := records.readline():
        data = records.read(int(head))
        try:
            result = run(data)
        except Exception:  # whatever it is, it refuses
            results.write(b"-1\n")
            continue
        results.write(b"%d\n" % len(result) + result)


def measure(run, path, seconds):
    with open(path, "rb") as file:
        data = file.read()
    calls, start, took = 0, time.process_time(), 0.0
    while took < seconds:
        run(data)
        calls, took = calls + 1, time.process_time() - start
    print("%.12f" % (took / calls))


if __name__ == "__main__":
    operation = OPERATIONS[sys.argv[1]]
    if len(sys.argv) > 3:
        measure(operation, sys.argv[2], float(sys.argv[3]))
    else:
        answer(operation)
