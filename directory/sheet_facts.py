"""The columns of the plain spreadsheet for facts that have parts: rules, runs, recognition, referral. Pure.

A cell with several of something has one a line. What has parts is written as ``name=value`` with semicolons:
``answer=FITS; statuses=SECTION_60A,SECTION_60C; age_from=18; reason.de="Ab 18."``. Texts stand in quotes as
in JSON; words, numbers and dates do not need any. A text in German only is written as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from directory import checking as check
from directory.documents import ServiceDocument
from directory.problems import InvalidInput
from directory.values import (
    CourseFacts,
    CourseRun,
    EligibilityRule,
    InterpretedLanguage,
    InterpretingFacts,
    RecognitionFacts,
    ReferralFacts,
    RequiredDocument,
    Titles,
)
from directory.vocabulary import CourseAccess, CourseFormat, InterpretingMode, label

LARGEST_CELL: Final = 32_767
"""Characters that a cell holds at most; one that would need more is left out, which says nothing."""


class Wrong(Exception):
    """A cell cannot be read; ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


LANGUAGES: Final = {
    "deutsch": "de", "englisch": "en", "arabisch": "ar", "persisch": "fa", "farsi": "fa", "dari": "prs",
    "ukrainisch": "uk", "russisch": "ru", "französisch": "fr", "tigrinya": "ti", "kurdisch": "ku",
    "kurmandschi": "kmr", "sorani": "ckb", "somali": "so", "niedersorbisch": "dsb", "sorbisch": "dsb",
    "obersorbisch": "hsb", "polnisch": "pl", "türkisch": "tr", "spanisch": "es", "paschtu": "ps",
    "vietnamesisch": "vi", "rumänisch": "ro", "chinesisch": "zh", "bulgarisch": "bg", "italienisch": "it",
    "portugiesisch": "pt", "serbisch": "sr", "kroatisch": "hr", "bosnisch": "bs", "albanisch": "sq",
    "mazedonisch": "mk", "georgisch": "ka", "armenisch": "hy", "aserbaidschanisch": "az", "urdu": "ur",
    "hindi": "hi", "bengalisch": "bn", "amharisch": "am", "oromo": "om", "hausa": "ha", "suaheli": "sw",
    "tschetschenisch": "ce", "griechisch": "el", "ungarisch": "hu", "tschechisch": "cs", "slowakisch": "sk",
    "romani": "rom", "hebräisch": "he", "panjabi": "pa", "tamil": "ta", "nepali": "ne", "wolof": "wo",
    "kirgisisch": "ky", "kasachisch": "kk", "usbekisch": "uz", "tadschikisch": "tg", "turkmenisch": "tk",
    "deutsche gebärdensprache": "gsg",
}  # fmt: skip
"""German names of languages, small; where a tag has several, the first is written."""

_NAMES: Final = {tag: name for name, tag in reversed(LANGUAGES.items())}

_SAID: Final[Mapping[tuple[type[StrEnum], str], str]] = {
    (CourseFormat, "ON_SITE"): "Präsenz",
    (CourseFormat, "ONLINE"): "online",
    (CourseFormat, "HYBRID"): "Präsenz und online",
    (CourseAccess, "DIRECT"): "direkt",
    (CourseAccess, "BAMF_ADMISSION"): "Zulassung des BAMF",
    (CourseAccess, "JOBCENTER_OR_AGENCY"): "Jobcenter oder Agentur für Arbeit",
    (CourseAccess, "VOUCHER"): "Gutschein",
    (InterpretingMode, "PHONE"): "Telefon",
    (InterpretingMode, "VIDEO"): "Video",
    (InterpretingMode, "ON_SITE"): "vor Ort",
}
"""Words of the vocabulary that a sheet says shorter than elsewhere, or that have no label."""


def german_word(word: StrEnum) -> str:
    """Return a word of the vocabulary in German, as sheets write it and read it again.

    >>> german_word(CourseAccess.VOUCHER), german_word(CourseFormat.ON_SITE)
    ('Gutschein', 'Präsenz')
    """
    return _SAID.get((type(word), word.value)) or label(word, "de") or word.value


def language_name(tag: str) -> str:
    """Return a language's German name where it has one here, else its tag.

    >>> language_name("fa"), language_name("gsg"), language_name("ku-Arab")
    ('Persisch', 'Deutsche Gebärdensprache', 'ku-Arab')
    """
    name = _NAMES.get(tag)
    if name is None:
        return tag
    return "Deutsche Gebärdensprache" if tag == "gsg" else name.capitalize()


S = TypeVar("S", bound=msgspec.Struct)

