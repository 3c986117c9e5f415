"""Puts right what real packages get wrong: texts, addresses of all sorts, times, names of languages.

Pure. Every function returns the value (None: not readable) and the codes of what it had to repair.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import phonenumbers

from directory import contacts
from directory.problems import InvalidInput

Repairs: TypeAlias = tuple[str, ...]

_MOJIBAKE: Final = {
    "GÇÖ": "’", "GÇÿ": "‘", "GÇ£": "“", "GÇ¥": "”", "GÇô": "–", "GÇö": "—", "GÇó": "•", "GÇª": "…",
}  # fmt: skip
"""Punctuation that was UTF-8 and was read as code page 850 on its way into the package."""
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ufffe\uffff]"
)
"""What ``directory.checking`` refuses from people: from a package it is taken out."""


def text(value: str, maximum: int) -> tuple[str, Repairs]:
    r"""Return a text without what no reader should see, cut to ``maximum`` characters.

    >>> text("Ring the bell.\\nTwice.", 100)
    ('Ring the bell.\nTwice.', ('LINE_BREAKS',))
    """
    how: list[str] = []
    if "\\n" in value or "\\r" in value or "\\t" in value:
        value = value.replace("\\r", "").replace("\\n", "\n").replace("\\t", " ")
        how.append("LINE_BREAKS")
    if "GÇ" in value:
        for wrong, right in _MOJIBAKE.items():
            value = value.replace(wrong, right)
        how.append("MOJIBAKE")
    if _CONTROL.search(value):
        value = _CONTROL.sub("", value)
        how.append("CONTROL_CHARACTERS")
    value = value.replace("\r\n", "\n").strip()
    if len(value) > maximum:
        value = value[: maximum - 1].rstrip() + "…"
        how.append("CUT")
    return value, tuple(how)


def web_address(value: str) -> tuple[str | None, Repairs]:
    """Return a web address with its scheme, or None when it is none.

    >>> web_address("www.example.org")
    ('http://www.example.org', ('SCHEME_ADDED',))
    >>> web_address("call us")
    (None, ('WEB_ADDRESS_DROPPED',))
    """
    how: Repairs = ()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", value):
        value, how = f"http://{value}", ("SCHEME_ADDED",)
    try:
        return contacts.url(value, "url"), how
    except InvalidInput:
        return None, ("WEB_ADDRESS_DROPPED",)


def mail_address(value: str) -> tuple[str | None, Repairs]:
    """Return a mail address, or None when it is none.

    >>> mail_address("office@example.org")
    ('office@example.org', ())
    """
    try:
        return contacts.mail(value, "email"), ()
    except InvalidInput:
        return None, ("MAIL_ADDRESS_DROPPED",)


def phone(value: str, extension: str, region: str | None) -> tuple[tuple[str, str | None] | None, Repairs]:
    """Return (E.164, extension) of a number as written in ``region``, or None when it is none.

    >>> phone("305-573-4200 x57471", "", "US")
    (('+13055734200', '57471'), ('PHONE_TO_E164',))
    >>> phone("911", "", "US")
    (None, ())
    """
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None, ()
    # a number without its area code is "possible" too, but nobody elsewhere can dial it
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None, ()
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return (written, extension or number.extension or None), (() if written == value else ("PHONE_TO_E164",))


_TIME: Final = re.compile(
    r"(?P<hour>[0-9]{1,2})(?:[:.]?(?P<minute>[0-9]{2}))?(?::00)?\s*(?P<half>[ap]\.?m?\.?)?"
)


def wall_time(value: str) -> tuple[tuple[int, bool] | None, Repairs]:
    """Return (minutes since midnight, whether the half of the day was said), or None when unreadable.

    >>> wall_time("9:00am")
    ((540, True), ('TIME_TO_24_HOURS',))
    >>> wall_time("17:30")
    ((1050, False), ())
    >>> wall_time("noonish")
    (None, ())
    """
    found = _TIME.fullmatch(value.strip().lower())
    if found is None:
        return None, ()
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12 or minute > 59:
            return None, ()
        hour = hour % 12 + (12 if found["half"].startswith("p") else 0)
        return (hour * 60 + minute, True), ("TIME_TO_24_HOURS",)
    if ":" not in value or minute > 59 or hour * 60 + minute > 24 * 60:
        return None, ()
    plain = re.fullmatch(r"[0-9]{2}:[0-9]{2}", value) is not None
    return (hour * 60 + minute, False), (() if plain else ("TIME_TO_24_HOURS",))


def as_wall_time(minutes: int) -> str:
    """Return minutes since midnight as ``HH:MM``."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def opening(opens: str, closes: str) -> tuple[list[tuple[int, str, str]] | None, Repairs]:
    """Return the periods (days later, opens, closes) that two written times mean, or None.

    >>> opening("10:00pm", "2:00am")[0]
    [(0, '22:00', '24:00'), (1, '00:00', '02:00')]
    >>> opening("9:00am", "5:00")  # morning or afternoon? Nobody knows.
    (None, ())
    """
    start, how_start = wall_time(opens)
    end, how_end = wall_time(closes)
    if start is None or end is None:
        return None, ()
    (begin, begin_said), (finish, finish_said) = start, end
    how = tuple(dict.fromkeys(how_start + how_end))
    if begin_said != finish_said:
        return None, ()
    if finish == 0:
        finish = 24 * 60
    if begin < finish:
        return [(0, as_wall_time(begin), as_wall_time(finish))], how
    if begin == finish or begin == 24 * 60:
        return None, ()
    return [(0, as_wall_time(begin), "24:00"), (1, "00:00", as_wall_time(finish))], (
        *how,
        "SPLIT_AT_MIDNIGHT",
    )


_WEEKDAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")
_WEEKDAY_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def weekday(value: str) -> tuple[int | None, Repairs]:
    """Return the ISO weekday (1 Monday) that a name, its beginning or a number means.

    >>> weekday("Thurs"), weekday("7"), weekday("someday")
    ((4, ()), (7, ()), (None, ()))
    """
    given = value.strip().lower().rstrip(".")
    if re.fullmatch("[1-7]", given):
        return int(given), ()
    if len(given) >= 2 and given[:2] in _WEEKDAYS:
        day = _WEEKDAYS.index(given[:2])
        if _WEEKDAY_NAMES[day].startswith(given):
            return day + 1, ()
    return None, ()


LANGUAGES: Final = {
    "afrikaans": "af", "albanian": "sq", "amharic": "am", "arabic": "ar", "armenian": "hy",
    "azerbaijani": "az", "bambara": "bm", "belarusian": "be", "bengali": "bn", "bosnian": "bs",
    "bulgarian": "bg", "burmese": "my", "catalan": "ca", "chechen": "ce", "chinese": "zh",
    "mandarin": "cmn", "cantonese": "yue", "croatian": "hr", "czech": "cs", "danish": "da", "dari": "prs",
    "dutch": "nl", "english": "en", "ingles": "en", "estonian": "et", "farsi": "fa", "persian": "fa",
    "finnish": "fi", "french": "fr", "fula": "ff", "georgian": "ka", "german": "de", "greek": "el",
    "gujarati": "gu", "haitian creole": "ht", "haitian-creole": "ht", "hausa": "ha", "hebrew": "he",
    "hindi": "hi", "hmong": "hmn", "hungarian": "hu", "icelandic": "is", "igbo": "ig", "indonesian": "id",
    "italian": "it", "japanese": "ja", "khmer": "km", "kinyarwanda": "rw", "kirundi": "rn", "korean": "ko",
    "kurdish": "ku", "kurmanji": "kmr", "sorani": "ckb", "lao": "lo", "latvian": "lv", "lingala": "ln",
    "lithuanian": "lt", "macedonian": "mk", "malay": "ms", "mandinka": "mnk", "mongolian": "mn",
    "nepali": "ne", "norwegian": "no", "oromo": "om", "pashto": "ps", "polish": "pl", "portuguese": "pt",
    "punjabi": "pa", "romani": "rom", "romanian": "ro", "russian": "ru", "serbian": "sr", "sindhi": "sd",
    "sinhala": "si", "slovak": "sk", "slovenian": "sl", "somali": "so", "sorbian": "dsb", "spanish": "es",
    "español": "es", "espanol": "es", "swahili": "sw", "swedish": "sv", "tagalog": "tl", "tamil": "ta",
    "taiwanese": "nan", "tatar": "tt", "thai": "th", "tigrinya": "ti", "turkish": "tr", "turkmen": "tk",
    "twi": "tw", "ukrainian": "uk", "urdu": "ur", "uyghur": "ug", "uzbek": "uz", "vietnamese": "vi",
    "wolof": "wo", "yiddish": "yi", "yoruba": "yo", "zulu": "zu",
    "american sign language": "ase", "asl": "ase", "german sign language": "gsg",
}  # fmt: skip
"""BCP 47 tags of languages by their English name."""

