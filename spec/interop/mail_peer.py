"""Messages as Python's email package reads and writes them, for the interop
specs: see gmime_peer.c, which takes the same arguments."""
import base64
import email
import email.headerregistry
import email.message
import email.policy
import hashlib
import json
import sys


def addresses(message, name):
    field = message[name]
    return [[a.display_name, a.addr_spec] for a in field.addresses] \
        if field is not None else []


def leaves(part):
    if part.is_multipart():
        return [x for p in part.get_payload() for x in leaves(p)]
    octets = part.get_payload(decode=True)
    identifier = part["Content-ID"]
    return [{
        "type": part.get_content_type(),
        "name": part.get_filename(),
        "id": identifier and identifier.strip("<>"),
        "sha": hashlib.sha256(octets).hexdigest(),
    }]


def read(path):
    with open(path, "rb") as file:
        message = email.message_from_bytes(
            file.read(), policy=email.policy.default)
    print(json.dumps({
        "subject": message["Subject"],
        "from": addresses(message, "From"),
        "to": addresses(message, "To"),
        "leaves": leaves(message),
        "defects": [type(d).__name__
                    for p in message.walk() for d in p.defects],
    }))


def mailbox(words):
    name, address = [w.decode() for w in words]
    local, _, domain = address.rpartition("@")
    return email.headerregistry.Address(name, local.strip('"'), domain)


def attach(message, words, disposition):
    kind, name, identifier, data = words
    main, _, sub = kind.decode().partition("/")
    message.add_attachment(
        data, maintype=main, subtype=sub, disposition=disposition,
        filename=name.decode() or None,
        cid="<%s>" % identifier.decode() if identifier else None)


def body(message, words):
    kind, data = words[0].decode(), words[3].decode()
    if message.get_content_maintype() == "text" and message.get_payload():
        message.add_alternative(data, subtype=kind.partition("/")[2])
    else:
        message.set_content(data, subtype=kind.partition("/")[2], cte="base64")


def write(path):
    number, message, to = 0, None, []
    with open(path) as file:
        lines = file.read().splitlines()
    for line in lines:
        verb, *words = line.split(" ")
        words = [b"" if w == "-" else base64.b64decode(w) for w in words]
        if verb == "message":
            message = email.message.EmailMessage(policy=email.policy.SMTP)
            to = []
        elif verb == "subject":
            message["Subject"] = words[0].decode()
        elif verb == "from":
            message["From"] = mailbox(words)
        elif verb == "to":
            to.append(mailbox(words))
        elif verb == "body":
            body(message, words)
        elif verb in ("inline", "attach"):
            attach(message, words,
                   "inline" if verb == "inline" else "attachment")
        elif verb == "end":
            number += 1
            if to:
                message["To"] = to
            with open("%s.%d" % (path, number), "wb") as file:
                file.write(message.as_bytes())


if sys.argv[1] == "write":
    write(sys.argv[2])
else:
    for one in sys.argv[2:]:
        read(one)
