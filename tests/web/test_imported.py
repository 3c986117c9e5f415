"""What other systems publish is shown as text: scripts in each field of each format that is read."""

from __future__ import annotations

import csv
import io
import json
import secrets
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing import import_source
from directory.models import Municipality, ServiceDocumentRow
from tests.directory.test_import import FILES, package
from tests.directory.test_import_services_advisor import ARABIC, ENGLISH
from tests.web.conftest import Web
from tests.web.crawling import BIDI, LINK, MARK, SCRIPT, Parsed, strange

TEXTS: Final = frozenset(
    (
        *("name", "alternate_name", "description", "short_description", "title", "application_process"),
        *("wait_time", "fees", "fees_description", "city", "note", "address_1", "address_2"),
        *("accessibility", "details", "department", "eligibility", "document"),
    )
)
ADDRESSES: Final = frozenset({"url", "website", "uri", "logo"})


def hostile(value: Any, name: str = "") -> Any:
    """Return the same thing with a script in every text, and a script as every address."""
    if isinstance(value, dict):
        return {key: hostile(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [hostile(one, name) for one in value]
    if not isinstance(value, str):
        return value
    return LINK if name in ADDRESSES else f"{value} {BIDI}" if name in TEXTS else value


def hsds3(folder: Path) -> Path:
    record = {
        "id": "s1",
        "name": "Beratung",
        "status": "active",
        "description": "Was wir tun",
        "url": "https://example.org/",
        "email": "x@example.org",
        "application_process": "Anrufen",
        "fees_description": SCRIPT,
        "organization": {"id": "o1", "name": "Verein", "description": "Wer wir sind", "website": "x"},
        "phones": [{"id": "p1", "number": "+493551234567", "description": "Empfang"}],
        "languages": [{"id": "l1", "name": "Arabisch", "code": "ar", "note": "x"}],
        "required_documents": [{"id": "d1", "document": SCRIPT}],
        "service_at_locations": [
            {
                "id": "a1",
                "location": {
                    "id": "w1",
                    "name": "Haus 1",
                    "location_type": "physical",
                    "addresses": [
                        {
                            "id": "z1",
                            "address_1": "Weg 1",
                            "city": "Cottbus",
                            "postal_code": "03046",
                            "state_province": "BB",
                            "country": "DE",
                            "address_type": "physical",
                        }
                    ],
                    "accessibility": [{"id": "b1", "description": "Rampe"}],
                },
            }
        ],
    }
    path = folder / "hostile.ndjson"
    path.write_text(json.dumps(hostile(record), ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def hsds1(folder: Path) -> Path:
    """A package of CSV files."""
    changed: dict[str, str | bytes | None] = {}
    for file, text in FILES.items():
        rows = list(csv.DictReader(io.StringIO(text)))
        out = io.StringIO()
        writer = csv.DictWriter(out, [name for name in rows[0] if name])
        writer.writeheader()
        writer.writerows(hostile({name: row[name] for name in rows[0] if name}) for row in rows)
        changed[file.removesuffix(".csv")] = out.getvalue()
    return package(folder / "package", **changed)


def unhcr(folder: Path) -> Path:
    """Services Advisor: all texts that are no days."""

    def hostile_too(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: hostile_too(one) for key, one in value.items()}
        return (
            f"{value} {SCRIPT}" if isinstance(value, str) and value != "Yes" and "20" not in value else value
        )

    for tag, features in (("en", ENGLISH), ("ar", ARABIC)):
        made = [{**one, "properties": hostile_too(one["properties"])} for one in features]
        text = json.dumps({"type": "FeatureCollection", "features": made}, ensure_ascii=False)
        (folder / f"services_{tag}.geojson").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("made", [hsds3, hsds1, unhcr])
async def test_scripts_in_what_is_imported_are_text(
    web: Web, database: Database, tmp_path: Path, made: Any
) -> None:
    ars = f"{secrets.randbelow(10**12):012d}"
    async with database.work(SYSTEM) as work:
        town = Municipality(ars=ars, name={"de": f"Stadt {SCRIPT}"}, kind_labels={})
        work.session.add(town)
    report = await import_source(database, made(tmp_path), municipality=ars, publish=True)
    async with database.view(SYSTEM) as session:
        rows = select(ServiceDocumentRow).where(ServiceDocumentRow.municipality_id == town.id)
        found = (await session.scalars(rows)).all()
    assert found, report
    await web.found_by_search()
    wrong, shown = [], 0
    for path in (
        f"/search?text={MARK}",
        f"/search?text={MARK}&view=map",
        *(f"/service/{row.id}" for row in found),
        *{f"/partner/{row.partner_id}" for row in found},
    ):
        for language in ("de", "ar"):
            page = await web.get(path, language=language)
            assert page.status_code == 200, path
            shown += MARK in page.text
            wrong += [f"{path}: {one}" for one in strange(Parsed(path, page.text))]
    for row in found:
        linked = await web.http.get(f"/services/{row.id}.jsonld")
        assert linked.headers["content-type"].startswith("application/ld+json")
        assert "javascript:" not in json.dumps(linked.json())
    assert not wrong, wrong
    assert shown > 3