_PARTING: Final = re.compile(r"[,;/&\n]|\band\b|\.\s", re.IGNORECASE)
_INTERPRETER: Final = re.compile(
    r"\s+(?:with|by)\s+(?:an?\s+)?(?:interpreter|translator|translation)s?\b.*", re.I
)


def languages(value: str) -> tuple[list[tuple[str, bool]], Repairs]:
    """Return (tag, only through an interpreter) of each language named in English; unknown ones are left out.

    >>> languages("Spanish and Creole (limited)")
    ([('es', False), ('ht', False)], ('CREOLE_AS_HAITIAN', 'LANGUAGE_READ_FROM_TEXT'))
    >>> languages("French with translators available")
    ([('fr', True)], ('LANGUAGE_READ_FROM_TEXT',))
    >>> languages("other languages upon request")
    ([], ())
    """
    found: dict[str, bool] = {}
    how: dict[str, None] = {}
    for part in _PARTING.split(value.replace("\\n", "\n").replace("(website)", " on the website")):
        plain = re.sub(r"\([^)]*\)?", " ", part).strip(" .*\t").casefold()
        name = _INTERPRETER.sub("", plain)
        tag = "ht" if name == "creole" else LANGUAGES.get(name)
        if tag is None and re.fullmatch(r"[a-z]{2,3}", part.strip()) and part.strip() in LANGUAGES.values():
            tag = part.strip()
        if tag is None:
            continue
        if name == "creole":
            how["CREOLE_AS_HAITIAN"] = None
        if tag not in found:
            found[tag] = name != plain
    if found and not (
        len(found) == 1 and value.strip().casefold() in {*LANGUAGES, *LANGUAGES.values(), "creole"}
    ):
        how["LANGUAGE_READ_FROM_TEXT"] = None
    return list(found.items()), tuple(how)


_ZONES: Final = {
    "America/New_York": "CT DC DE FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
    "America/Puerto_Rico": "PR VI",
}
ZONE_OF_STATE: Final = {state: zone for zone, states in _ZONES.items() for state in states.split()}
"""IANA zone in which (most of) a state or territory of the United States lives."""
ZONE_OF_COUNTRY: Final = {
    "DE": "Europe/Berlin", "AT": "Europe/Vienna", "CH": "Europe/Zurich", "PL": "Europe/Warsaw",
    "CZ": "Europe/Prague", "GB": "Europe/London", "FR": "Europe/Paris", "NL": "Europe/Amsterdam",
}  # fmt: skip
"""IANA zone of countries that have one only."""


def region(country: str, state: str) -> tuple[str | None, Repairs]:
    """Return the country's ISO code; a state of the United States stands in for an empty country.

    >>> region("   ", "FL ")
    ('US', ('COUNTRY_FROM_STATE',))
    """
    given = country.strip().upper()
    if re.fullmatch("[A-Z]{2}", given):
        return given, ()
    if state.strip().upper() in ZONE_OF_STATE:
        return "US", ("COUNTRY_FROM_STATE",)
    return None, ()


def zone(region_code: str | None, state: str) -> str | None:
    """Return the IANA zone of a place, or None when it cannot be told."""
    if region_code == "US":
        return ZONE_OF_STATE.get(state.strip().upper())
    return ZONE_OF_COUNTRY.get(region_code or "")
