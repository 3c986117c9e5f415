"""A real mail server on this machine, in the test's own loop: takes mails, refuses them, or is down."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from directory.database import Database
from graphapi.mailing import Mail, Mailer, Tally, answer_code
from graphapi.settings import mail_server
from referrals.personal_data.sealing import MasterKey, generate_master_key

SENDER = "netz@example.org"
MASTER = MasterKey.parse(generate_master_key())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostOffice:
    """What came in, as bytes; ``answers`` say what a recipient's mails are answered with (else 250)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.raw: list[bytes] = []
        self.recipients: list[list[str]] = []
        self.answers: dict[str, str] = {}
        self.taken = asyncio.Event()
        self.wait_before_answering: asyncio.Event | None = None
        self._server: asyncio.Server | None = None

    @property
    def mail(self) -> Mail:
        return Mail(
            server=mail_server(f"smtp://127.0.0.1:{self.port}"),
            sender=SENDER,
            public_url="https://netz.example.org",
        )

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw]

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, enable_SMTPUTF8=False, hostname="localhost"), "127.0.0.1", self.port
        )

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.recipients.append(list(envelope.rcpt_tos))
        self.taken.set()
        if self.wait_before_answering is not None:
            await self.wait_before_answering.wait()
        return "250 taken"

    async def deliver(self, database: Database, **options: Any) -> Tally:
        """Send what is due."""
        codes = partial(answer_code, master=MASTER)
        return await Mailer(database, self.mail, codes, **options).send_due()


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    """Run a mail server."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd would log what it receives
    office = PostOffice(free_port())
    await office.open()
    try:
        yield office
    finally:
        if office.wait_before_answering is not None:
            office.wait_before_answering.set()
        await office.close()
