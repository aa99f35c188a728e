"""usage: build_message.py FILE SECONDS memory|file - builds a message with the
file's octets attached, if it has any, again and again; prints the processor
time that one takes. file: each time it is read."""
import sys
import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP



def read():
    with open(sys.argv[1], "rb") as file:
        return file.read()


octets = read()
text = "Les élèves ont été très appliqués cette année, dit-on à Paris.\r\n"


def build():
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Ana Müller", "ana", "example.org")
    message["To"] = "bob@example.net"
    message["Subject"] = "Grüße aus Köln"
    message.set_content(text * 30)
    if octets:
        data = read() if sys.argv[3] == "file" else octets
        message.add_attachment(data, maintype="application",
                               subtype="octet-stream", filename="data.bin")
    return len(message.as_bytes())


count, start = 0, time.process_time()
while time.process_time() - start < float(sys.argv[2]):
    build()
    count += 1
print((time.process_time() - start) / count)
