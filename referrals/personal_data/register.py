"""The register of processing activities (GDPR Art. 30), written from ``holdings`` and ``retention``.

It says what this program does. Who the controller is, and what else it does, the town adds by hand.
"""

from __future__ import annotations

from typing import Final

import msgspec

from referrals.personal_data.access import period_text
from referrals.personal_data.holdings import ACTIVITIES, HOLDINGS, PUBLISHED, About, Activity, Kind
from referrals.personal_data.retention import BY_KEY, RULES
from referrals.printing import Block, Bullets, Heading, Notice, Paragraph, Printout, Rows, Title

LABELS: Final[dict[About | Kind, tuple[str, str]]] = {
    About.CLIENT: ("Teilnehmende", "participants"),
    About.MEMBER: ("Mitglieder der Organisationen", "members of the organisations"),
    About.INTERPRETER: ("Sprachmittelnde", "interpreters"),
    About.CONTACT: ("benannte Ansprechpersonen", "named contacts"),
    Kind.NAME: ("Namen", "names"),
    Kind.CONTACT: ("Erreichbarkeit", "contact"),
    Kind.PROFILE: ("Sprachen, Bedarfe, Wünsche", "languages, needs, wishes"),
    Kind.HEALTH_AND_PROFILE: (
        "Kompetenzen, Abschlüsse, Familie, Gesundheit (Art. 9 DSGVO)",
        "competences, qualifications, family, health (Art. 9 GDPR)",
    ),
    Kind.RESIDENCE: ("Aufenthaltsstatus, Rechtskreis", "residence status, legal circle"),
    Kind.CONVICTION: ("Ausschluss von der Förderung (Art. 10 DSGVO)", "exclusion (Art. 10 GDPR)"),
    Kind.COURSE: ("Verlauf, Termine, Ergebnisse", "course, appointments, outcomes"),
    Kind.DECLARATION: ("Erklärungen und Nachweise", "declarations and their proof"),
    Kind.OWN_WORDS: ("kurze freie Texte", "short free texts"),
    Kind.EMPLOYMENT: ("Dienststellung, dienstlicher Kontakt", "position, office contact"),
    Kind.ACCESS: ("Zugänge und Protokolle", "access and audit"),
    Kind.LINK: ("Kennungen, Aktenzeichen", "ids, file numbers"),
    Kind.TECHNICAL: ("technische Angaben", "technical data"),
}

MEASURES: Final[tuple[tuple[str, str], ...]] = (
    (
        "Angaben zur Person sind mit AES-256-GCM versiegelt, je Person mit einem eigenen Schlüssel",
        "data about a person are sealed with AES-256-GCM, under a key of each person's own",
    ),
    (
        "Schlüssel liegen in einer eigenen Datenbank, außerhalb der Sicherungen; "
        "Löschen vernichtet den Schlüssel",
        "keys lie in a database of their own, outside the backups; erasing destroys the key",
    ),
    (
        "Zeilenrechte der Datenbank (erzwungen) auf jeder Tabelle mit Personen; "
        "der Dienst besitzt keine Tabelle",
        "forced row-level security on every table about persons; the service owns no table",
    ),
    (
        "Empfänger lesen nur eingewilligte Datenarten, und nur solange die Einwilligung gilt",
        "recipients read consented categories only, and only while the consent is in force",
    ),
    (
        "Namen werden nur in der eigenen Organisation gefunden, über verschlüsselte Prüfsummen",
        "names are found in the own organisation only, through keyed hashes",
    ),
    (
        "Vier-Augen-Prinzip für Wiederöffnen und Zurücknehmen; jede Ansicht und Änderung wird protokolliert",
        "four eyes for reopening and taking back; every view and change is in the audit",
    ),
    (
        "Codes und Zugangstoken nur als Prüfsumme, befristet, widerrufbar, mit begrenzten Versuchen",
        "codes and tokens as hashes only, with an end, revocable, with limited attempts",
    ),
    (
        "keine Angaben zu Personen in Betriebsprotokollen, Adressen, E-Mails und Kennzahlen",
        "no data about persons in logs, addresses, mails and metrics",
    ),
    (
        "täglicher Löschlauf mit Nachweis; Löschsperre",
        "daily deletion run with a proof; legal hold",
    ),
)