_SEGMENT: Final = re.compile(
    r'\s*([A-Za-z0-9_]+(?:\.[A-Za-z0-9-]+)?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\n]*?)\s*(?:;|$)'
)
_PLAIN: Final = re.compile(r"[\w.:/#+-]+")
_GERMAN_DAY: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_FLAGS: Final = {"ja": True, "yes": True, "true": True, "nein": False, "no": False, "false": False}


# the grammar

_UNKNOWN: Final = "?"
"""A line for something of which nothing is known but that it is: a course held some time."""


def _quoted(text: str, *, always: bool = False) -> str:
    means_more = text.casefold() in _FLAGS or _GERMAN_DAY.fullmatch(text)
    plain = not always and not means_more and _PLAIN.fullmatch(text)
    return text if plain else msgspec.json.encode(text).decode()


def written(value: msgspec.Struct) -> str:
    """Return a struct as one line; what has its default is left out, and ``?`` stands for nothing known.

    >>> from directory.vocabulary import Answer
    >>> written(EligibilityRule(answer=Answer.FITS, age_from=18, reason={"de": "Ab 18."}))
    'age_from=18; answer=FITS; reason.de="Ab 18."'
    """
    parts: list[str] = []
    for name, said in msgspec.to_builtins(value).items():
        if isinstance(said, dict):
            parts += [f"{name}.{tag}={_quoted(text, always=True)}" for tag, text in said.items()]
        elif isinstance(said, list | tuple):
            parts.append(f"{name}={','.join(said)}")
        elif isinstance(said, bool):
            parts.append(f"{name}={'ja' if said else 'nein'}")
        else:
            parts.append(f"{name}={_quoted(str(said))}")
    return "; ".join(parts) or _UNKNOWN


Segments: TypeAlias = list[tuple[str, str, bool]]
"""Names and values, and whether the value stood in quotes: then it is a text and nothing else."""


def _segments(line: str) -> Segments | None:
    """Return names and values of a line, or None when it is not written so."""
    found: Segments = []
    line, at = line.strip(), 0
    while at < len(line):
        one = _SEGMENT.match(line, at)
        if one is None:
            return None
        value, quoted = one[2], one[2].startswith('"')
        if quoted:
            try:
                value = msgspec.json.decode(value, type=str)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return None
        found.append((one[1], value, quoted))
        at = one.end()
    return found or None


