"""The documents of ``graphql/operations``, by name: scenarios ask the API through these and nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "graphql" / "operations"


@cache
def document(name: str) -> str:
    """Return the text of a document, e.g. ``refer-client``."""
    return (FOLDER / f"{name}.graphql").read_text(encoding="utf-8")


def names() -> list[str]:
    """Return the names of all documents."""
    return sorted(file.stem for file in FOLDER.glob("*.graphql"))
