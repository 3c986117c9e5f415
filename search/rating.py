"""How well a service matches a profile: each criterion's standing and worth, and the rank that follows.

Pure: documents, plain values and the table ``WEIGHTS`` in, ratings out. The answer (fits, ask, does not fit)
comes before any worth, so a service that its own rules close never ranks among those that fit. Missing data
has a standing of its own and a worth between "no" and "yes". Exclusion from the project's support is no
criterion here: it is not in a profile, and search knows no client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from directory.days import local_day
from directory.documents import ServiceDocument
from directory.figures import PartnerFigure
from directory.freshness import freshness
from directory.vocabulary import (
    Acceptance,
    Answer,
    CapacityState,
    CourseFormat,
    FreshnessState,
    ResponseTime,
    Responsibility,
    Standing,
)
from search.matching import Criterion, Judgement, Reason, Situation, capacity, capacity_on, judge


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """What a criterion counts, in points, and why; ``unknown``: its worth (0 to 1) where data is missing."""

    criterion: Criterion
    points: int
    unknown: float
    why: dict[str, str]


class WeightTable(msgspec.Struct, frozen=True, kw_only=True):
    """The weights of matching; whoever changes one raises ``version``."""

    version: int
    weights: tuple[Weight, ...]

    def of(self, criterion: Criterion) -> Weight:
        """Return the weight of a criterion."""
        return next(weight for weight in self.weights if weight.criterion is criterion)


def _weight(criterion: Criterion, points: int, unknown: float, de: str, en: str) -> Weight:
    return Weight(criterion=criterion, points=points, unknown=unknown, why={"de": de, "en": en})


_C: Final = Criterion

WEIGHTS: Final = WeightTable(
    version=1,
    weights=(
        _weight(
            _C.ELIGIBILITY,
            30,
            0.5,
            "Die eigenen Regeln des Angebots entscheiden zuerst.",
            "The service's own rules decide first.",
        ),
        _weight(
            _C.PLACE_OF_RESIDENCE,
            15,
            0.5,
            "Wo der Wohnort die Zuständigkeit bestimmt, hilft keine Nähe.",
            "Where the place of residence decides who is responsible, being near does not help.",
        ),
        _weight(
            _C.LANGUAGE,
            20,
            0.4,
            "In der eigenen Sprache, sonst über Sprachmittlung, verstanden werden.",
            "Being understood: in the own language, else through an interpreter.",
        ),
        _weight(_C.LEVEL, 15, 0.5, "Ein Kurs auf dem passenden Niveau.", "A course of the right level."),
        _weight(
            _C.COURSE_START,
            10,
            0.5,
            "Ein Termin, der noch bevorsteht und frei ist.",
            "A run that is still to come and has room.",
        ),
        _weight(
            _C.COURSE_END,
            20,
            0.5,
            "Der Kurs endet, bevor der Aufenthaltsstatus endet.",
            "The course ends before the residence status does.",
        ),
        _weight(
            _C.STATUS_DEADLINE,
            20,
            0.5,
            "Es beginnt, bevor der Aufenthaltsstatus endet.",
            "It begins before the residence status ends.",
        ),
        _weight(_C.CHILDCARE, 15, 0.4, "Kinderbetreuung, wo sie gebraucht wird.", "Childcare where needed."),
        _weight(_C.WOMEN_ONLY, 10, 0.4, "Nur für Frauen, wo gewünscht.", "For women only where wished."),
        _weight(_C.ACCESS, 10, 0.5, "Der Zugang steht offen.", "The way in is open."),
        _weight(
            _C.OCCUPATION,
            20,
            0.4,
            "Zuständig für den Beruf.",
            "Competent for the occupation.",
        ),
        _weight(_C.CAPACITY, 20, 0.5, "Es gibt Platz.", "There is room."),
        _weight(_C.DISTANCE, 10, 0.4, "Der Weg ist kurz.", "It is near."),
        _weight(
            _C.FRESHNESS,
            8,
            0.5,
            "Jemand hat kürzlich bestätigt, dass der Eintrag stimmt.",
            "Somebody has lately said that the entry is right.",
        ),
        _weight(
            _C.RESPONSE_TIME,
            6,
            0.5,
            "Der Partner antwortet rasch (grob gemessen).",
            "The partner answers soon (measured coarsely).",
        ),
        _weight(
            _C.ACCEPTANCE,
            6,
            0.5,
            "Der Partner sagt oft zu (grob gemessen).",
            "The partner often says yes (measured coarsely).",
        ),
    ),
)
"""What each criterion counts. Points are relative: a service's score is what it reaches of those that concern
it. Capacity, deadline and language weigh as they decide whether a person is helped in time; measured figures
weigh least, so that a partner who is slow but right comes before one who is quick and wrong."""

WORTH: Final[Mapping[str, float]] = {
    "rules-fit": 1.0,
    "rules-ask": 0.5,
    "rules-do-not-fit": 0.0,
    "closed-to-all": 0.0,
    "open-to-all-places": 1.0,
    "area-covers-residence": 1.0,
    "area-covers-a-part": 0.6,
    "outside-usual-area": 0.3,
    "not-responsible-there": 0.0,
    "language-offered": 1.0,
    "language-interpreted-here": 1.0,
    "language-through-interpreter": 0.8,
    "language-through-bridge": 0.6,
    "language-not-offered": 0.2,
    "level-fits": 1.0,
    "level-starts-above": 0.0,
    "level-ends-below": 0.0,
    "already-begun": 0.0,
    "starts-too-early": 0.0,
    "application-over": 0.0,
    "run-full": 0.3,
    "starts-later": 1.0,
    "ends-after-status": 0.0,
    "ends-before-status": 1.0,
    "no-begin-in-sight": 0.0,
    "waits-beyond-status": 0.1,
    "begins-before-status": 1.0,
    "childcare-offered": 1.0,
    "no-childcare": 0.0,
    "open-to-all-genders": 1.0,
    "not-women-only": 0.0,
    "access-direct": 1.0,
    "access-through-legal-circle": 1.0,
    "access-needs-admission": 0.5,
    "all-occupations": 0.8,
    "competent-for-occupation": 1.0,
    "regulated-occupation-other-body": 0.0,
    "other-competent-body": 0.0,
    "places-open": 1.0,
    "places-few": 0.9,
    "no-places": 0.0,
    "entry-fresh": 1.0,
    "entry-changed-lately": 0.7,
    "entry-due": 0.5,
    "entry-overdue": 0.2,
    "answers-within-2-days": 1.0,
    "answers-within-5-days": 0.8,
    "answers-within-10-days": 0.5,
    "answers-later": 0.1,
    "accepts-mostly": 1.0,
    "accepts-often": 0.6,
    "accepts-seldom": 0.2,
}
"""What a finding is worth, by the code of its reason.

