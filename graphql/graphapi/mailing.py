"""Sends the notices of the outbox as mail: claims, writes, hands over, says what became of each.

At least once: what a mail server took just before this process died is sent again, with the same
Message-ID. A notice is never sent for what did not commit, because it is committed with it. Nothing about
a person is in a mail, in the address of a page, or in the log; a mail's only secret is the one-time code to
answer with, which is made when the mail is written and stored nowhere but as a hash.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

import aiosmtplib
import msgspec
import structlog

from directory import mailboxes, upkeep_links
from directory.actors import SYSTEM
from directory.database import Database, Unavailable, Work
from directory.days import local_day
from directory.problems import NotFound
from graphapi import mail_texts
from graphapi.relay import global_id
from graphapi.saved_searches import MAILBOX, found_by
from graphapi.settings import MailServer, Settings, mail_server
from graphapi.types.answer_link import PATH
from graphapi.types.upkeep import UPKEEP
from referrals import notices, outbox
from referrals.answer_links import issue
from referrals.codes import CodePurpose, hash_of, new_code
from referrals.outbox import Claimed, reference_of
from referrals.personal_data.sealing import MasterKey
from referrals.problems import TransitionNotAllowed
from referrals.troubles import kind_of
from referrals.vocabulary import NoticeAbout, NoticeKind
from search.saving import ToldSearch, digest, told

log: Final = structlog.get_logger("mail")

SMTP_SECONDS: Final = 30.0
"""How long the mail server may take for one answer."""

CASE_PATH: Final = "/cases/{id}"
"""Page of a referral, booking or service; who opens it signs in."""

ANSWER_PATH: Final = PATH + "{code}"
"""Page to answer without an account; it works without JavaScript, so the code must reach the server."""

UPKEEP_PATH: Final = UPKEEP + "{code}"
"""Page with which a partner keeps its entries without an account."""

MAILBOX_PATH: Final = MAILBOX + "{code}"
"""Page with which the reader of a member's mailbox says yes to mail, or no more."""

CodeFor: TypeAlias = Callable[[Work, UUID], Awaitable[str | None]]
"""Makes the one-time code with which the recipient of a referral answers, in the work that claims the
notice (as SYSTEM); None when there is none to give. The mail carries it; only its hash is stored."""


async def answer_code(work: Work, referral_id: UUID, master: MasterKey | None = None) -> str | None:
    """Return the one-time code for the recipient of a referral, or None when nobody waits for it any more.

    With ``master`` the mails about one stage of a referral all carry the same code, while its link lives.
    """
    try:
        return (await issue(work, referral_id, master=master)).code
    except (NotFound, TransitionNotAllowed):
        return None


async def upkeep_code(work: Work, partner_id: UUID) -> str:
    """Return a new one-time code with which a partner keeps its entries (as SYSTEM)."""
    code = new_code()
    await upkeep_links.issue(work, partner_id, hash_of(code, CodePurpose.UPKEEP))
    return code


async def mailbox_code(work: Work, member_id: UUID, address: str) -> str:
    """Return a new one-time code with which the reader of an address says yes to mail, or no more."""
    code = new_code()
    await mailboxes.issue(work, member_id, address, hash_of(code, CodePurpose.MAILBOX))
    return code


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """How this installation sends mail; ``public_url`` begins every link."""

    server: MailServer
    sender: str
    public_url: str

    @property
    def domain(self) -> str:
        """The domain of the sender, in ASCII: what Message-IDs end in."""
        return _ascii_host(self.sender.rpartition("@")[2])


def mail_of(settings: Settings) -> Mail | None:
    """Return how mail is sent, or None when the settings name no mail server."""
    if settings.smtp_url is None or settings.mail_from is None or settings.public_url is None:
        return None
    return Mail(
        server=mail_server(settings.smtp_url.get_secret_value()),
        sender=settings.mail_from,
        public_url=settings.public_url,
    )


class Tally(msgspec.Struct, kw_only=True):
    """What a round of sending did; counts of notices."""

    sent: int = 0
    bounced: int = 0
    put_off: int = 0
    without_mail: int = 0
    overtaken: int = 0
    undeliverable_or_unneeded: int = 0
    set_aside: int = 0


