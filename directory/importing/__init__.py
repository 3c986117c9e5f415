"""Bringing directories in: one importer for the network file and for packages of other systems."""

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
from directory.importing.run import import_source

__all__ = [
    "WHAT_TO_DO",
    "FileReport",
    "ImportRefused",
    "ImportReport",
    "Outcome",
    "Phase",
    "Progress",
    "Refusal",
    "Rejection",
    "Repair",
    "import_source",
]