def _values(segments: Segments, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return segments as plain values of a struct; raises ValueError for a name that it has not."""
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    values: dict[str, Any] = {}
    for whole, text, quoted in segments:
        name, _, tag = whole.partition(".")
        if name not in fields or (name in values and not tag):
            raise ValueError(name)
        if tag:
            values.setdefault(name, {})[tag] = text
        elif fields[name].default == ():
            values[name] = [part.strip() for part in text.split(",") if part.strip()]
        elif quoted:
            values[name] = text
        elif (day := _GERMAN_DAY.fullmatch(text)) is not None:
            values[name] = f"{day[3]}-{int(day[2]):02}-{int(day[1]):02}"
        elif text.casefold() in _FLAGS:
            values[name] = _FLAGS[text.casefold()]
        else:
            values[name] = text
    return values


def read(line: str, shape: type[S]) -> S:
    """Return the struct that a line says; raises Wrong("FACTS_UNREADABLE").

    >>> read('answer=FITS; age_from=18; reason.de="Ab 18."', EligibilityRule).age_from
    18
    """
    segments = [] if line.strip() == _UNKNOWN else _segments(line)
    if segments is None:
        raise Wrong("FACTS_UNREADABLE")
    try:
        return msgspec.convert(_values(segments, shape), shape, strict=False)
    except (msgspec.ValidationError, ValueError):
        raise Wrong("FACTS_UNREADABLE") from None


def _lines(cell: str) -> list[str]:
    return [line.strip() for line in re.split(r"\r\n|\r|\n", cell) if line.strip()]


def _by_language(cell: str) -> dict[str, str]:
    """Return a text in its languages; without any of them it is German."""
    segments = _segments(cell)
    if segments is None or not all(re.fullmatch("[a-z]{2,3}(_[A-Za-z0-9]+)*", tag) for tag, _, _ in segments):
        return {"de": cell.strip()}
    return {tag.replace("_", "-"): text for tag, text, _ in segments}


def _in_languages(texts: Mapping[str, str]) -> str:
    """Return a text in its languages as a line, or as it is where that says the same."""
    if texts.keys() == {"de"} and _by_language(texts["de"]) == dict(texts):
        return texts["de"]
    return "; ".join(f"{tag.replace('-', '_')}={_quoted(text, always=True)}" for tag, text in texts.items())


def _several(texts: tuple[Titles, ...]) -> str:
    return "\n".join(
        one if "\n" not in (one := _in_languages(said)) else f"de={_quoted(said['de'], always=True)}"
        for said in texts
    )


# reading one cell


def _checked(checker: Callable[[Any, str], Any], read_: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader of a cell that holds it to what is checked where people write."""

    def reader(cell: str) -> Any:
        try:
            return checker(read_(cell), "cell")
        except InvalidInput:
            raise Wrong("FACTS_OUT_OF_BOUNDS") from None

    return reader


def _structs(shape: type[S]) -> Callable[[str], tuple[S, ...]]:
    return lambda cell: tuple(read(line, shape) for line in _lines(cell))


def _titles(cell: str) -> dict[str, str]:
    return _by_language(cell)


def _many_titles(given: tuple[Titles, ...], field: str) -> tuple[Titles, ...]:
    each = check.elements(given, field, maximum=30)
    return tuple(check.titles(one, path, needed=True) for path, one in each)


_several_titles: Final = _checked(_many_titles, lambda cell: tuple(_by_language(one) for one in _lines(cell)))


def _whole(most: int) -> Callable[[str], int]:
    def reader(cell: str) -> int:
        plain = cell.strip()
        if not re.fullmatch("[0-9]{1,7}", plain) or int(plain) > most:
            raise Wrong("NUMBER_OUT_OF_BOUNDS" if plain.isdigit() else "NUMBER_UNREADABLE")
        return int(plain)

    return reader


def _flag(cell: str) -> bool:
    try:
        return {**_FLAGS, "j": True, "x": True, "n": False}[cell.strip().casefold()]
    except KeyError:
        raise Wrong("YES_OR_NO_UNREADABLE") from None


def _words(words: type[Any]) -> Callable[[str], tuple[Any, ...]]:
    def reader(cell: str) -> tuple[Any, ...]:
        known = {
            spelling.casefold(): word
            for word in words
            for spelling in (german_word(word), word.value.replace("_", " "), word.value)
        }
        try:
            given = (" ".join(word.casefold().split()) for word in re.split(r"[,;\n]", cell))
            return tuple(dict.fromkeys(known[word] for word in given if word))
        except KeyError:
            raise Wrong("WORD_UNKNOWN") from None

    return reader


_LANGUAGE: Final = re.compile(r"([A-Za-zäöüÄÖÜ -]{2,40}?)\s*(?:\((.*)\))?")


def _interpreted(cell: str) -> tuple[InterpretedLanguage, ...]:
    found = []
    for line in _lines(cell.replace(",", "\n")) if "(" not in cell else _lines(cell):
        one = _LANGUAGE.fullmatch(line)
        try:
            named = LANGUAGES.get(one[1].casefold(), one[1]) if one else ""
            tag = check.language(named, "cell") if one else ""
        except InvalidInput:
            tag = ""
        if not one or not tag:
            raise Wrong("LANGUAGE_UNKNOWN")
        found.append(InterpretedLanguage(language=tag, variety=(one[2] or "").strip() or None))
    return tuple(dict.fromkeys(found))


def _occupations(cell: str) -> tuple[str, ...]:
    given = RecognitionFacts(occupations=tuple(_lines(cell.replace(",", "\n"))))
    return check.recognition(given, "cell").occupations


READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "rules": _checked(check.eligibility, _structs(EligibilityRule)),
    "repeats": _flag,
    "exam": _checked(lambda text, field: check.short_text(text, field), lambda cell: " ".join(cell.split())),
    "access": _words(CourseAccess),
    "runs": _checked(check.course_runs, _structs(CourseRun)),
    "occupations": _checked(lambda given, _: given, _occupations),
    "regulated": _flag,
    "competent_body": _checked(check.titles, _titles),
    "interpreted_languages": _interpreted,
    "interpreting_modes": _words(InterpretingMode),
    "lead_time_hours": _whole(2_000),
    "referral_required": _flag,
    "referral_accepted": _flag,
    "referral_methods": _several_titles,
    "response_days": _whole(1_000),
    "response": _checked(check.titles, _titles),
    "next_steps": _several_titles,
    "feedback": _several_titles,
    "feedback_days": _whole(1_000),
    "feedback_delay": _checked(check.titles, _titles),
    "intake_criteria": _several_titles,
    "requirements": _several_titles,
    "application_process": _checked(check.texts, _titles),
    "required_documents": _checked(check.required_documents, _structs(RequiredDocument)),
}
"""How the cell of each of these columns is read; raises Wrong."""

