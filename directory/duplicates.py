"""When two entries may be the same thing twice: keys that find candidates, and a score for each pair. Pure.

Nothing is merged by a score: it is a hint for people, with its reasons. Names are compared by rapidfuzz on
words without case, accents, legal forms and little words; equal phone numbers, mail and web addresses and
a place close by count beside the name. Names that differ in a number ("Kurs A1", "Kurs B1") are different.

``keys_of_partner`` and ``keys_of_service`` are stored beside each document: whoever shares one is a
candidate, so nobody is ever compared with everybody. Two words in common are enough, whatever their vowels:
a typing error in a name does not hide it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from rapidfuzz import fuzz

from directory.documents import PartnerDocument, ServiceDocument
from directory.values import ContactPoint, LocationValue, Value
from directory.vocabulary import ContactKind, Likeness

POSSIBLE: Final = 60
"""From this score on (of 100) a pair is pointed out."""

CLOSE_METRES: Final = 60.0
"""Two places are the same house within this distance."""

MOST_KEYS: Final = 60
"""How many keys an entry has at most."""


class Traits(Value, frozen=True, kw_only=True):
    """What of an entry is compared; ``place`` entries are (postcode and street in one form, degrees)."""

    names: tuple[str, ...]
    phones: frozenset[str] = frozenset()
    mails: frozenset[str] = frozenset()
    websites: frozenset[str] = frozenset()
    places: tuple[tuple[str | None, float | None, float | None], ...] = ()
    partner_id: UUID | None = None
    partner_name: str | None = None


class Score(Value, frozen=True, kw_only=True):
    """How much two entries look alike, 0 to 100, and why."""

    points: int
    reasons: tuple[Likeness, ...]


_LEGAL_FORMS: Final = re.compile(
    r"\b(e\.?\s?v\.?|eingetragener verein"
    r"|(gemeinnuetzige )?(gesellschaft mit beschraenkter haftung|gmbh)"
    r"|g?gmbh( & co\.? kg)?|mbh|ug|ag|kg|ohg|gbr|e\.?\s?g\.?|eg|kdoer|koerperschaft des oeffentlichen rechts"
    r"|inc|llc|ltd|corp|ggmbh)(?=\W|$)"
)
_LITTLE: Final = frozenset(
    re.findall(
        r"\w+",
        "der die das des dem den und fuer in im am an zu zur zum von vom mit bei auf aus ein eine eines"
        " the of and for at to by with on a",
    )
)
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_SOUNDS: Final = (
    ("ph", "f"),
    ("ck", "k"),
    ("tz", "z"),
    ("dt", "t"),
    ("th", "t"),
    ("c", "k"),
    ("v", "f"),
    ("y", "i"),
    ("z", "s"),
    ("d", "t"),
    ("b", "p"),
    ("g", "k"),
)
_VOWELS: Final = frozenset("aeiou")


def normal(text: str) -> str:
    """Return a text in the form that names are compared in.

    >>> normal("Förderverein „Brücke“ Chóśebuz e. V.")
    'foerderverein bruecke chosebuz'
    >>> normal("Die Brücke gGmbH")
    'bruecke'
    """
    plain = unicodedata.normalize("NFC", text).casefold().translate(_UMLAUTS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in _LEGAL_FORMS.sub(" ", plain)).split()
    kept = [word for word in words if word not in _LITTLE]
    return " ".join(kept or words or plain.split())


def _sound(word: str) -> str:
    """Return a word without what is often spelled otherwise; words with digits stay as they are.

    >>> _sound("kottbus") == _sound("cottbus")
    True
    """
    if not word.isascii() or any(c.isdigit() for c in word):
        return word[:12]
    for spelled, sound in _SOUNDS:
        word = word.replace(spelled, sound)
    rest = [c for c in word[1:] if c not in _VOWELS and c != "h"]
    letters = [word[:1], *rest]
    single = [c for n, c in enumerate(letters) if n == 0 or c != letters[n - 1]]
    return "".join(single)[:8]


def _name_keys(name: str) -> Iterable[str]:
    words = sorted({_sound(word) for word in normal(name).split()}, key=lambda w: (-len(w), w))[:6]
    if len(words) == 1:
        yield f"n:{words[0]}"
    for pair in combinations(sorted(words), 2):
        yield f"n:{pair[0]} {pair[1]}"


def website_key(address: str) -> str:
    """Return what is the same for all ways to write a web address.

    >>> website_key("http://www.example.org/") == website_key("https://EXAMPLE.org")
    True
    """
    parts = urlsplit(address if "//" in address else f"//{address}")
    host = (parts.hostname or "").removeprefix("www.")
    return host + parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")


def place_key(postcode: str | None, street: str | None) -> str | None:
    """Return postcode and street in one form, or None when one of them is missing.

    >>> place_key("03046", "Berliner Str. 6") == place_key("03046", "Berliner Straße 6")
    True
    """
    if not postcode or not street:
        return None
    plain = normal(re.sub(r"(?i)str(\.|aße|asse)(?=\W|\d|$)", "str ", street))
    return f"{''.join(postcode.split())} {plain}"


def traits(
    names: Iterable[str],
    contact_points: Sequence[ContactPoint] = (),
    website: str | None = None,
    locations: Sequence[LocationValue] = (),
    *,
    partner_id: UUID | None = None,
    partner_name: str | None = None,
) -> Traits:
    """Return what of an entry is compared."""

    def values(kind: ContactKind) -> frozenset[str]:
        return frozenset(point.value.casefold() for point in contact_points if point.kind is kind)

    webs = {website_key(value) for value in values(ContactKind.WEB)}
    if website:
        webs.add(website_key(website))
    return Traits(
        names=tuple(dict.fromkeys(normal(name) for name in names)),
        phones=values(ContactKind.PHONE),
        mails=values(ContactKind.EMAIL),
        websites=frozenset(webs),
        places=tuple(
            (place_key(place.postcode, place.street), place.latitude, place.longitude) for place in locations
        ),
        partner_id=partner_id,
        partner_name=None if partner_name is None else normal(partner_name),
    )


def partner_traits(document: PartnerDocument) -> Traits:
    """Return what of a partner is compared."""
    return traits([document.name], document.contact_points, document.website, document.locations)


def service_traits(document: ServiceDocument) -> Traits:
    """Return what of a service is compared; its title in each language it shares with the other."""
    return traits(
        document.title.values(),
        document.contact_points,
        document.website,
        document.locations,
        partner_id=document.partner.id,
        partner_name=document.partner.name,
    )


def keys(names: Iterable[str], given: Traits) -> tuple[str, ...]:
    """Return the keys under which an entry is found as a candidate, at most MOST_KEYS."""
    found = [
        *(f"p:{phone}" for phone in sorted(given.phones)),
        *(f"m:{mail}" for mail in sorted(given.mails)),
        *(f"w:{web}" for web in sorted(given.websites)),
        *(f"a:{place}" for place, _, _ in given.places if place),
        *(key for name in names for key in _name_keys(name)),
    ]
    return tuple(dict.fromkeys(found))[:MOST_KEYS]


def keys_of_partner(document: PartnerDocument) -> tuple[str, ...]:
    """Return the keys of a partner's document."""
    return keys([document.name], partner_traits(document))


