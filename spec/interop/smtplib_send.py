"""usage: smtplib_send.py PORT FILE FROM TO [starttls] [USER PASSWORD]"""
import smtplib
import ssl
import sys

port, path, sender, recipient, *more = sys.argv[1:]
with smtplib.SMTP("127.0.0.1", int(port), timeout=20) as client:
    if more and more[0] == "starttls":
        more.pop(0)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client.starttls(context=context)
    if more:
        client.login(*more)
    with open(path, "rb") as file:
        client.sendmail(sender, [recipient], file.read(), ["BODY=8BITMIME"])
