"""usage: send_python.py PORT COUNT SIZE - composes messages with an
attachment by email and sends them by smtplib, over one connection; prints
seconds, and processor seconds."""
import os
import smtplib
import sys
import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

port, count, size = (int(word) for word in sys.argv[1:4])
octets = os.urandom(size)
text = "Les élèves ont été très appliqués cette année, dit-on à Paris.\r\n"


def compose():
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Ana Müller", "ana", "example.org")
    message["To"] = "bob@example.net"
    message["Subject"] = "Grüße aus Köln"
    message.set_content(text * 30)
    message.add_attachment(octets, maintype="application",
                           subtype="octet-stream", filename="data.bin")
    return message


with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as session:
    start, spent = time.perf_counter(), time.process_time()
    for _ in range(count):
        session.send_message(compose())
    print(time.perf_counter() - start, time.process_time() - spent)
