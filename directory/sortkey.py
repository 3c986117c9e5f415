"""German sort keys (DIN 5007-1), made by us because the database has no ICU."""

from __future__ import annotations

import unicodedata


def sort_key(text: str) -> bytes:
    """Return bytes whose order is the German dictionary order of ``text``.

    Letters first without accents and case (ä sorts with a, ß with ss), then the text itself as tie-breaker,
    so that the order is total and stable.
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    words = " ".join("".join(c if c.isalnum() else " " for c in letters).split())
    return f"{words}\0{text}".encode()