_RECOGNITION: Final = {"occupations": "occupations", "regulated": "regulated",
                       "competent_body": "competent_body"}  # fmt: skip
_INTERPRETING: Final = {"interpreted_languages": "languages", "interpreting_modes": "modes",
                        "lead_time_hours": "lead_time_hours"}  # fmt: skip
_REFERRAL: Final = {
    "referral_required": "required", "referral_accepted": "accepted", "referral_methods": "methods",
    "response_days": "response_days", "response": "response", "next_steps": "next_steps",
    "feedback": "feedback", "feedback_days": "feedback_days", "feedback_delay": "feedback_delay",
    "intake_criteria": "intake_criteria", "requirements": "requirements",
}  # fmt: skip
_COURSE: Final = {
    "level_from": "level_from", "level_to": "level_to", "lessons": "lessons", "format": "format",
    "childcare": "childcare", "women_only": "women_only", "exam": "exam", "access": "access",
    "repeats": "repeats",
}  # fmt: skip
_GROUPS: Final = (
    ("recognition", RecognitionFacts, _RECOGNITION),
    ("interpreting", InterpretingFacts, _INTERPRETING),
    ("referral_facts", ReferralFacts, _REFERRAL),
)


# an entry


def _cell(value: Any) -> str:
    """Return a value of one of the groups as a cell."""
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, Mapping):
        return _in_languages(value)
    if isinstance(value, tuple):
        if isinstance(value[0], Mapping):
            return _several(value)
        if isinstance(value[0], InterpretedLanguage):
            return "\n".join(
                language_name(one.language) + (f" ({one.variety})" if one.variety else "") for one in value
            )
        if isinstance(value[0], StrEnum):
            return ", ".join(map(german_word, value))
        return "\n".join(map(str, value)) if "/" in str(value[0]) else ", ".join(map(str, value))
    return str(value)


def row_of(service: ServiceDocument) -> dict[str, str]:
    """Return what these columns say of a service, by their keys; what is not known is not there."""
    course = service.course
    process = service.application_process
    cells = {
        "rules": "\n".join(map(written, service.eligibility)),
        "runs": "\n".join(map(written, course.runs)) if course is not None else "",
        "exam": (course.exam or "") if course is not None else "",
        "access": _cell(course.access) if course is not None else "",
        "repeats": "ja" if course is not None and course.repeats else "",
        "application_process": _in_languages(process) if process else "",
        "required_documents": "\n".join(map(written, service.required_documents)),
    }
    for name, _, columns in _GROUPS:
        facts = getattr(service, name)
        if facts is not None:
            cells |= {key: _cell(getattr(facts, field)) for key, field in columns.items()}
    return {key: cell for key, cell in cells.items() if cell and len(cell) <= LARGEST_CELL}


def check_row(cells: Mapping[str, Any]) -> str | None:
    """Return the column that a row lacks beside what it says of interpreting, or None."""
    if cells.keys() & {"interpreting_modes", "lead_time_hours"} and "interpreted_languages" not in cells:
        return "interpreted_languages"
    return None


def values_of(said: Mapping[str, Any], here: ServiceDocument | None) -> dict[str, Any]:
    """Return the fields of a service that a row changes; what it does not say stays as it is ``here``."""
    values: dict[str, Any] = {
        field: said[key]
        for key, field in (
            ("rules", "eligibility"),
            ("application_process", "application_process"),
            ("required_documents", "required_documents"),
        )
        if key in said
    }
    for name, shape, columns in _GROUPS:
        changed = {field: said[key] for key, field in columns.items() if key in said}
        if changed:
            before = getattr(here, name) if here is not None else None
            values[name] = msgspec.structs.replace(before or shape(), **changed)
    if (course := _course(said, (here.course if here is not None else None) or CourseFacts())) is not None:
        values["course"] = course
    return values


def _course(said: Mapping[str, Any], before: CourseFacts) -> CourseFacts | None:
    """Return the facts of a course with what a row changes, or None when it changes nothing.

    The days of the first run have columns of their own; who writes there means that run.
    """
    changed = {field: said[key] for key, field in _COURSE.items() if key in said}
    if "cost" in said:
        changed["cost_cents"] = round(said["cost"] * 100)
    days = {name: said[name] for name in ("starts_on", "ends_on") if name in said}
    runs = said.get("runs", before.runs)
    if days:
        first = msgspec.structs.replace(runs[0] if runs else CourseRun(), **days)
        runs = (first, *runs[1:])
    if days or "runs" in said:
        changed["runs"] = runs
    return msgspec.structs.replace(before, **changed) if changed else None
