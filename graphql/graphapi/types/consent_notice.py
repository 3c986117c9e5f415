"""What a person is shown about a consent, as page text and as pages to print and sign."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec
import strawberry
from strawberry import Parent

from directory.problems import InvalidInput
from directory.values import LanguageTag
from graphapi.types.words import describe
from referrals.consent import notice as words
from referrals.consent.notice import LineKind, SectionKey
from referrals.printing import PDF, render
from referrals.vocabulary import ConsentWarning

describe(LineKind, "How a line of a notice is meant.")
describe(SectionKey, "The parts of a notice.")
describe(ConsentWarning, "What to think of before a consent is recorded; it stops nobody.")


def language_of(text: str) -> str:
    """Return the language that was asked for; raise InvalidInput when it is no BCP 47 tag."""
    try:
        return msgspec.convert(text, LanguageTag)
    except msgspec.ValidationError:
        raise InvalidInput("language", "format") from None


@strawberry.type(description="One line of a notice.")
class ConsentNoticeLine:
    """One line of a notice."""

    kind: LineKind = strawberry.field(description="How it is meant.")
    label: str | None = strawberry.field(description="For ROW: what the text is.")
    text: str = strawberry.field(description="The words.")
    options: list[str] = strawberry.field(
        description="For CHOICE: what can be ticked. For SIGNATURE: what is filled in."
    )


@strawberry.type(description="One part of a notice.")
class ConsentNoticeSection:
    """One part of a notice."""

    key: SectionKey = strawberry.field(description="Which part; SECTION_87 comes before anything else.")
    heading: str = strawberry.field(description="Its heading.")
    lines: list[ConsentNoticeLine] = strawberry.field(description="Its lines.")


@strawberry.type(description="Pages to print; the same for ever for the same text.")
class PrintedPages:
    """Pages to print."""

    media_type: str = strawberry.field(description="application/pdf")
    file_name: str = strawberry.field(description="A name for the file; it tells nothing about the person.")
    base64: str = strawberry.field(description="The file in base64.")


async def _pages(root: Parent[words.Notice]) -> Any:
    pdf = await asyncio.to_thread(render, words.printout(root))
    return PrintedPages(
        media_type=PDF,
        file_name=f"{root.text_id}-{root.version}-{root.language}-{root.sha256[:8]}.pdf",
        base64=base64.b64encode(pdf).decode(),
    )


@strawberry.type(
    description=(
        "What a person is shown, made from the terms, a version of the texts and a language: the same three "
        "give the same text for ever. German binds; beside every other language stands the German text."
    )
)
class ConsentNotice:
    """What a person is shown."""

    text_id: str = strawberry.field(description="Id of the text; goes into the record.")
    version: str = strawberry.field(description="Version of the text; goes into the record.")
    language: str = strawberry.field(description="BCP 47; goes into the record.")
    sha256: str = strawberry.field(
        description="SHA-256 of `text` in UTF-8, in hex; goes into the record, which is refused without it."
    )
    right_to_left: bool = strawberry.field(description="The language is written from right to left.")
    title: str = strawberry.field(description="The title.")
    sections: list[ConsentNoticeSection] = strawberry.field(description="The parts, in the language.")
    binding_title: str | None = strawberry.field(description="The title in German, beside a translation.")
    binding: list[ConsentNoticeSection] = strawberry.field(
        description="The parts in German, beside a translation; they bind."
    )
    text: str = strawberry.field(description="All of it as page text.")
    pages: PrintedPages = strawberry.field(
        resolver=_pages, graphql_type=PrintedPages, description="All of it as PDF, to print and sign."
    )
