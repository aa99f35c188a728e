"""usage: aiosmtpd_serve.py PORT   - takes every message and forgets it"""
import asyncio
import sys

from aiosmtpd.smtp import SMTP


class Forgetful:
    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 taken"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Forgetful(), hostname="localhost",
                     data_size_limit=64 << 20),
        "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


asyncio.run(main())