def _ascii_host(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _for_the_wire(address: str) -> Address:
    """Return an address whose host every mail server understands (IDNA)."""
    local, _, host = address.rpartition("@")
    return Address(username=local, domain=_ascii_host(host))


_TYPES: Final = {
    NoticeAbout.REFERRAL: "Referral",
    NoticeAbout.APPROVAL: "Referral",
    NoticeAbout.BOOKING: "Booking",
    NoticeAbout.CONSENT: "Consent",
    NoticeAbout.SERVICE: "Service",
    NoticeAbout.PARTNER: "Partner",
    NoticeAbout.MEMBER: "Member",
}


def compose(
    mail: Mail, claimed: Claimed, now: datetime, code: str | None, searches: tuple[ToldSearch, ...] = ()
) -> EmailMessage:
    """Return the message: plain text in UTF-8, with an id that is the same at every attempt.

    ``searches``: what a member's saved searches have found, for a mail that tells of it.
    """
    if claimed.about_kind is NoticeAbout.MEMBER:
        return _to_member(mail, claimed, now, code or "", searches)
    page = UPKEEP_PATH if claimed.keeps else ANSWER_PATH
    about = CASE_PATH.format(id=global_id(_TYPES[claimed.about_kind], claimed.about_id))
    text = mail_texts.write(
        claimed.kind,
        claimed.language,
        reference=reference_of(claimed.about_id),
        asking=claimed.asking,
        due=None if claimed.due_at is None else local_day(claimed.due_at),
        link=mail.public_url + about,
        answer_link=None if code is None else mail.public_url + page.format(code=code),
        keeps=claimed.keeps,
        addressee=claimed.addressee,
    )
    return _message(mail, claimed, now, text)


def _to_member(
    mail: Mail, claimed: Claimed, now: datetime, code: str, searches: tuple[ToldSearch, ...]
) -> EmailMessage:
    page = mail.public_url + MAILBOX_PATH.format(code=code)
    text = mail_texts.write_to_member(
        claimed.kind,
        claimed.language,
        page=page,
        searches=found_by(searches, claimed.language, mail.public_url),
    )
    message = _message(mail, claimed, now, text)
    if claimed.kind is NoticeKind.SEARCH_NEWS:
        message["List-Unsubscribe"] = f"<{page}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    return message


def _message(mail: Mail, claimed: Claimed, now: datetime, text: mail_texts.MailText) -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = _for_the_wire(mail.sender)
    message["To"] = _for_the_wire(claimed.address)
    message["Subject"] = text.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{claimed.id}@{mail.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office notes in return
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text.body, charset="utf-8")
    message["Content-Language"] = mail_texts.language_for(claimed.language)
    return message


class _Refused(Exception):
    """The mail server refused one mail; ``for_good``: it will not take it later either."""

    def __init__(self, code: int | None, *, for_good: bool) -> None:
        super().__init__(code)
        self.code = code
        self.for_good = for_good


class _OutOfReach(Exception):
    """Our own mail server does not answer, does not let us in, or does not take our sender."""


async def _hand_over(server: aiosmtplib.SMTP, message: EmailMessage) -> None:
    """Give one mail to the server; returns once the server has taken it."""
    try:
        await server.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        code = refused.recipients[0].code if refused.recipients else None
        raise _Refused(code, for_good=code is not None and code >= 500) from None
    except aiosmtplib.SMTPSenderRefused as refused:
        # Says nothing about the recipient: our address is not welcome on our own server.
        raise _OutOfReach(f"sender-{refused.code}") from None
    except aiosmtplib.SMTPNotSupported:
        raise _Refused(None, for_good=True) from None
    except aiosmtplib.SMTPResponseException as refused:
        if refused.code == 421:  # the server is closing (RFC 5321, 3.8)
            raise _OutOfReach("421") from None
        raise _Refused(refused.code, for_good=refused.code >= 500) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _OutOfReach(type(error).__name__) from None


class Mailer:
    """Sends what is due; ``mail`` None: nothing is sent, and every notice says so."""

    def __init__(
        self,
        database: Database,
        mail: Mail | None,
        code_for: CodeFor = answer_code,
        *,
        claim: timedelta = outbox.CLAIM,
        batch: int = outbox.BATCH,
    ) -> None:
        self._database = database
        self._mail = mail
        self._code_for = code_for
        self._claim = claim
        self._batch = batch

    async def send_due(self) -> Tally:
        """Send everything that is due now, in batches; may run in several processes at once."""
        tally = Tally()
        await self._round(tally, partial(outbox.claim_again, self._database))
        while await self._round(tally, partial(outbox.claim_batch, self._database, limit=self._batch)):
            pass
        if tally != Tally():
            log.info("notices", **msgspec.to_builtins(tally))
        return tally

    async def _round(self, tally: Tally, claim: Callable[..., Awaitable[outbox.Batch]]) -> bool:
        """Send one batch; return whether there may be more."""
        began = time.monotonic()
        batch = await claim(for_long=self._claim)
        claimed, more = batch.claimed, batch.looked_at + batch.set_aside >= self._batch
        tally.undeliverable_or_unneeded += batch.looked_at - len(claimed)
        tally.set_aside += batch.set_aside
        if self._mail is None:
            async with self._database.work(SYSTEM) as work:
                await outbox.without_mail(work, claimed)
            tally.without_mail += len(claimed)
            return more
        waiting = list(claimed)
        if not waiting:
            return more
        until = began + self._claim.total_seconds() - 2 * SMTP_SECONDS
        try:
            async with _connected(self._mail.server) as server:
                while waiting and (time.monotonic() < until or len(waiting) == len(claimed)):
                    await self._send_or_put_off(server, self._mail, waiting[0], tally)
                    waiting.pop(0)
        except _OutOfReach as error:
            # Not one of them is lost: they stay in the outbox until the server is back.
            log.warning("the mail server is out of reach", error=str(error), notices=len(waiting))
            async with self._database.work(SYSTEM) as work:
                await outbox.out_of_reach(work, waiting)
            tally.put_off += len(waiting)
            return False
        if waiting:
            async with self._database.work(SYSTEM) as work:
                await outbox.release(work, waiting)
            return True
        return more

    async def _send_or_put_off(self, server: aiosmtplib.SMTP, mail: Mail, one: Claimed, tally: Tally) -> None:
        """Send one notice; one that cannot be written for whatever reason stops no other."""
        try:
            await self._send(server, mail, one, tally)
        except (_OutOfReach, Unavailable):
            raise
        except Exception as error:
            log.error("a notice cannot be sent", notice=str(one.id), error=kind_of(error))
            await self._put_off(one, None, tally, for_good=False)

    async def _put_off(self, one: Claimed, code: int | None, tally: Tally, *, for_good: bool) -> None:
        async with self._database.work(SYSTEM) as work:
            if for_good or not await outbox.again(work, one, code):
                await outbox.bounced(work, one, code)
                tally.bounced += 1
            else:
                tally.put_off += 1

    async def _send(self, server: aiosmtplib.SMTP, mail: Mail, one: Claimed, tally: Tally) -> None:
        code: str | None = None
        searches: tuple[ToldSearch, ...] = ()
        async with self._database.work(SYSTEM) as work:
            wanted = await outbox.still_to_send(work.session, one)
            if wanted and one.answers:
                code = await self._code_for(work, one.about_id)
            elif wanted and one.keeps:
                code = await upkeep_code(work, one.about_id)
            elif wanted and one.about_kind is NoticeAbout.MEMBER:
                if one.kind is NoticeKind.SEARCH_NEWS:
                    searches = await digest(work, self._database.reader, one.about_id)
                    wanted = bool(searches)
                if wanted:
                    code = await mailbox_code(work, one.about_id, one.address)
                else:  # hidden or deleted meanwhile: there is nothing to tell any more
                    await notices.cancel(work, [one.about_id])
        if not wanted:
            tally.overtaken += 1
            return
        message = compose(mail, one, self._database.clock(), code, searches)
        try:
            await _hand_over(server, message)
        except _Refused as refused:
            log.warning("notice refused", notice=str(one.id), code=refused.code, for_good=refused.for_good)
            await self._put_off(one, refused.code, tally, for_good=refused.for_good)
            return
        async with self._database.work(SYSTEM) as work:
            await outbox.sent(work, one)
            await told(work, searches)
        tally.sent += 1


@asynccontextmanager
async def _connected(server: MailServer) -> AsyncIterator[aiosmtplib.SMTP]:
    """Open a session with a mail server, encrypted and signed in as its address says."""
    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls,
        start_tls=server.starttls,
        username=server.user,
        password=server.password,
        tls_context=ssl.create_default_context() if server.tls or server.starttls else None,
        timeout=SMTP_SECONDS,
    )
    try:
        try:
            await smtp.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _OutOfReach(type(error).__name__) from None
        yield smtp
        with suppress(aiosmtplib.SMTPException, OSError):
            await smtp.quit()
    finally:
        smtp.close()  # whoever is stopped does not wait for a goodbye
