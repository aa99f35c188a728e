"""usage: aiosmtpd_serve.py PORT FOLDER CERTIFICATE KEY TLSPORT

aiosmtpd with STARTTLS and AUTH (user, secret), and on TLSPORT with TLS at
once; keeps each message's octets and envelope in FOLDER. Recipients at
other.test are refused.
"""
import asyncio
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, folder, certificate, key, tls_port = sys.argv[1:]


class Keeper:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@other.test"):
            return "550 5.7.1 no relaying here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        path = f"{folder}/{self.count:04d}"
        with open(path + ".session", "w") as file:
            transport = server.transport.get_extra_info("sslcontext")
            tls = "TLS" if session.ssl or transport else "plain"
            user = session.auth_data or "nobody"
            file.write("|".join([session.host_name, tls, user,
                                 envelope.mail_from or "",
                                 " ".join(envelope.rcpt_tos)]))
        with open(path + ".eml", "wb") as file:
            file.write(envelope.original_content)
        return "250 2.0.0 kept"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"user" and data.password == b"secret"
    return AuthResult(success=good, auth_data="user" if good else None)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    keeper = Keeper()
    loop = asyncio.get_running_loop()
    settings = {"hostname": "aiosmtpd.example.net", "enable_SMTPUTF8": True,
                "authenticator": authenticate, "data_size_limit": 10240000}
    await loop.create_server(
        lambda: SMTP(keeper, **settings), "127.0.0.1", int(tls_port),
        ssl=context)
    server = await loop.create_server(
        lambda: SMTP(keeper, tls_context=context, **settings),
        "127.0.0.1", int(port))
    await server.serve_forever()


asyncio.run(main())
