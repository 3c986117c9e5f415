"""What a person is shown before they consent, and the receipt when they withdraw: as page text and on paper.

Pure. The words stand in ``consent_texts/<version>/<language>.toml``. A published version is never changed, so
what somebody was shown can be made again, byte for byte, from the terms, the version and the language; its
SHA-256 stands in the consent record (GDPR Art. 7(1): the controller must be able to prove it). German binds;
every other language is shown with the German text beside it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import resources
from string import Formatter
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from directory.days import ZONE
from directory.languages import right_to_left
from directory.problems import InvalidInput
from directory.vocabulary import DataProtectionLaw
from referrals.consent.rules import (
    LARGEST,
    LEGAL_BASIS,
    PURPOSES_WITH_DATA,
    SPECIAL_BASIS,
    section_87_applies,
    terms_of,
)
from referrals.printing import (
    Beside,
    Bullets,
    Choice,
    Heading,
    Option,
    Paragraph,
    Printout,
    Rows,
    SignatureLine,
    Single,
    Title,
    isolated,
)
from referrals.printing import Notice as Frame
from referrals.values import ConsentTerms, Party, PurposeTerms, SecrecyRelease, Withdrawal
from referrals.vocabulary import (
    DataCategory,
    GivenBy,
    InterpreterKind,
    LegalBasis,
    Purpose,
    SpecialBasis,
    WithdrawalScope,
)

TEXT_ID: Final = "spurwechsel.consent"
"""Id of the notice, whatever its version."""

CURRENT: Final = "2026-11"
"""The version that is put before people now."""

BINDING: Final = "de"
"""The language whose text binds."""

NEAREST: Final = {"prs": "fa", "tg": "fa"}
"""Languages that are read in the text of another."""

BASIS_IN_LAW: Final[dict[LegalBasis | SpecialBasis, str]] = {
    LegalBasis.GDPR_6_1_A: "Art. 6 Abs. 1 Buchst. a DSGVO",
    LegalBasis.KDG_6_1_B: "§ 6 Abs. 1 Buchst. b KDG",
    LegalBasis.DSG_EKD_6_2: "§ 6 Nr. 2 DSG-EKD",
    SpecialBasis.GDPR_9_2_A: "Art. 9 Abs. 2 Buchst. a DSGVO",
    SpecialBasis.KDG_11_2_A: "§ 11 Abs. 2 Buchst. a KDG",
    SpecialBasis.DSG_EKD_13_2_1: "§ 13 Abs. 2 Nr. 1 DSG-EKD",
}
"""How the legal bases are cited, in every language."""

RIGHTS_IN_LAW: Final = {
    DataProtectionLaw.GDPR: "Art. 15–20, 77 DSGVO",
    DataProtectionLaw.KDG: "§§ 17–22, 48 KDG",
    DataProtectionLaw.DSG_EKD: "§§ 19–24, 46 DSG-EKD",
}
"""Where the rights of the person stand, in the law that binds the controller."""

BOX: Final = "☐"


class LineKind(StrEnum):
    """How a line of a notice is meant."""

    TEXT = "TEXT"
    BULLET = "BULLET"
    ROW = "ROW"
    CHOICE = "CHOICE"
    SIGNATURE = "SIGNATURE"


class SectionKey(StrEnum):
    """The parts of a notice, in the order in which they are shown."""

    SECTION_87 = "SECTION_87"
    ABOUT = "ABOUT"
    CONTROLLER = "CONTROLLER"
    RECIPIENTS = "RECIPIENTS"
    PURPOSES = "PURPOSES"
    DURATION = "DURATION"
    WITHDRAWAL = "WITHDRAWAL"
    FREE = "FREE"
    RIGHTS = "RIGHTS"
    DECISION = "DECISION"
    RELEASE = "RELEASE"
    RECEIPT = "RECEIPT"


class NoticeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: running text, a point, a (label, text), a choice with its boxes, or lines to fill in."""

    kind: LineKind = LineKind.TEXT
    text: str = ""
    label: str | None = None
    options: tuple[str, ...] = ()