A waiting list and a distance have a worth by their size (``waiting_worth``, ``distance_worth``); every other
code that is not here means that something is not known.
"""

_BY_ANSWER: Final = {"women-only": {Answer.FITS: 1.0, Answer.ASK: 0.5, Answer.DOES_NOT_FIT: 0.0}}

HALF_AT_KM: Final = 20.0
"""At this distance the worth of being near is one half."""

LONGEST_WAIT: Final = 0.4
"""A waiting list is worth less than not knowing, and less the longer it is."""


def distance_worth(kilometres: float) -> float:
    """Return what a distance is worth: 1 next door, one half at ``HALF_AT_KM``, never quite nothing."""
    return 1.0 / (1.0 + max(0.0, kilometres) / HALF_AT_KM)


def waiting_worth(weeks: int) -> float:
    """Return what a place after so many weeks is worth: always less than one that may be free."""
    return LONGEST_WAIT / (1.0 + max(0, weeks) / 8.0)


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """A criterion of a match: how it stands, what that is worth (0 to 1) and weighs, and the reason."""

    standing: Standing
    worth: float
    points: int
    reason: Reason

    @property
    def criterion(self) -> Criterion:
        """What is rated."""
        return self.reason.criterion


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """A service rated for a profile: ``score`` from 0 to 1,000 compares services of the same answer."""

    answer: Answer
    score: int
    ratings: tuple[Rating, ...]


def rate(
    service: ServiceDocument,
    situation: Situation,
    regulated: Mapping[str, bool],
    *,
    figure: PartnerFigure | None = None,
    distance_km: float | None = None,
    distance_asked: bool = False,
    bridges: Sequence[ServiceDocument] = (),
    weights: WeightTable = WEIGHTS,
) -> Rated:
    """Rate a service; criteria that concern neither it nor the profile are left out, and cost nothing.

    ``figure``: what is published of its partner's answers. ``distance_km``: to its nearest place, None where
    that is not known; only with ``distance_asked`` does it count. ``bridges``: interpreting services for the
    languages of the profile.
    """
    judgement = judge(service, situation, regulated)
    reasons = [
        _bridged(reason, bridges) if reason.criterion is Criterion.LANGUAGE else reason
        for reason in judgement.reasons
        if reason.criterion is not Criterion.CAPACITY
    ]
    found = (
        room(service, situation),
        status_deadline(service, situation),
        distance(service, distance_km) if distance_asked else None,
        being_fresh(service, situation),
        response_time(figure),
        acceptance(figure),
    )
    reasons += [reason for reason in found if reason is not None]
    ratings = tuple(_rating(reason, weights) for reason in reasons)
    return Rated(answer=judgement.answer, score=_score(ratings), ratings=ratings)


def judgement_of(rated: Rated) -> Judgement:
    """Return the answer with all reasons."""
    return Judgement(rated.answer, tuple(rating.reason for rating in rated.ratings))


_ORDER: Final = {Answer.FITS: 0, Answer.ASK: 1, Answer.DOES_NOT_FIT: 2}


def rank(rated: Rated, service_id: UUID) -> tuple[int, int, int]:
    """Return what matches are sorted by: the answer, then the score; equal ones by id, the same for all."""
    return _ORDER[rated.answer], -rated.score, service_id.int


def _score(ratings: Sequence[Rating]) -> int:
    whole = sum(rating.points for rating in ratings)
    return round(1_000 * sum(rating.points * rating.worth for rating in ratings) / whole) if whole else 0


def _rating(reason: Reason, weights: WeightTable) -> Rating:
    weight = weights.of(reason.criterion)
    worth = _worth(reason)
    if worth is None:
        return Rating(standing=Standing.UNKNOWN, worth=weight.unknown, points=weight.points, reason=reason)
    standing = Standing.NOT_MET if worth == 0.0 else Standing.MET if worth == 1.0 else Standing.PARTLY
    return Rating(standing=standing, worth=worth, points=weight.points, reason=reason)


def _worth(reason: Reason) -> float | None:
    """Return what a reason is worth; None where it says that something is not known."""
    by_answer = _BY_ANSWER.get(reason.code)
    if by_answer is not None:
        return by_answer[reason.answer]
    if reason.code == "waiting-list":
        return waiting_worth(int(reason.values["weeks"]))
    if reason.code == "distance":
        return distance_worth(float(reason.values["km"]))
    return WORTH.get(reason.code)


def _bridged(reason: Reason, bridges: Sequence[ServiceDocument]) -> Reason:
    """Return the reason of the language, where somebody else can interpret: that is a bridge, and says so."""
    if not bridges or reason.code not in {"language-not-offered", "languages-unknown"}:
        return reason
    names = " · ".join(dict.fromkeys(bridge.partner.name for bridge in bridges))
    return Reason(Criterion.LANGUAGE, Answer.ASK, "language-through-bridge", {"interpreters": names})


def room(service: ServiceDocument, situation: Situation) -> Reason:
    """Judge the capacity, whether or not a place is needed at once."""
    said = capacity(service, msgspec.structs.replace(situation, place_needed=True))
    if said is None:
        raise AssertionError("a place was asked for")
    if said.values.get("state") == CapacityState.FEW:
        return msgspec.structs.replace(said, code="places-few")
    return said


def status_deadline(service: ServiceDocument, situation: Situation) -> Reason | None:
    """Judge whether it begins before the residence status ends; of courses COURSE_END says that."""
    until = situation.status_valid_until
    if until is None or service.course is not None:
        return None
    values = {"valid_until": until.isoformat()}
    state = capacity_on(service.capacity, situation.on)
    weeks = service.capacity.waiting_weeks
    if state in {CapacityState.OPEN, CapacityState.FEW}:
        weeks = 0
    if state is CapacityState.NONE and weeks is None:
        return Reason(Criterion.STATUS_DEADLINE, Answer.ASK, "no-begin-in-sight", values)
    if state is CapacityState.UNKNOWN or weeks is None:
        return Reason(Criterion.STATUS_DEADLINE, Answer.ASK, "begin-unknown", values)
    begins_on = situation.on + timedelta(weeks=min(weeks, 2_000))
    if begins_on > until:
        values["begins_on"] = begins_on.isoformat()
        return Reason(Criterion.STATUS_DEADLINE, Answer.ASK, "waits-beyond-status", values)
    return Reason(Criterion.STATUS_DEADLINE, Answer.FITS, "begins-before-status", values)


def distance(service: ServiceDocument, kilometres: float | None) -> Reason | None:
    """Rate the way; what is responsible by residence, or held online, is not ranked by it."""
    if service.responsibility is Responsibility.BY_RESIDENCE:
        return None
    if service.course is not None and service.course.format is CourseFormat.ONLINE:
        return None
    if kilometres is None:
        return Reason(Criterion.DISTANCE, Answer.ASK, "place-unknown")
    return Reason(Criterion.DISTANCE, Answer.FITS, "distance", {"km": f"{kilometres:.1f}"})


_FRESH: Final = {
    FreshnessState.FRESH: "entry-fresh",
    FreshnessState.DUE: "entry-due",
}


def being_fresh(service: ServiceDocument, situation: Situation) -> Reason:
    """Rate how sure one can be of the entry on the day that is judged."""
    known = freshness(service, situation.on)
    code = _FRESH.get(known.state, "entry-overdue")
    if code == "entry-fresh" and service.assured_at is None:
        code = "entry-changed-lately"
    answer = Answer.ASK if code in {"entry-due", "entry-overdue"} else Answer.FITS
    values = {} if service.assured_at is None else {"assured_on": local_day(service.assured_at).isoformat()}
    return Reason(Criterion.FRESHNESS, answer, code, values)


_RESPONSE: Final = {
    ResponseTime.WITHIN_2_DAYS: "answers-within-2-days",
    ResponseTime.WITHIN_5_DAYS: "answers-within-5-days",
    ResponseTime.WITHIN_10_DAYS: "answers-within-10-days",
    ResponseTime.LATER: "answers-later",
}
_ACCEPTANCE: Final = {
    Acceptance.MOSTLY: "accepts-mostly",
    Acceptance.OFTEN: "accepts-often",
    Acceptance.SELDOM: "accepts-seldom",
}


def response_time(figure: PartnerFigure | None) -> Reason:
    """Rate how soon the partner answers; too few answers to say so is not known, never slow."""
    if figure is None:
        return Reason(Criterion.RESPONSE_TIME, Answer.ASK, "response-not-measured")
    values = {"until": figure.until.isoformat()}
    return Reason(Criterion.RESPONSE_TIME, Answer.FITS, _RESPONSE[figure.response_time], values)


def acceptance(figure: PartnerFigure | None) -> Reason:
    """Rate how often the partner says yes; too few answers to say so is not known, never seldom."""
    if figure is None:
        return Reason(Criterion.ACCEPTANCE, Answer.ASK, "acceptance-not-measured")
    values = {"until": figure.until.isoformat()}
    return Reason(Criterion.ACCEPTANCE, Answer.FITS, _ACCEPTANCE[figure.acceptance], values)
