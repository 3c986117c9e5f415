"""Reads large JSON files element by element: an array, an envelope with one, or one JSON text a line.

Only one element is in memory at a time. Nothing is trusted: elements and files have bounds, nesting too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import msgspec

from directory.importing.report import ImportRefused, Refusal

LARGEST_FILE: Final = 4 * 1024**3
LARGEST_ELEMENT: Final = 16 * 1024**2
"""Bytes of one element (or of a file that is one object)."""
MOST_NESTED: Final = 100
_PART: Final = 1 << 16

LISTS: Final = frozenset(
    {"contents", "services", "organizations", "locations", "service_at_locations", "taxonomies"}
    | {"taxonomy_terms", "units", "meta_table_descriptions", "metadata"}
)
"""Members of an envelope that hold a list of records."""

_SIGNS: Final = re.compile(rb'["\\\[\]{},]')
_BLANK: Final = b" \t\r\n"


def elements(
    file: IO[bytes], name: str, told: Callable[[int], None] = lambda read: None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name of the list, record) of a JSON file; ``told`` hears how many bytes were read.

    A file that is one object without such a list is one record. Raises ImportRefused.
    """
    head = file.read(LARGEST_ELEMENT + 1)
    begin = head.removeprefix(b"\xef\xbb\xbf")[:_PART].lstrip(_BLANK)
    if not begin:
        raise ImportRefused(Refusal.FILE_EMPTY, name)
    if begin[:1] not in (b"{", b"["):
        _decoded(begin, name, "")  # which says why, where it is no JSON at all
        raise ImportRefused(Refusal.INVALID, f"{name}: not an object or a list")
    if len(head) <= LARGEST_ELEMENT and begin[:1] == b"{":
        whole = _decoded(head.removeprefix(b"\xef\xbb\xbf"), name, "")
        told(len(head))
        yield from _of_object(whole, name)
        return
    for number, (of_list, raw) in enumerate(_split(_parts(head, file, told), name), start=1):
        yield of_list, _record(_decoded(raw, name, f", element {number}"), name, number)


def lines(
    file: IO[bytes], name: str, told: Callable[[int], None] = lambda read: None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, record) of a file with one JSON object a line; blank lines are skipped."""
    number = read = 0
    while line := file.readline(LARGEST_ELEMENT + 1):
        number += 1
        read += len(line)
        if len(line) > LARGEST_ELEMENT:
            raise ImportRefused(Refusal.TOO_LARGE, f"{name}, line {number}")
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if number % 200 == 0:
            told(read)
        if text:
            yield number, _record(_decoded(text, name, f", line {number}"), name, number)
    if not read:
        raise ImportRefused(Refusal.FILE_EMPTY, name)


def _decoded(raw: bytes, name: str, where: str) -> Any:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw[:4]:
        raise ImportRefused(Refusal.ENCODING, f"{name}{where}")
    try:
        decoded = msgspec.json.decode(raw)
        raw.decode()  # texts inside are checked when they are read; names of members are not
    except UnicodeDecodeError as error:
        raise ImportRefused(Refusal.ENCODING, f"{name}{where}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImportRefused(Refusal.INVALID, f"{name}{where}: {error}") from error
    return decoded


def _record(decoded: Any, name: str, number: int) -> dict[str, Any]:
    if not isinstance(decoded, dict):
        raise ImportRefused(Refusal.INVALID, f"{name}, element {number}: not an object")
    return decoded


def _of_object(whole: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    record = _record(whole, name, 1)
    lists = [] if "id" in record else [key for key in record if key.removesuffix(".csv") in LISTS]
    if not lists:
        yield "", record
        return
    number = 0
    for key in lists:
        if not isinstance(record[key], list):
            raise ImportRefused(Refusal.INVALID, f"{name}: {key}: not a list")
        for one in record[key]:
            number += 1
            yield key, _record(one, name, number)


def _parts(head: bytes, file: IO[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    read = len(head)
    yield head.removeprefix(b"\xef\xbb\xbf")
    while part := file.read(_PART):
        read += len(part)
        told(read)
        yield part


def _split(parts: Iterator[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the elements of the array that a text is, or of those that stand in its outer object."""
    stack: list[bytes] = []
    held = bytearray()  # of the element that is being read
    inside = False  # a string
    of_list = ""
    last_text = bytearray()  # the last string outside of elements: the member's name
    elements_at: int | None = None  # depth of the array whose elements are yielded
    escaped, at_escape = False, -1
    for part in parts:
        at = 0
        for found in _SIGNS.finditer(part):
            sign, position = found[0], found.start()
            if escaped:
                if position == at_escape + 1:
                    escaped = False
                    continue
                escaped = False
            if inside:
                if sign == b"\\":
                    escaped, at_escape = True, position
                elif sign == b'"':
                    inside = False
                    if elements_at is None:
                        last_text += part[at:position]
                        at = position + 1
                continue
            if sign == b'"':
                inside = True
                if elements_at is None:
                    last_text.clear()
                    at = position + 1
                continue
            if sign in (b"[", b"{"):
                stack.append(sign)
                if len(stack) > MOST_NESTED:
                    raise ImportRefused(Refusal.INVALID, f"{name}: nested too deeply")
                if elements_at is None and sign == b"[":
                    member = last_text.decode(errors="replace")
                    if len(stack) == 1 or (len(stack) == 2 and member in LISTS):
                        elements_at, of_list, at = len(stack), member if len(stack) == 2 else "", position + 1
                        held.clear()
                continue
            if sign in (b"]", b"}"):
                opening = stack.pop() if stack else b""
                if {b"]": b"[", b"}": b"{"}[sign] != opening:
                    raise ImportRefused(Refusal.INVALID, f"{name}: brackets do not match")
            if (
                elements_at is not None
                and sign in (b",", b"]")
                and (len(stack) == elements_at if sign == b"," else len(stack) == elements_at - 1)
            ):
                held += part[at:position]
                at = position + 1
                if held.strip(_BLANK):
                    yield of_list, bytes(held)
                held.clear()
                if sign == b"]":
                    elements_at = None
        if escaped and at_escape == len(part) - 1:
            at_escape = -1  # the sign that it escapes is the first of the next part
        else:
            escaped = False
        if elements_at is not None:
            held += part[at:]
            if len(held) > LARGEST_ELEMENT:
                raise ImportRefused(Refusal.TOO_LARGE, f"{name}: an element")
        elif inside:
            last_text += part[at:]
            if len(last_text) > _PART:
                raise ImportRefused(Refusal.INVALID, f"{name}: a member's name is too long")
    if stack or inside:
        raise ImportRefused(Refusal.INVALID, f"{name}: the file ends in the middle")
