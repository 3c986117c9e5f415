"""The importer's own tables. None of them is read by anybody else; they hold no personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from directory.models import Base


class ImportRun(Base):
    """One run of the importer: STAGING until it was taken over (DONE) or given up (FAILED).

    ``fingerprint``: of the source and of how it is imported. ``cursor``: how far staging has come, ``kept``:
    the report up to there, so that the same import goes on there after this one has been killed.
    """

    __tablename__ = "import_run"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    format: Mapped[str]
    state: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    cursor: Mapped[str | None]
    kept: Mapped[bytes | None] = mapped_column(LargeBinary)


class ImportRow(Base):
    """A row of a package's file as it was read, so that files are joined here and not in memory.

    ``key`` is the row's own id in its file; (``parent_file``, ``parent_key``) the row it belongs to;
    ``owner`` the key of the organisation that was found for it, or of the second row that a link names.
    """

    __tablename__ = "import_row"
    __table_args__ = (
        Index("import_row_key", "run_id", "file", "key"),
        Index("import_row_parent", "run_id", "parent_file", "parent_key", "file"),
        Index("import_row_owner", "run_id", "file", "owner"),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey("import_run.id"), primary_key=True)
    file: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str | None]
    parent_file: Mapped[str | None]
    parent_key: Mapped[str | None]
    owner: Mapped[str | None]
    rejected: Mapped[bool]
    data: Mapped[str]


class ImportStaging(Base):
    """An entry ready to be taken over: its row, its document and its links, complete.

    ``base_version`` and ``partner_version``: the versions (of itself, of its partner) that it was prepared
    on, 0 for what was not there. ``row`` None: the entry stays as it is, the source still has
    it, and its digest may be new. ``shown_elsewhere``: something changed that other documents show too.
    ``original``: what the source said, as ``ImportOriginal`` keeps it; None: as before.
    """

    __tablename__ = "import_staging"
    __table_args__ = (Index("import_staging_partner", "run_id", "partner_id"),)

    run_id: Mapped[UUID] = mapped_column(ForeignKey("import_run.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID | None]
    base_version: Mapped[int]
    partner_version: Mapped[int]
    shown_elsewhere: Mapped[bool]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    row: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    document: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    links: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    original: Mapped[str | None]


class ImportOrigin(Base):
    """What a source last said of an entry: where it says nothing new, the entry is left alone.

    ``withdrawn``: the state it had when an import hid it because its source no longer has it.
    """

    __tablename__ = "import_origin"
    __table_args__ = (Index("import_origin_source", "source"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    withdrawn: Mapped[str | None]


class ImportOriginal(Base):
    """What a source said of an entry, whole, so that an export gives back what our entries cannot hold.

    Without names of persons, which are taken out before anything is stored. ``kind`` is PARTNER, SERVICE,
    or the HSDS table of what belongs to no entry (a taxonomy, a unit); ``data`` is JSON as ``format`` has it.
    """

    __tablename__ = "import_original"
    __table_args__ = (Index("import_original_source", "source", "kind", "id"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    format: Mapped[str]
    data: Mapped[str]
