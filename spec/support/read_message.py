"""Reads the messages named on the command line with Python's email package
and prints a line of JSON for each: an opinion that is not ours."""
import email
import email.policy
import hashlib
import json
import sys


def addresses(message, name):
    field = message[name]
    return [[a.display_name, a.addr_spec] for a in field.addresses] \
        if field is not None else []


def leaf(part):
    kind = part.get_content_maintype()
    if kind == "message":
        octets = part.get_payload(0).as_bytes()
    else:
        octets = part.get_payload(decode=True)
    return {
        "type": part.get_content_type(),
        "filename": part.get_filename(),
        "disposition": part.get_content_disposition(),
        "charset": part.get_param("charset"),
        "id": part["Content-ID"],
        "description": part["Content-Description"],
        "encoding": part["Content-Transfer-Encoding"],
        "sha256": hashlib.sha256(octets).hexdigest(),
    }


def leaves(part):
    if part.get_content_maintype() == "multipart":
        return [x for p in part.iter_parts() for x in leaves(p)]
    return [leaf(part)]


def opinion(path):
    with open(path, "rb") as file:
        message = email.message_from_bytes(
            file.read(), policy=email.policy.default)
    return {
        "subject": message["Subject"],
        "from": addresses(message, "From"),
        "to": addresses(message, "To"),
        "bcc": message["Bcc"],
        "parts": leaves(message),
        "defects": [type(d).__name__
                    for p in message.walk() for d in p.defects],
    }


for path in sys.argv[1:]:
    print(json.dumps(opinion(path)))
