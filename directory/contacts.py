"""Phone numbers, mail addresses and web addresses: checked and brought into one form. Pure, no network."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

import phonenumbers

from directory.problems import InvalidInput
from directory.values import ContactPoint
from directory.vocabulary import ContactKind

HOME_REGION: Final = "DE"
"""A number without a country code is read as a German one."""

LONGEST_URL: Final = 2_000
LONGEST_VALUE: Final = 300
"""Bound of ``ContactPoint.value``."""
LONGEST_MAIL: Final = 254  # RFC 5321, 4.5.3.1.3

_MAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?P<host>[^@\s]+)"
)
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_EXTENSION: Final = re.compile(r"[0-9]{1,10}")


def _plain_host(host: str) -> bool:
    """Whether a host is a name with a dot, in letters the DNS carries (IDNA) or can be turned into them."""
    try:
        ascii_host = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError:
        return False
    labels = ascii_host.rstrip(".").split(".")
    return (
        len(ascii_host) <= 253
        and len(labels) >= 2
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def phone(given: str, field: str) -> str:
    """Return a phone number as E.164; a German national number is read as such.

    Raises InvalidInput(reason "phone") for what cannot be a number of its country.

    >>> phone("0355 612-0", "value")
    '+493556120'
    """
    try:
        if len(given) > 60:
            raise InvalidInput(field, "phone")
        number = phonenumbers.parse(given, HOME_REGION)
    except phonenumbers.NumberParseException:
        raise InvalidInput(field, "phone") from None
    # "possible", not "valid": 110, 116117 and numbers of new ranges are numbers that people can dial
    if (
        number.extension
        or (number.national_number or 0) < 100
        or not (phonenumbers.is_possible_number(number) or phonenumbers.is_valid_number(number))
    ):
        raise InvalidInput(field, "phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mail(given: str, field: str) -> str:
    """Return a mail address with its host in small letters; raises InvalidInput(reason "mail").

    Plausible only: whether somebody reads there is found out by writing.

    >>> mail("Info@Example.ORG", "value")
    'Info@example.org'
    """
    text = given.strip()
    match = _MAIL.fullmatch(text)
    if match is None or len(text) > LONGEST_MAIL or text.index("@") > 64 or not _plain_host(match["host"]):
        raise InvalidInput(field, "mail")
    return f"{text[: text.index('@')]}@{match['host'].lower()}"


def url(given: str, field: str) -> str:
    """Return a web address; only http and https, without credentials. Raises InvalidInput(reason "url").

    >>> url("https://example.org/kurse?b1", "website")
    'https://example.org/kurse?b1'
    """
    text = given.strip()
    if not text or len(text) > LONGEST_URL or any(c.isspace() or not c.isprintable() for c in text):
        raise InvalidInput(field, "url")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput(field, "url") from None
    if (
        parts.scheme.lower() not in {"http", "https"}
        or "\\" in text
        or parts.username is not None
        or parts.password is not None
        or port == 0
        or not (_plain_host(host) or _is_address(host))
    ):
        raise InvalidInput(field, "url")
    return unicodedata.normalize("NFC", text)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def contact_point(given: ContactPoint, field: str) -> ContactPoint:
    """Return a contact point whose value is in its one form; the label and languages are left as they are.

    Raises InvalidInput on ``<field>.value`` or ``<field>.extension``.
    """
    value = f"{field}.value"
    match given.kind:
        case ContactKind.PHONE:
            normal = phone(given.value, value)
        case ContactKind.EMAIL:
            normal = mail(given.value, value)
        case ContactKind.WEB:
            normal = url(given.value, value)
    if len(normal) > LONGEST_VALUE:
        raise InvalidInput(value, "too-long", maximum=str(LONGEST_VALUE))
    if given.extension is not None and (
        given.kind is not ContactKind.PHONE or not _EXTENSION.fullmatch(given.extension)
    ):
        raise InvalidInput(f"{field}.extension", "format")
    return ContactPoint(
        kind=given.kind,
        value=normal,
        extension=given.extension,
        label=given.label,
        languages=given.languages,
    )
