"""Texts in several languages and lists, as forms have them: read as the schema takes them, and refused there.

``title.de`` and ``title.ar`` are one text; ``runs.0.startsOn`` is a field in the first row of a list; in
``methods.de`` each line is one thing said, the same line in another language the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from directory.languages import PROJECT
from graphapi.web.translations import LANGUAGES
from graphapi.web.visiting import Visit

FREE_ROWS: Final = 2
"""Empty rows for further elements; saving gives new ones."""

MISSING: Final = "–"
"""A line for what is not said in this language, so that the next line stays beside its own."""

Texts = list[dict[str, Any]]


def tags_of(visit: Visit, *texts: Iterable[dict[str, Any]]) -> list[str]:
    """Return in which languages a form has its texts: German, English, what is there, what was asked for."""
    there = [one["language"] for text in texts for one in text]
    asked = [tag for tag in visit.query.all("with") if tag in PROJECT]
    sent = [part[2] for name, _ in visit.form.pairs() if (part := name.rpartition("."))[2] in PROJECT]
    return list(dict.fromkeys((*LANGUAGES, *sorted({*there, *asked, *sent}))))


def more_tags(tags: Sequence[str]) -> list[str]:
    """Return the languages of the project that a form does not have."""
    return [tag for tag in PROJECT if tag not in tags]


def texts(visit: Visit, name: str, before: Texts) -> Texts:
    """Return a text in all its languages: those of the form as entered, the others as they were."""
    entered = {part for sent, _ in visit.form.pairs() if (part := sent.removeprefix(f"{name}.")) != sent}
    found = [
        {"language": tag, "text": text}
        for tag in sorted(entered)
        if (text := visit.form.given(f"{name}.{tag}"))
    ]
    kept = [one for one in before if one["language"] not in entered]
    return [*found, *({"language": one["language"], "text": one["text"]} for one in kept)]


def refused_texts(visit: Visit, name: str) -> None:
    """Bring what is refused of the n-th text that was sent to the field of its language."""
    entered = sorted(
        part
        for sent, value in visit.form.pairs()
        if value and (part := sent.removeprefix(f"{name}.")) != sent and "." not in part
    )
    for number, tag in enumerate(entered):
        move(visit, f"{name}.{number}.text", f"{name}.{tag}")
    for path in [one for one in visit.errors if re.fullmatch(rf"{re.escape(name)}(\.[0-9]+.*)?", one)]:
        move(visit, path, f"{name}.{(entered or LANGUAGES)[0]}")


def lines(phrases: Sequence[dict[str, Any]], tag: str) -> str:
    """Return what is said in a language, one thing a line; nothing where nothing is said in it."""
    said = [
        next((one["text"] for one in phrase["texts"] if one["language"] == tag), MISSING)
        for phrase in phrases
    ]
    return "\n".join(said) if any(line != MISSING for line in said) else ""


def phrases(visit: Visit, name: str, before: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is said, from one field a language; languages that the form does not have stay."""
    entered = [part for sent, _ in visit.form.pairs() if (part := sent.removeprefix(f"{name}.")) != sent]
    said = {tag: [line.strip() for line in visit.form.get(f"{name}.{tag}").split("\n")] for tag in entered}
    kept = {
        one["language"]: lines(before, one["language"]).split("\n")
        for phrase in before
        for one in phrase["texts"]
        if one["language"] not in entered
    }
    columns = {**said, **kept}
    length = max((len(column) for column in columns.values()), default=0)
    found = []
    for place in range(length):
        row = [
            {"language": tag, "text": column[place]}
            for tag, column in columns.items()
            if place < len(column) and column[place].strip(f"{MISSING}- ")
        ]
        if any(one["language"] in entered for one in row):
            found.append({"texts": row})
    return found


def refused_phrases(visit: Visit, name: str) -> None:
    """Bring what is refused of one thing said to the field of its language."""
    for path in [one for one in visit.errors if one.startswith(f"{name}.")]:
        place, _, tag = path.removeprefix(f"{name}.").partition(".")
        if place.isdigit():
            tag = tag if f"{name}.{tag}" in visit.form else _longest(visit, name, int(place))
            move(visit, path, f"{name}.{tag}")


def _longest(visit: Visit, name: str, place: int) -> str:
    """Return the language in which most is said in a line: where nobody says which, that is too long."""
    said = {
        sent.removeprefix(f"{name}."): value.split("\n")[place : place + 1]
        for sent, value in visit.form.pairs()
        if sent.startswith(f"{name}.")
    }
    return max(said, key=lambda tag: len("".join(said[tag])), default=LANGUAGES[0])


def count(visit: Visit, name: str, there: int) -> int:
    """Return how many rows a list has in a form."""
    sent = {int(row[1]) for one, _ in visit.form.pairs() if (row := re.match(_row_of(name), one))}
    return max(there + FREE_ROWS, *(number + 1 for number in sent)) if sent else there + FREE_ROWS


def refused_rows(visit: Visit, name: str, sent: Sequence[int], fields: Sequence[str]) -> None:
    """Bring what is refused of the n-th element that was sent to the row it was entered in.

    ``sent``: the rows that were. ``fields``: what a row has; what is refused of anything else stands at the
    first of them.
    """
    for path, _ in list(visit.errors.items()):
        found = re.match(rf"{_row_of(name)}(.*)", path)
        if not found:
            if path == name and sent:
                move(visit, path, f"{name}.{sent[0]}.{fields[0]}")
            continue
        number = int(found[1])
        row = sent[number] if number < len(sent) else number
        field = found[2].lstrip(".")
        said = [one for one in fields if field and one.startswith(f"{field}.")]
        if said:  # a text, of which nobody says in which language: that is too long
            field = max(said, key=lambda one: len(visit.form.get(f"{name}.{row}.{one}")))
        elif field not in fields:
            field = next((one for one in fields if field.startswith(f"{one}.") or one == field), fields[0])
        move(visit, path, f"{name}.{row}.{field}")


def _row_of(name: str) -> str:
    return rf"{re.escape(name)}\.([0-9]{{1,3}})(?=\.|$)"


def move(visit: Visit, path: str, field: str) -> None:
    """Say what is wrong at another field, where it was entered."""
    if path != field and path in visit.errors:
        message = visit.errors.pop(path)
        visit.refuse(field, message)


def yes_or_no(visit: Visit, name: str) -> bool | None:
    """Return yes, no, or None for what is not known."""
    return {"true": True, "false": False}.get(visit.form.get(name))
