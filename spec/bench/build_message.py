"""usage: build_message.py FILE SECONDS - builds a message with the file's
octets attached, if it has any, again and again; prints the processor time
that one takes."""
import sys
import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

with open(sys.argv[1], "rb") as file:
    octets = file.read()
text = "Les élèves ont été très appliqués cette année, dit-on à Paris.\r\n"


def build():
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Ana Müller", "ana", "example.org")
    message["To"] = "bob@example.net"
    message["Subject"] = "Grüße aus Köln"
    message.set_content(text * 30)
    if octets:
        message.add_attachment(octets, maintype="application",
                               subtype="octet-stream", filename="data.bin")
    return len(message.as_bytes())


count, start = 0, time.process_time()
while time.process_time() - start < float(sys.argv[2]):
    build()
    count += 1
print((time.process_time() - start) / count)