class NoticeSection(msgspec.Struct, frozen=True, kw_only=True):
    """One part under its heading."""

    key: SectionKey
    heading: str
    lines: tuple[NoticeLine, ...]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown: ``sections`` in the person's language; ``binding`` the German ones, unless that is it.

    ``text`` is all of it as page text, ``sha256`` the hash of its UTF-8 bytes.
    """

    text_id: str
    version: str
    language: str
    right_to_left: bool
    title: str
    sections: tuple[NoticeSection, ...]
    binding_title: str | None
    binding: tuple[NoticeSection, ...]
    text: str
    sha256: str


_Table: TypeAlias = "dict[str, str | dict[str, str]]"


@cache
def versions() -> tuple[str, ...]:
    """Return the versions of the texts, oldest first."""
    folder = resources.files("referrals.consent").joinpath("consent_texts")
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))


@cache
def languages(version: str = CURRENT) -> tuple[str, ...]:
    """Return the languages (BCP 47) that a version exists in."""
    folder = resources.files("referrals.consent").joinpath("consent_texts", version)
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()))


def language_for(tag: str, version: str = CURRENT) -> str | None:
    """Return the language of this version that a reader of ``tag`` (BCP 47) is shown; None: there is none."""
    primary = tag.split("-")[0]
    known = languages(version)
    return next((one for one in (tag, primary, NEAREST.get(primary, "")) if one in known), None)


@cache
def _table(version: str, language: str) -> _Table:
    file = resources.files("referrals.consent").joinpath("consent_texts", version, f"{language}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


class _Words:
    """The words of one language in one version."""

    def __init__(self, version: str, language: str) -> None:
        self.language = language
        self._table = _table(version, language)
        self._turns = right_to_left(language)

    def value(self, text: str) -> str:
        """Return a name or number so that it keeps its direction."""
        return isolated(text) if self._turns else text

    def say(self, path: str, **values: str) -> str:
        """Return the words at ``section.key`` (or ``key``), filled in."""
        first, _, last = path.partition(".")
        found = self._table[first]
        template = found[last] if isinstance(found, dict) else found
        return Formatter().vformat(template, (), values)

    def joined(self, parts: Iterable[str]) -> str:
        """Return an enumeration."""
        found = list(parts)
        return self.say("and").join(found) if found else self.say("none")

    def categories(self, categories: Iterable[DataCategory]) -> str:
        """Return data categories in words, in their fixed order."""
        named = set(categories)
        return self.joined(self.say(f"category.{one}") for one in DataCategory if one in named)

    def day(self, day: date) -> str:
        """Return a date as it is written in Germany."""
        return self.value(f"{day:%d.%m.%Y}")


class _Writer:
    """Writes the sections in one language; ``beside`` is that of the German words to add where one signs.

    ``signed``: boxes and lines are here. Of two languages only one has them, or two answers could differ.
    """

    def __init__(self, words: _Words, beside: _Words | None, *, signed: bool) -> None:
        self.words = words
        self._beside = beside
        self._signed = signed

    def text(self, path: str, **values: str) -> NoticeLine:
        return NoticeLine(text=self.words.say(path, **values))

    def row(self, path: str, value: str) -> NoticeLine:
        return NoticeLine(kind=LineKind.ROW, label=self.words.say(path), text=value)

    def bullet(self, text: str) -> NoticeLine:
        return NoticeLine(kind=LineKind.BULLET, text=text)

    def _both(self, path: str) -> str:
        mine = self.words.say(path)
        if self._beside is None:
            return mine
        return f"{mine} / {self.words.value(self._beside.say(path))}"

    def choice(self, text: str, *options: str) -> NoticeLine:
        if not self._signed:
            return NoticeLine(text=text)
        return NoticeLine(kind=LineKind.CHOICE, text=text, options=tuple(map(self._both, options)))

    def signature(self, *labels: str) -> tuple[NoticeLine, ...]:
        if not self._signed:
            return ()
        return (NoticeLine(kind=LineKind.SIGNATURE, options=tuple(map(self._both, labels))),)

    def section(self, key: SectionKey, heading: str, *lines: NoticeLine) -> NoticeSection:
        return NoticeSection(key=key, heading=self.words.say(heading), lines=lines)

    # --- The parts --------------------------------------------------------------------------------------

    def section_87(self, parties: Sequence[Party]) -> NoticeSection:
        bodies = self.words.joined(self.words.value(party.name) for party in parties)
        return self.section(
            SectionKey.SECTION_87,
            "section_87.heading",
            self.text("section_87.text", bodies=bodies),
            self.text("section_87.advice"),
        )

    def controller(self, terms: ConsentTerms) -> NoticeSection:
        words, party = self.words, terms.controller
        lines = [self.row("controller.name", words.value(party.name))]
        if party.contact is not None:
            lines.append(self.row("controller.contact", words.value(party.contact)))
        lines += [
            self.row("controller.law", words.say(f"law.{party.law}")),
            self.text("controller.basis", basis=words.value(BASIS_IN_LAW[LEGAL_BASIS[party.law]])),
        ]
        if terms.special_basis is not None:
            special = words.value(BASIS_IN_LAW[SPECIAL_BASIS[party.law]])
            lines.append(self.text("controller.special", basis=special))
        return self.section(SectionKey.CONTROLLER, "controller.heading", *lines)

    def recipients(self, terms: ConsentTerms) -> NoticeSection:
        words = self.words
        asked = {c for one in terms.purposes if one.purpose in PURPOSES_WITH_DATA for c in one.categories}
        lines = []
        for party in terms.recipients:
            parts = [words.value(party.name)]
            if party.contact is not None:
                parts.append(words.say("recipients.contact", contact=words.value(party.contact)))
            parts.append(words.say("recipients.law", law=words.say(f"law.{party.law}")))
            lines.append(self.bullet(" · ".join(parts)))
            never = asked - LARGEST[party.kind]
            if never:
                name = words.value(party.name)
                lines.append(self.text("recipients.never", name=name, categories=words.categories(never)))
        lines.append(self.text("recipients.only"))
        return self.section(SectionKey.RECIPIENTS, "recipients.heading", *lines)

    def purpose(self, entry: PurposeTerms) -> str:
        parts = [self.words.say(f"purposes.{entry.purpose}")]
        if entry.purpose is Purpose.REPORT_BACK:
            parts.append(self.words.say(f"depth.{entry.report_depth}"))
        if entry.categories:
            named = self.words.categories(entry.categories)
            parts.append(self.words.say("purposes.categories", categories=named))
        if entry.ends_on is not None:
            parts.append(self.words.say("purposes.until", date=self.words.day(entry.ends_on)))
        return " ".join(parts)

    def purposes(self, terms: ConsentTerms) -> NoticeSection:
        return self.section(
            SectionKey.PURPOSES,
            "purposes.heading",
            self.text("purposes.text"),
            *(self.choice(self.purpose(entry), "yes", "no") for entry in terms.purposes),
        )

    def rights(self, party: Party) -> NoticeSection:
        words = self.words
        return self.section(
            SectionKey.RIGHTS,
            "rights.heading",
            self.text("rights.text", articles=words.value(RIGHTS_IN_LAW[party.law])),
            self.text("rights.complaint", supervision=words.say(f"supervision.{party.law}")),
        )

    def decision(self) -> NoticeSection:
        say = self.words.say
        return self.section(
            SectionKey.DECISION,
            "decision.heading",
            self.text("decision.text"),
            self.choice(say("decision.by"), *(f"decision.{one}" for one in GivenBy)),
            *self.signature("decision.representative"),
            self.choice(say("decision.interpreted"), *(f"decision.{one}" for one in InterpreterKind)),
            *self.signature("decision.interpreter"),
            *self.signature("decision.place", "decision.signature"),
        )

    def release(self, terms: ConsentTerms) -> NoticeSection:
        say, value = self.words.say, self.words.value
        names = {party.partner_id: party.name for party in (terms.controller, *terms.recipients)}

        # nobody is released to tell what the other side never gets
        largest = {party.partner_id: LARGEST[party.kind] for party in terms.recipients}

        def about(release: SecrecyRelease) -> NoticeLine:
            told = set(release.about) & largest.get(release.towards, frozenset())
            what = [self.words.categories(told)] if told else []
            if release.about_outcome:
                what.append(say("release.outcome"))
            return self.bullet(
                say(
                    "release.about",
                    released=value(names[release.released]),
                    towards=value(names[release.towards]),
                    what=self.words.joined(what),
                )
            )

        return self.section(
            SectionKey.RELEASE,
            "release.heading",
            self.text("release.text"),
            *(about(release) for release in terms.releases),
            self.choice(say("release.choice"), "yes", "no"),
            *self.signature("decision.place", "decision.signature"),
        )

    def all(self, terms: ConsentTerms) -> tuple[NoticeSection, ...]:
        bodies = public_bodies(terms)
        plain = ("duration", "withdrawal", "free")
        sections = [self.section_87(bodies)] if bodies else []
        sections += [
            self.section(SectionKey.ABOUT, "about.heading", self.text("about.text")),
            self.controller(terms),
            self.recipients(terms),
            self.purposes(terms),
            *(
                self.section(SectionKey[one.upper()], f"{one}.heading", self.text(f"{one}.text"))
                for one in plain
            ),
            self.rights(terms.controller),
            self.decision(),
        ]
        if terms.releases:
            sections.append(self.release(terms))
        return tuple(sections)


def public_bodies(terms: ConsentTerms) -> list[Party]:
    """Return the parties because of which the notice about § 87 AufenthG is due; empty when it is not."""
    parties = (terms.controller, *terms.recipients)
    return [party for party in parties if section_87_applies(party, party)]


def asked_terms(terms: ConsentTerms) -> ConsentTerms:
    """Return the terms as they were put before the person, without the decisions that were made since.

    Purposes and categories come in their fixed order: who asks for the same asks in the same words.
    """
    order, kinds = list(Purpose), list(DataCategory)
    purposes = [
        msgspec.structs.replace(entry, categories=tuple(sorted(entry.categories, key=kinds.index)))
        for entry in sorted(terms.purposes, key=lambda entry: order.index(entry.purpose))
    ]
    return terms_of(terms.controller, terms.recipients, purposes)


def _line_text(line: NoticeLine) -> str:
    match line.kind:
        case LineKind.BULLET:
            return f"• {line.text}"
        case LineKind.ROW:
            return f"{line.label}: {line.text}"
        case LineKind.CHOICE:
            return "\n".join((line.text, "  ".join(f"{BOX} {option}" for option in line.options)))
        case LineKind.SIGNATURE:
            return "\n".join(f"____________ {label}" for label in line.options)
        case LineKind.TEXT:
            return line.text


def _page_text(title: str, sections: Iterable[NoticeSection]) -> str:
    parts = ["\n".join((section.heading, *map(_line_text, section.lines))) for section in sections]
    return "\n\n".join((title, *parts))


def _finished(
    version: str,
    words: _Words,
    title: str,
    sections: tuple[NoticeSection, ...],
    binding: tuple[NoticeSection, ...],
) -> Notice:
    text = _page_text(words.say(title), sections)
    binding_title = None
    if binding:
        german = _Words(version, BINDING)
        binding_title = german.say(title)
        text = "\n\n".join((text, words.say("binding"), _page_text(binding_title, binding)))
    text = f"{text}\n"
    return Notice(
        text_id=TEXT_ID,
        version=version,
        language=words.language,
        right_to_left=right_to_left(words.language),
        title=words.say(title),
        sections=sections,
        binding_title=binding_title,
        binding=binding,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _writers(language: str, version: str) -> tuple[_Writer, _Writer | None]:
    if version not in versions():
        raise InvalidInput("version", "unknown-value")
    found = language_for(language, version)
    if found is None:
        raise InvalidInput("language", "no-notice-text", languages=", ".join(languages(version)))
    words = _Words(version, found)
    if found == BINDING:
        return _Writer(words, None, signed=True), None
    german = _Words(version, BINDING)
    return _Writer(words, german, signed=True), _Writer(german, None, signed=False)


def render_notice(terms: ConsentTerms, language: str, version: str = CURRENT) -> Notice:
    """Return what is shown to a person for these terms in their language.

    The same terms, language and version give the same text for ever, whatever was decided since. Raises
    InvalidInput (no such version; no text in this language, with the languages there are).
    """
    writer, german = _writers(language, version)
    asked = asked_terms(terms)
    return _finished(
        version, writer.words, "title", writer.all(asked), () if german is None else german.all(asked)
    )


def render_section_87(parties: Sequence[Party], language: str, version: str = CURRENT) -> Notice:
    """Return the notice about § 87 AufenthG alone, to be shown before any data are entered.

    ``parties``: the public bodies at either end. Raises InvalidInput as ``render_notice``.
    """
    writer, german = _writers(language, version)
    return _finished(
        version,
        writer.words,
        "section_87.heading",
        (writer.section_87(parties),),
        () if german is None else (german.section_87(parties),),
    )


# --- The receipt of a withdrawal ------------------------------------------------------------------------


def _receipt(
    writer: _Writer,
    terms: ConsentTerms,
    withdrawal: Withdrawal,
    remaining: ConsentTerms | None,
    days: int,
) -> NoticeSection:
    words, value = writer.words, writer.words.value
    names = {party.partner_id: party.name for party in terms.recipients}
    what = words.say(
        f"receipt.{withdrawal.scope}",
        purpose="" if withdrawal.purpose is None else words.say(f"purposes.{withdrawal.purpose}"),
        recipient="" if withdrawal.recipient is None else value(names[withdrawal.recipient]),
    )
    lines = [
        writer.row("receipt.number", value(str(withdrawal.receipt))),
        writer.row("receipt.at", value(f"{withdrawal.at.astimezone(ZONE):%d.%m.%Y %H:%M}")),
        writer.row("receipt.by", value(terms.controller.name)),
        writer.row("receipt.ended", what),
    ]
    cut_off = _cut_off(terms, withdrawal)
    if cut_off:
        named = words.joined(value(names[one]) for one in cut_off)
        lines.append(writer.text("receipt.access", recipients=named))
        lines.append(writer.text("receipt.answer", days=value(str(days))))
    if withdrawal.scope is WithdrawalScope.PURPOSE:
        lines.append(writer.text("receipt.purpose_ended"))
    lines.append(writer.text("receipt.course"))
    granted = [] if remaining is None else [entry for entry in remaining.purposes if entry.granted]
    if remaining is None or not granted:
        lines.append(writer.text("receipt.nothing_remaining"))
    else:
        lines.append(
            writer.text(
                "receipt.remaining",
                purposes=" ".join(words.say(f"purposes.{entry.purpose}") for entry in granted),
                recipients=words.joined(value(party.name) for party in remaining.recipients),
            )
        )
    contact = terms.controller.contact or terms.controller.name
    lines.append(writer.text("receipt.keep", contact=value(contact)))
    return NoticeSection(key=SectionKey.RECEIPT, heading=words.say("receipt.ended"), lines=tuple(lines))


def _cut_off(terms: ConsentTerms, withdrawal: Withdrawal) -> list[UUID]:
    if withdrawal.scope is WithdrawalScope.RECIPIENT and withdrawal.recipient is not None:
        return [withdrawal.recipient]
    if withdrawal.scope is WithdrawalScope.PURPOSE and withdrawal.purpose not in PURPOSES_WITH_DATA:
        return []
    return [party.partner_id for party in terms.recipients]


def render_receipt(
    terms: ConsentTerms, withdrawal: Withdrawal, remaining: ConsentTerms | None, *, answer_days: int
) -> Notice:
    """Return the person's receipt, in the language of the withdrawal; in German where there is no text in it.

    ``terms``: what was withdrawn from; ``remaining``: what goes on. It names nobody: the number is the proof.
    """
    version = withdrawal.text_version or CURRENT
    language = language_for(withdrawal.language, version) or BINDING
    writer, german = _writers(language, version)
    return _finished(
        version,
        writer.words,
        "receipt.title",
        (_receipt(writer, terms, withdrawal, remaining, answer_days),),
        () if german is None else (_receipt(german, terms, withdrawal, remaining, answer_days),),
    )


# --- On paper -------------------------------------------------------------------------------------------


def _printed(section: NoticeSection, language: str) -> tuple[Single, ...]:
    if section.key is SectionKey.SECTION_87:
        text = "\n".join(line.text for line in section.lines)
        return (Frame(heading=section.heading, text=text, language=language),)
    blocks: list[Single] = []
    if section.key is not SectionKey.RECEIPT:
        blocks.append(Heading(text=section.heading, language=language))
    for line in section.lines:
        match line.kind:
            case LineKind.TEXT:
                blocks.append(Paragraph(text=line.text, language=language))
            case LineKind.BULLET:
                blocks.append(Bullets(items=(line.text,), language=language))
            case LineKind.ROW:
                blocks.append(Rows(rows=((line.label or "", line.text),), language=language))
            case LineKind.CHOICE:
                options = tuple(Option(text=option) for option in line.options)
                blocks.append(Choice(text=line.text, options=options, language=language))
            case LineKind.SIGNATURE:
                blocks.append(SignatureLine(labels=line.options, language=language))
    return tuple(blocks)


def printout(notice: Notice) -> Printout:
    """Return the notice as pages to print and sign; the German text stands beside every other language."""
    footer = f"{notice.text_id} {notice.version} · {notice.language} · SHA-256 {notice.sha256[:16]}"
    if not notice.binding:
        blocks = [block for part in notice.sections for block in _printed(part, notice.language)]
        return Printout(language=notice.language, blocks=(Title(text=notice.title), *blocks), footer=footer)
    words = _Words(notice.version, notice.language)
    pairs = zip(notice.sections, notice.binding, strict=True)
    return Printout(
        language=notice.language,
        blocks=(
            Title(text=notice.title),
            Paragraph(text=notice.binding_title or "", language=BINDING, strong=True),
            Paragraph(text=words.say("binding"), small=True),
            *(
                Beside(left=_printed(mine, notice.language), right=_printed(german, BINDING))
                for mine, german in pairs
            ),
        ),
        footer=footer,
    )
