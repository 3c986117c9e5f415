"""What HSDS and lists answer when they do not give data: problems (RFC 9457), German and English. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from graphapi.hsds.parameters import Refused
from graphapi.messages import MessageLanguage

PROBLEM_TYPE: Final = "application/problem+json"

REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "query": {
        "de": "Die Parameter der Adresse sind nicht lesbar.",
        "en": "The parameters of the address cannot be read.",
    },
    "query-too-long": {
        "de": "Die Parameter der Adresse sind zu lang; erlaubt sind {maximum} Zeichen.",
        "en": "The parameters of the address are too long; {maximum} characters are allowed.",
    },
    "unknown-parameter": {
        "de": "Diesen Parameter gibt es hier nicht. Es gibt: {known}.",
        "en": "There is no such parameter here. There are: {known}.",
    },
    "doubled": {
        "de": "Dieser Parameter steht zu oft da.",
        "en": "This parameter is given too often.",
    },
    "too-long": {
        "de": "Der Wert ist zu lang oder enthält unerlaubte Zeichen.",
        "en": "The value is too long or has characters that are not allowed.",
    },
    "number": {
        "de": "Der Wert muss eine Zahl von {minimum} bis {maximum} sein.",
        "en": "The value must be a number from {minimum} to {maximum}.",
    },
    "one-of": {
        "de": "Der Wert muss einer von diesen sein: {values}.",
        "en": "The value must be one of: {values}.",
    },
    "uuid": {
        "de": "Der Wert muss eine UUID sein.",
        "en": "The value must be a UUID.",
    },
    "moment": {
        "de": "Der Wert muss ein Zeitpunkt nach RFC 3339 sein, z. B. 2026-11-22T18:00:00Z.",
        "en": "The value must be a moment after RFC 3339, e.g. 2026-11-22T18:00:00Z.",
    },
    "day": {
        "de": "Der Wert muss ein Tag sein, z. B. 2026-11-22.",
        "en": "The value must be a day, e.g. 2026-11-22.",
    },
    "not-a-number": {
        "de": "Der Wert muss eine Zahl sein, mit Punkt statt Komma.",
        "en": "The value must be a number.",
    },
    "regional-key": {
        "de": "Der Wert muss der amtliche Regionalschlüssel (ARS) einer Gemeinde oder eines Kreises "
        "mit zwölf Ziffern sein, z. B. 120520000000.",
        "en": "The value must be the official regional key (ARS) of a municipality or district, twelve "
        "digits, e.g. 120520000000.",
    },
    "language-tag": {
        "de": "Der Wert muss eine Sprache sein (BCP 47), z. B. de oder ti.",
        "en": "The value must be a language (BCP 47), e.g. de or ti.",
    },
    "too-many-rows": {
        "de": "Das sind mehr als {maximum} Zeilen. Bitte die Filter enger fassen, oder /feed oder /hsds/ "
        "lesen.",
        "en": "That is more than {maximum} rows. Narrow the filters, or follow /feed or /hsds/.",
    },
    "not-together": {
        "de": "Dieser Parameter geht nicht zusammen mit: {other}.",
        "en": "This parameter does not go together with: {other}.",
    },
    "needs": {
        "de": "Dieser Parameter braucht auch: {other}.",
        "en": "This parameter needs this one too: {other}.",
    },
    "postcode-unknown": {
        "de": "Kein veröffentlichter Ort im Verzeichnis hat diese Postleitzahl; wo sie liegt, ist hier "
        "nicht bekannt.",
        "en": "No published place of the directory has this postcode; where it lies is not known here.",
    },
    "search": {
        "de": "Mit diesen Suchwörtern kann nicht gesucht werden: zu viele oder zu lang.",
        "en": "These words cannot be searched for: too many or too long.",
    },
    "too-many-services": {
        "de": "Diese Organisationen haben mehr als {maximum} Angebote. Bitte weniger auf einmal abrufen "
        "(per_page) oder /hsds/services?organization_id=… verwenden.",
        "en": "These organisations have more than {maximum} services. Please ask for fewer at once "
        "(per_page), or use /hsds/services?organization_id=….",
    },
    "profile": {
        "de": "Dieses Profil gibt es nicht; es gibt: de.",
        "en": "There is no such profile; there is: de.",
    },
    "not-found": {
        "de": "Hier ist nichts veröffentlicht.",
        "en": "Nothing is published here.",
    },
    "gone": {
        "de": "Dieser Eintrag wurde gelöscht.",
        "en": "This entry was deleted.",
    },
    "method": {
        "de": "Hier wird nur gelesen: {methods}.",
        "en": "This is for reading only: {methods}.",
    },
    "body": {
        "de": "Die Parameter stehen in der Adresse, auch bei POST; ein Inhalt wird nicht gelesen.",
        "en": "Parameters stand in the address, with POST too; a body is not read.",
    },
    "busy": {
        "de": "Gerade laufen zu viele Abrufe ganzer Bestände. Bitte in {seconds} Sekunden wieder versuchen.",
        "en": "Too many whole lists are being read just now. Please try again in {seconds} seconds.",
    },
    "unavailable": {
        "de": "Der Dienst ist gerade nicht erreichbar. Bitte in {seconds} Sekunden wieder versuchen.",
        "en": "The service cannot be reached just now. Please try again in {seconds} seconds.",
    },
    "unexpected": {
        "de": "Unerwarteter Fehler.",
        "en": "Unexpected error.",
    },
}

_TITLES: Final = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    413: "Content Too Large",
    414: "URI Too Long",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def sentence(refused: Refused, language: MessageLanguage) -> str:
    """Return what is wrong, for people."""
    return REASONS[refused.reason][language].format(**refused.values)


def problem(refused: Refused, language: MessageLanguage) -> bytes:
    """Return the problem document of a refusal: what is wrong, with which parameter, in a stable code."""
    detail: dict[str, Any] = {
        "title": _TITLES[refused.status],
        "status": refused.status,
        "detail": sentence(refused, language),
        "code": refused.reason,
    }
    if refused.parameter is not None:
        detail["parameter"] = refused.parameter
    return msgspec.json.encode(detail)