def keys_of_service(document: ServiceDocument) -> tuple[str, ...]:
    """Return the keys of a service's document: of its name only.

    Services of one house share its address, number and website, and are no candidates for that.
    """
    names = _names_of(document.title)
    return keys(names, Traits(names=()))


def _names_of(texts: Mapping[str, str]) -> list[str]:
    """Return at most four languages of a title: German, English, then the rest."""
    order = sorted(texts, key=lambda language: (language != "de", language != "en", language))
    return [texts[language] for language in order[:4]]


_NUMBERED: Final = re.compile(r"\b\w*\d\w*\b")


def name_likeness(one: str, other: str) -> float:
    """Return how alike two normal names are, 0 to 100, whatever the order of the words."""
    if set(_NUMBERED.findall(one)) != set(_NUMBERED.findall(other)):
        return 0.0
    return float(fuzz.token_sort_ratio(one, other))


def _best_name(one: Traits, other: Traits) -> float:
    return max((name_likeness(a, b) for a in one.names for b in other.names), default=0.0)


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    latitude, longitude = math.radians(one[0] - other[0]), math.radians(one[1] - other[1])
    across = longitude * math.cos(math.radians((one[0] + other[0]) / 2))
    return 6_371_000 * math.hypot(latitude, across)


def _same_place(one: Traits, other: Traits) -> bool:
    for street, latitude, longitude in one.places:
        for street_too, latitude_too, longitude_too in other.places:
            if street is not None and street == street_too:
                return True
            if None not in (latitude, longitude, latitude_too, longitude_too) and (
                _metres((latitude, longitude), (latitude_too, longitude_too)) <= CLOSE_METRES  # type: ignore[arg-type]
            ):
                return True
    return False


_PARTNER_NAME: Final = ((95.0, 65), (90.0, 60), (84.0, 45), (76.0, 30))
_SERVICE_NAME: Final = ((95.0, 45), (88.0, 38), (80.0, 25))


def _points(likeness: float, steps: Sequence[tuple[float, int]]) -> int:
    return next((points for least, points in steps if likeness >= least), 0)


def score(one: Traits, other: Traits) -> Score:
    """Return how much two partners, or two services, look alike; symmetrical.

    Two services look alike only within one partner, or between partners that do: many offer a "Sprachkurs".
    """
    services = one.partner_name is not None
    name = _points(_best_name(one, other), _SERVICE_NAME if services else _PARTNER_NAME)
    found: dict[Likeness, int] = {Likeness.NAME: name} if name else {}
    facts = (
        (Likeness.PHONE, one.phones & other.phones, 10 if services else 25),
        (Likeness.EMAIL, one.mails & other.mails, 10 if services else 30),
        (Likeness.WEBSITE, one.websites & other.websites, 20 if services else 25),
    )
    found.update({reason: points for reason, shared, points in facts if shared})
    if _same_place(one, other):
        found[Likeness.PLACE] = 5 if services else 15
    if services and one.partner_name is not None and other.partner_name is not None:
        if one.partner_id is not None and one.partner_id == other.partner_id:
            found[Likeness.SAME_PARTNER] = 25
        elif name_likeness(one.partner_name, other.partner_name) >= 88.0:
            found[Likeness.SAME_PARTNER] = 15
        if not name:  # the other facts of one house are the same for all that is offered there
            return Score(points=0, reasons=())
    return Score(points=min(100, sum(found.values())), reasons=tuple(found))
