"""UNHCR's Services Advisor: services in two languages, with how people are referred to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from directory.actors import SYSTEM
from directory.database import Database
from directory.importing import ImportRefused, ImportReport, Refusal, import_source
from directory.models import Municipality, Partner, Service
from directory.sources import services as read_services

ARS = "120520000000"
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "unhcr_jordan_services"


async def add_town(database: Database) -> None:
    async with database.work(SYSTEM) as work:
        work.session.add(Municipality(ars=ARS, name={"de": "Stadt"}, kind_labels={}))


def feature(id_: int, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": id_,
        "properties": {"locationName": "Irbid", "partnerName": "Relief", "activity": 7, **properties},
        "geometry": {"type": "Point", "coordinates": [35.85, 32.55]},
    }


ENGLISH = [
    feature(
        1,
        activityName="Cash",
        activityCategory="CASH",
        comments="Cash for rent.",
        startDate="2026-01-01",
        endDate="2026-12-31",
        indicators={"Rent": 1, "Food": 0},
        **{
            "Referral required": "Yes",
            "3. Intake Criteria": {"Open to all": True},
            "10. Referral Method": {"Email on a per case basis": True},
            "11. Immediate Next step  response after referal": {"Follow up call": True},
            "12. Response delay after referrals": {"One week": True},
            "13. Feedback Mechanism": {"Phone call to sender organisation": True},
            "14. Feedback delay": {"Delay One day": True},
        },
    ),
    feature(
        1,
        activity=8,
        activityName="Advice",
        **{
            "Referral required": "Yes",
            "3. Intake Criteria": {"Serious medical condition": True},
            "10. Referral Method": {"Referrals not accepted": True},
            "12. Response delay after referrals": {"Case by case basis": True},
        },
    ),
]
ARABIC = [
    feature(
        1,
        activityName="نقد",
        activityCategory="نقد",
        indicators={"إيجار": 1, "طعام": 0},
        **{
            "Referral required": "Yes",
            "3. معايير القبول": {"حالة صحية خطيرة": True},
            "10. طريقة الإحالة": {"الإتصال بايميل": True},
            "الخطوة المباشرة التالية بعد الإحالة": {"الإتصال المتابع": True},
            "12. تأخر الرد بعد الإحالة": {"أسبوع واحد": True},
            "13. آلية تبادل التعليقات": {"الاتصال هاتفياً": True},
            "14. تأخر الملاحظات": {"تأخير يوم واحد": True},
        },
    ),
    feature(
        1,
        activity=8,
        activityName="Adviceنصيحة",
        **{
            "Referral required": "Yes",
            "3. معايير القبول": {"حالة صحية خطيرة": True},
            "10. طريقة الإحالة": {"Referrals not accepted": True},
            "12. تأخر الرد بعد الإحالة": {"على أساس كل حالة": True},
        },
    ),
]


def write(folder: Path, english: Any = None, arabic: Any = None) -> Path:
    folder.mkdir(exist_ok=True)
    for tag, features in (("en", english or ENGLISH), ("ar", arabic or ARABIC)):
        text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
        (folder / f"services_{tag}.geojson").write_text(text)
    return folder


async def take(database: Database, path: Path, **options: Any) -> ImportReport:
    return await import_source(database, path, municipality=ARS, publish=True, **options)


async def by_id(database: Database) -> dict[str, Service]:
    async with database.view(SYSTEM) as session:
        found = list(await session.scalars(select(Service)))
    return {one.provenance.foreign_id: one for one in found if one.provenance is not None}


async def test_a_service_carries_how_people_are_referred_to_it(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    report = await take(empty_database, write(tmp_path / "advisor"))
    assert (report.partners.new, report.services.new, report.licence) == (1, 2, "MIT")

    found = await by_id(empty_database)
    cash = found["1-7"].referral_facts
    assert cash is not None
    assert (cash.required, cash.accepted, cash.response_days, cash.feedback_days) == (True, True, 7, 1)
    assert cash.methods == ({"en": "Email on a per case basis", "ar": "الإتصال بايميل"},)
    assert cash.next_steps == ({"en": "Follow up call", "ar": "الإتصال المتابع"},)
    assert cash.feedback == ({"en": "Phone call to sender organisation", "ar": "الاتصال هاتفياً"},)
    assert cash.feedback_delay == {"en": "Delay One day", "ar": "تأخير يوم واحد"}
    assert found["1-7"].title == {"en": "Cash", "ar": "نقد"}
    assert found["1-7"].description["en"] == (
        "Cash for rent.\n\nActivities: Rent\n\nPeriod: 2026-01-01 – 2026-12-31"
    )


async def test_what_contradicts_itself_is_not_known_and_reported(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    report = await take(empty_database, write(tmp_path / "advisor"))
    advice = (await by_id(empty_database))["1-8"].referral_facts
    assert advice is not None
    assert (advice.required, advice.accepted, advice.methods) == (None, False, ())
    assert (advice.response_days, advice.response) == (
        None,
        {"en": "Case by case basis", "ar": "على أساس كل حالة"},
    )
    assert report.file("services_en.geojson").repaired_by == {"REFERRAL_CONTRADICTED": 1}


async def test_a_translation_that_means_two_things_is_left_out(
    empty_database: Database, tmp_path: Path
) -> None:
    """ "Open to all" must not be "serious medical condition" in Arabic; half a translation is none."""
    await add_town(empty_database)
    report = await take(empty_database, write(tmp_path / "advisor"))
    found = await by_id(empty_database)
    facts = [found[key].referral_facts for key in ("1-7", "1-8")]
    assert [one.intake_criteria for one in facts if one is not None] == [
        ({"en": "Open to all"},),
        ({"en": "Serious medical condition"},),
    ]
    assert found["1-8"].title == {"en": "Advice"}
    assert report.file("services_ar.geojson").repaired_by == {"TRANSLATION_UNCERTAIN": 3}


async def test_files_that_do_not_belong_together_are_refused(
    empty_database: Database, tmp_path: Path
) -> None:
    await add_town(empty_database)
    folder = write(tmp_path / "advisor", arabic=list(reversed(ARABIC))[:1])
    with pytest.raises(ImportRefused) as refused:
        await take(empty_database, folder)
    assert (refused.value.reason, refused.value.where.split(":")[0]) == (
        Refusal.INVALID,
        "services_ar.geojson",
    )


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/unhcr_jordan_services")
async def test_562_services_in_english_and_arabic(empty_database: Database) -> None:
    await add_town(empty_database)
    report = await take(empty_database, DATA)
    assert (report.services.new, report.file("services_en.geojson").rejected) == (562, 0)
    found = await by_id(empty_database)
    assert len(found) == 562
    facts = [one.referral_facts for one in found.values() if one.referral_facts is not None]
    assert len(facts) == 562
    assert (
        sum(bool(one.methods) for one in facts) == 385
    )  # 477 answers less 87 "not accepted", 5 "not required"
    assert sum(one.accepted is False for one in facts) == 87
    assert sum(bool(one.response) for one in facts) == 401
    assert sum(one.response_days is not None for one in facts) == 53
    assert sum(bool(one.next_steps) for one in facts) == 418
    assert sum(bool(one.feedback) for one in facts) == 428
    assert sum(bool(one.intake_criteria) for one in facts) == 463
    assert sum("ar" in one.title for one in found.values()) > 500
    for one in facts:
        for criterion in one.intake_criteria:
            assert criterion["en"] != "Open to all" or "ar" not in criterion
    async with empty_database.view(SYSTEM) as session:
        partners = (await session.scalars(select(Partner))).all()
    assert {one.provenance.licence for one in partners if one.provenance is not None} == {"MIT"}
    page = await read_services(empty_database, SYSTEM, first=1)
    assert page.nodes[0].referral_facts is not None, "readers see them in the document"
    again = await take(empty_database, DATA)
    assert (again.services.unchanged, again.services.changed, again.missing.services) == (562, 0, 0)
