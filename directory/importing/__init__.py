"""Bringing directories in: one importer for the network file and for what other systems and offices have."""

from directory.importing.report import (
    WHAT_TO_DO,
    FileReport,
    ImportRefused,
    ImportReport,
    Outcome,
    Phase,
    Progress,
    Refusal,
    Rejection,
    Repair,
)
from directory.importing.run import Reading, import_source

__all__ = [
    "WHAT_TO_DO",
    "FileReport",
    "ImportRefused",
    "ImportReport",
    "Outcome",
    "Phase",
    "Progress",
    "Reading",
    "Refusal",
    "Rejection",
    "Repair",
    "import_source",
]