class Processing(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the register, in one language."""

    title: str
    purpose: str
    legal_basis: str
    persons: tuple[str, ...]
    data: tuple[str, ...]
    recipients: str
    periods: tuple[tuple[str, str], ...]
    tables: tuple[str, ...]


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """The whole register; ``rules`` is the version of the periods."""

    language: str
    rules: str
    entries: tuple[Processing, ...]
    third_countries: str
    measures: tuple[str, ...]


def register(language: str = "de") -> Register:
    """Return the register of what this program processes, in German or English."""
    if language not in ("de", "en"):
        raise ValueError(language)
    second = language == "en"
    return Register(
        language=language,
        rules=RULES,
        entries=tuple(_entry(activity, language) for activity in ACTIVITIES),
        third_countries="none" if second else "keine",
        measures=tuple(measure[second] for measure in MEASURES),
    )


def _entry(activity: Activity, language: str) -> Processing:
    second = language == "en"
    holdings = [holding for holding in HOLDINGS if holding.activity == activity.key]
    columns = [column for holding in holdings for column in holding.columns]
    classes = list(dict.fromkeys(holding.retention for holding in holdings)) or ["directory"]
    if activity.key == "audit":
        classes.insert(0, "audit-reading")
    persons = [about for about in About if any(column.about is about for column in columns)]
    return Processing(
        title=activity.title[language],
        purpose=activity.purpose[language],
        legal_basis=activity.basis[language],
        persons=tuple(LABELS[about][second] for about in persons or [About.CONTACT]),
        data=tuple(LABELS[kind][second] for kind in Kind if any(column.kind is kind for column in columns))
        or (LABELS[Kind.EMPLOYMENT][second],),
        recipients=activity.recipients[language],
        periods=tuple(
            (
                BY_KEY[key].what[language],
                f"{period_text(BY_KEY[key])[language]} ({BY_KEY[key].since[language]})",
            )
            for key in classes
        ),
        tables=tuple(holding.table for holding in holdings) or tuple(PUBLISHED),
    )


_WORDS: Final = {
    "de": {
        "title": "Verzeichnis von Verarbeitungstätigkeiten",
        "law": "Art. 30 DSGVO; geschrieben aus dem Datenmodell des Programms",
        "proposal": "Die Fristen sind Vorschläge",
        "decides": "Die oder der Datenschutzbeauftragte der Kommune entscheidet. Stand der Regeln: ",
        "controller": "Verantwortlicher und Datenschutzbeauftragte: trägt die Kommune ein.",
        "purpose": "Zweck",
        "basis": "Rechtsgrundlage",
        "persons": "Betroffene",
        "data": "Daten",
        "recipients": "Empfänger",
        "periods": "Löschfristen",
        "tables": "Tabellen",
        "third": "Übermittlung in Drittländer",
        "measures": "Technische und organisatorische Maßnahmen",
    },
    "en": {
        "title": "Register of processing activities",
        "law": "Art. 30 GDPR; written from the program's data model",
        "proposal": "The periods are proposals",
        "decides": "The municipality's data protection officer decides. Version of the rules: ",
        "controller": "Controller and data protection officer: the municipality adds them.",
        "purpose": "Purpose",
        "basis": "Legal basis",
        "persons": "Persons",
        "data": "Data",
        "recipients": "Recipients",
        "periods": "Periods",
        "tables": "Tables",
        "third": "Transfers to third countries",
        "measures": "Technical and organisational measures",
    },
}


def _rows(entry: Processing, words: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        (words["purpose"], entry.purpose),
        (words["basis"], entry.legal_basis),
        (words["persons"], ", ".join(entry.persons)),
        (words["data"], ", ".join(entry.data)),
        (words["recipients"], entry.recipients),
        *((f"{words['periods']}: {what}", period) for what, period in entry.periods),
        (words["tables"], ", ".join(entry.tables)),
    )


def as_markdown(found: Register) -> str:
    """Return the register as Markdown."""
    words = _WORDS[found.language]
    lines = [f"# {words['title']}", "", words["law"] + ".", "", words["controller"], ""]
    lines += [f"**{words['proposal']}.** {words['decides']}{found.rules}.", ""]
    for entry in found.entries:
        lines += [f"## {entry.title}", "", "| | |", "|---|---|"]
        lines += [f"| {label} | {text} |" for label, text in _rows(entry, words)]
        lines.append("")
    lines += [f"{words['third']}: {found.third_countries}.", "", f"## {words['measures']}", ""]
    return "\n".join([*lines, *(f"- {measure}" for measure in found.measures)]) + "\n"


def as_json(found: Register) -> bytes:
    """Return the register as JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2)


def as_printout(found: Register) -> Printout:
    """Return the register as pages."""
    words = _WORDS[found.language]
    blocks: list[Block] = [
        Title(text=words["title"]),
        Paragraph(text=words["law"], small=True),
        Paragraph(text=words["controller"]),
        Notice(heading=words["proposal"], text=words["decides"] + found.rules),
    ]
    for entry in found.entries:
        blocks += [Heading(text=entry.title), Rows(rows=_rows(entry, words))]
    blocks += [
        Heading(text=words["third"]),
        Paragraph(text=found.third_countries),
        Heading(text=words["measures"]),
        Bullets(items=found.measures),
    ]
    return Printout(language=found.language, blocks=tuple(blocks), footer=words["title"])
