"""Whether a name is an organisation's: private persons are never listed.

Whoever helps without an organisation is no partner; volunteers appear through theirs. A name alone does not
tell a person for certain (a business may be called like its owner), so only what can be known is refused: a
form of address before a personal name. Names of persons in imported contacts are dropped by each format's
reader.
"""

from __future__ import annotations

import re
from typing import Final

FORMS_OF_ADDRESS: Final = frozenset(
    {"herr", "herrn", "frau", "fräulein", "mr", "mrs", "ms", "miss", "mister", "monsieur", "madame", "mme"}
)
_NAME: Final = re.compile(r"(?:\w\.|[^\W\d_a-zà-öø-ÿ][^\W\d_]*(?:['’-][^\W\d_]+)*)")
"""A part of a personal name: an initial, or a word that begins with a capital letter."""
_TITLES: Final = frozenset({"dr", "prof", "med", "dipl.-ing", "dr.-ing"})


def names_a_person(name: str) -> bool:
    """Whether a name is a form of address with one to three names after it, and nothing else.

    >>> names_a_person("Frau Dr. Maria Beispiel"), names_a_person("Herr Nowak")
    (True, True)
    >>> names_a_person("Frau und Beruf e. V."), names_a_person("Praxis Dr. Beispiel"), names_a_person("Herr")
    (False, False, False)
    """
    first, *rest = name.split() or [""]
    if first.casefold().rstrip(".") not in FORMS_OF_ADDRESS:
        return False
    names = [word for word in rest if word.casefold().rstrip(".") not in _TITLES]
    return 1 <= len(names) <= 3 and all(_NAME.fullmatch(word) for word in names)
