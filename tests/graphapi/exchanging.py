"""A town in which people are referred, and every verb of the API as one call that returns what came back."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from graphql import GraphQLEnumType, GraphQLScalarType, GraphQLUnionType, get_named_type
from sqlalchemy import update

from directory.actors import SYSTEM, Role
from directory.database import Database
from directory.days import ZONE
from directory.models import Partner
from directory.values import Capacity, InterpretedLanguage, InterpretingFacts
from directory.vocabulary import CapacityState, InterpretingMode, PartnerKind, ServiceKind
from graphapi.relay import global_id
from graphapi.schema import schema
from referrals.consent.notice import CURRENT, TEXT_ID
from tests.graphapi.asking import Answer, Api
from tests.graphapi.conftest import (
    World,
    add_member,
    add_partner,
    add_service,
    add_world,
    make_service,
    make_topic,
)

REFERRAL = """id version state seenAs allowedMoves recordableMoves outcome outcomeReason outcomeOn reason
  packageClosedBecause pseudonym clientId consentId serviceId language area topic recipientContact"""
CONSENT = "id version state subject purposes { purpose granted reportDepth } withdrawal { receipt scope }"
BULK = "done failed items {{ id result {{ __typename ... on Problem {{ message code }} {} }} }}"
PAYLOADS = {
    "ClientSaved": "client { id version pseudonym phase }",
    "ClientErased": "clientId",
    "ConsentSaved": f"consent {{ {CONSENT} }}",
    "ConsentWithdrawn": f"consent {{ {CONSENT} }} remaining {{ id state }}",
    "ReferralSaved": f"referral {{ {REFERRAL} }}",
    "BulkReferrals": BULK.format("... on ReferralSaved { referral { id version state } }"),
    "BulkClients": BULK.format("... on ClientSaved { client { id version } }"),
    "ApprovalRequested": "approval { id version state move referralId }",
    "ChangeRequestSaved": "changeRequest { id version state }",
    "CorrectionTaken": "about",
    "ApprovalSaved": "approval { id version state move referral { id state } }",
    "BookingSaved": "booking { id version state allowedMoves person interpreter }",
    "FeedbackCodeIssued": "feedbackCode expiresAt",
    "FeedbackGiven": "thanks",
    "CodeCardIssued": "cardCode expiresAt clientId",
    "CodeCardRevoked": "clientId",
    "WithdrawnByCard": "receipt { number title lines } page { title }",
    "CardSaved": "page { title referrals { id version state } }",
    "FollowUpSaved": "followUp { id version state }",
    "AnswerLinkIssued": "answerCode path expiresAt",
    "LegalHoldSaved": "legalHold { id version inForce }",
    "MunicipalitySaved": "municipality { id licence }",
    "RuleSetSaved": "ruleSet { id version state }",
    "AnswerTaken": "answer at linkEnded",
    "PackageOpened": "package { categories person { familyName phone } }",
    "PartnerSaved": "partner { id version state }",
    "ServiceSaved": "service { id version state }",
    "EntryDeleted": "deletedId",
    "NotDuplicatesSaved": "notDuplicates { id }",
    "NotDuplicatesWithdrawn": "withdrawnId",
    "LocationAdded": "location { id }",
    "MemberSaved": "member { id version active }",
    "SavedSearchSaved": "savedSearch { id version name notify newServices changedServices lookedAt }",
    "SavedSearchDeleted": "deletedId",
    "MailboxSaved": "mailbox { address language confirmedAt }",
    "UpkeepPage": "lettersIn entries { hidden partner { id version } service { id version } }",
    "SuggestionsTaken": "capacityCounts proposed page { lettersIn }",
    "MailboxPage": "asked confirmedAt lettersIn",
    "TokenCreated": "secret token { id }",
    "TokenRevoked": "token { id revokedAt }",
}
"""What is read of each payload."""

TODAY = datetime.now(ZONE).date()
SHA = hashlib.sha256(b"notice").hexdigest()
RECORD = {
    # this hash is of no notice: Town.do asks for the one of the consent in its place, as a desk does
    "notice": {"textId": TEXT_ID, "version": CURRENT, "sha256": SHA, "language": "ti", "readAloud": True},
    "medium": "PAPER",
    "noDisadvantageShown": True,
    "section87NoticeAt": datetime.now(UTC).isoformat(),
    "interpreter": {"kind": "MEDIATOR", "language": "ti"},
}
CATEGORIES = ["IDENTITY", "CONTACT", "LANGUAGE", "NEEDS"]
REPORT_BACK = {"purpose": "REPORT_BACK", "reportDepth": "OUTCOME"}


def document(field: str, *, problems_only: bool = False) -> str:
    """Return the document that runs a mutation and reads its payload and every problem it can answer."""
    mutation = schema._schema.mutation_type
    assert mutation is not None
    definition = mutation.fields[field]
    union = get_named_type(definition.type)
    assert isinstance(union, GraphQLUnionType)
    parts = []
    for kind in union.types:
        if kind.name.endswith("Problem"):
            scalars = [
                name
                for name, found in kind.fields.items()
                if isinstance(get_named_type(found.type), GraphQLScalarType | GraphQLEnumType)
            ]
            # one alias per type: "field" or "state" may differ between problems
            parts.append(f"... on {kind.name} {{ {' '.join(_own(kind.name, name) for name in scalars)} }}")
        elif not problems_only:
            parts.append(f"... on {kind.name} {{ {PAYLOADS[kind.name]} }}")
    input_type = get_named_type(definition.args["input"].type).name
    return (
        f"mutation Run($input: {input_type}!) {{ {field}(input: $input) {{ __typename {' '.join(parts)} }} }}"
    )


def _own(kind: str, name: str) -> str:
    return f"refusedIn: {name}" if (kind, name) == ("ConsentNotOpenProblem", "state") else name


def key() -> str:
    """Return a fresh idempotency key."""
    return f"test-{uuid4()}"


@dataclasses.dataclass
class Town:
    """A world with a service, a Jobcenter, an interpreting service, and people to refer."""

    api: Api
    database: Database
    world: World
    topic: str
    service: str
    other_service: str
    clearing: str
    interpreting: str
    jobcenter_partner: UUID
    jobcenter: str
    """Token of a member of the Jobcenter (an authority: § 87 AufenthG applies)."""
    colleague: str
    """Token of a coordinator who looks after nobody."""
    second_lead: str
    partner_id: str
    other_partner_id: str
    coordination_id: str
    offered_by: dict[str, str] = dataclasses.field(default_factory=dict)
    """The partners of the services that were made here."""

    def token(self, who: str) -> str | None:
        """Return the token of one of the actors by name; anonymous has none."""
        tokens = {
            "anonymous": None,
            "lead": self.world.lead,
            "second_lead": self.second_lead,
            "coordinator": self.world.coordinator,
            "colleague": self.colleague,
            "staff": self.world.staff,
            "other_staff": self.world.other_staff,
            "stranger": self.world.stranger,
            "reader": self.world.reader,
            "jobcenter": self.jobcenter,
        }
        return tokens[who]

    async def ask(self, query: str, variables: dict[str, Any] | None = None, *, who: str) -> Answer:
        """Ask as somebody."""
        return await self.api(query, variables, token=self.token(who))

    async def do(self, who: str, field: str, /, *, problems_only: bool = False, **given: Any) -> Any:
        """Run one mutation as somebody; return its payload or problem, with ``__typename``."""
        input_ = {"idempotencyKey": key(), **await self.explained(who, given, field)}
        answer = await self.ask(document(field, problems_only=problems_only), {"input": input_}, who=who)
        return answer.data[field]

    async def warned(self, who: str, language: str = "ti", **to: str) -> Any:
        """Show the notice that is due before data are entered; return what an intake says of it."""
        query = """query ($language: String!, $serviceId: ID, $recipientId: ID) {
          section87Notice(language: $language, serviceId: $serviceId, recipientId: $recipientId) {
            textId version sha256 language } }"""
        found = (await self.ask(query, {"language": language, **to}, who=who)).data["section87Notice"]
        return None if found is None else {"notice": found, "shownAt": datetime.now(UTC).isoformat(), **to}

    async def explained(self, who: str, given: dict[str, Any], field: str = "") -> dict[str, Any]:
        """Return an input whose consent record has the hash of the notice that the person was shown.

        Only where its notice is that of ``RECORD``, and where the actor may see the notice.
        """
        if field == "createClient" and who == "jobcenter" and "section87Notice" not in given:
            return {**given, "section87Notice": await self.warned(who)}
        within = given.get("consent") or given
        record = within.get("record")
        if not record or record["notice"] != RECORD["notice"]:
            return given
        notice = await (self._notice_of(who, given) if within is given else self._planned(who, given, within))
        if notice is None:
            return given
        explained = {**record, "notice": {**record["notice"], **notice}}
        if within is given:
            return {**given, "record": explained}
        return {**given, "consent": {**within, "record": explained}}

    async def _notice_of(self, who: str, given: dict[str, Any]) -> Any:
        query = 'query ($id: ID!) { consent(id: $id) { notice(language: "ti") { textId version sha256 } } }'
        answer = await self.ask(query, {"id": given["id"]}, who=who)
        found = None if answer.codes else answer.data["consent"]
        return None if found is None else found["notice"]

    async def _planned(self, who: str, given: dict[str, Any], consent: dict[str, Any]) -> Any:
        query = """query ($to: [ID!]!, $purposes: [ConsentPurposeInput!]!) {
          consentNotice(recipientIds: $to, purposes: $purposes, language: "ti") { textId version sha256 } }"""
        partner = self.offered_by.get(given["serviceId"])
        if partner is None:
            who_offers = "query ($id: ID!) { service(id: $id) { partner { id } } }"
            found = await self.ask(who_offers, {"id": given["serviceId"]}, who=who)
            service = None if found.codes else found.data["service"]
            if service is None:
                return None
            partner = service["partner"]["id"]
        referral = {"purpose": "REFERRAL", "categories": given["categories"]}
        purposes = [referral, *consent.get("purposes", [])]
        answer = await self.ask(query, {"to": [partner], "purposes": purposes}, who=who)
        return None if answer.codes else answer.data["consentNotice"]

    async def done(self, who: str, field: str, /, **given: Any) -> Any:
        """Run one mutation that must succeed; return the thing in its payload."""
        found = await self.do(who, field, **given)
        assert not found["__typename"].endswith("Problem"), (field, found)
        things = [value for value in found.values() if isinstance(value, dict)]
        return things[0] if things else found

    async def client(self, who: str = "coordinator", **given: Any) -> Any:
        """Take in a person."""
        plain: dict[str, Any] = {
            "identity": {"familyName": "Tesfay", "givenNames": "Almaz"},
            "contact": {"phone": "+493551234567"},
            "languages": ["ti", "de"],
            "needs": [self.topic],
            "residenceStatus": "SECTION_104C",
            "statusValidUntil": (TODAY + timedelta(days=210)).isoformat(),
        }
        return await self.done(who, "createClient", **{**plain, **given})

    async def new_service(self, partner: UUID | None = None, **given: Any) -> str:
        """Publish a service of the recipient (or of another partner)."""
        offering = partner or self.world.partner
        service = global_id("Service", await make_service(self.database, offering, **given))
        self.offered_by[service] = global_id("Partner", offering)
        return service

    async def consent(
        self,
        client: str,
        recipient: str | None = None,
        *,
        who: str = "coordinator",
        categories: Iterable[str] = CATEGORIES,
        others: Iterable[dict[str, Any]] = (REPORT_BACK,),
        **recorded: Any,
    ) -> Any:
        """Ask for and record a consent of a person for one recipient."""
        purposes = [{"purpose": "REFERRAL", "categories": list(categories)}, *others]
        asked = await self.done(
            who,
            "requestConsent",
            clientId=client,
            recipientIds=[recipient or self.partner_id],
            purposes=purposes,
        )
        given: dict[str, Any] = {
            "granted": [purpose["purpose"] for purpose in purposes],
            "record": RECORD,
            **recorded,
        }
        return await self.done(who, "recordConsent", id=asked["id"], expectedVersion=1, **given)

    async def draft(self, client: str | None = None, service: str | None = None, **given: Any) -> Any:
        """Draft a referral of a person."""
        plain = {
            "clientId": client or (await self.client())["id"],
            "serviceId": service or self.service,
            "topic": self.topic,
            "categories": CATEGORIES,
        }
        return await self.done("coordinator", "draftReferral", **{**plain, **given})

    async def sent(self, *, others: Iterable[dict[str, Any]] = (REPORT_BACK,), **given: Any) -> Any:
        """Refer a person in one operation; the referral is SENT."""
        plain = {
            "clientId": given.get("clientId") or (await self.client())["id"],
            "serviceId": given.get("serviceId") or self.service,
            "topic": self.topic,
            "categories": CATEGORIES,
            "consent": {"record": RECORD, "purposes": list(others)},
        }
        return await self.done("coordinator", "referClient", **{**plain, **given})

    async def on(self, who: str, field: str, referral: Any, /, **given: Any) -> Any:
        """Make a move with a referral (or booking), in the version that it has."""
        return await self.done(who, field, id=referral["id"], expectedVersion=referral["version"], **given)

    async def accepted(self, **given: Any) -> Any:
        """Return a referral that was accepted."""
        return await self.on("staff", "acceptReferral", await self.sent(**given), **ACCEPTANCE)

    async def started(self, **given: Any) -> Any:
        """Return a referral on which work has begun."""
        return await self.on(
            "staff",
            "startReferral",
            await self.accepted(**given),
            firstContactMadeOn=TODAY.isoformat(),
        )

    async def reported(self, **given: Any) -> Any:
        """Return a referral whose outcome was reported."""
        return await self.on("staff", "reportOutcome", await self.started(**given), **OUTCOME)

    async def closed(self, **given: Any) -> Any:
        """Return a referral that was closed."""
        return await self.on(
            "coordinator", "closeReferral", await self.reported(**given), feedbackAsked="ANSWERED"
        )

    async def booked(self, **given: Any) -> Any:
        """Return an interpreter booking that was requested."""
        plain = {
            "serviceId": self.interpreting,
            "language": "ti",
            "mode": "ON_SITE",
            "startsAt": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
            "minutes": 60,
        }
        return await self.done("coordinator", "requestBooking", **{**plain, **given})


def days(number: int) -> str:
    """Return the day so many days from now, as it is sent."""
    return (TODAY + timedelta(days=number)).isoformat()


ACCEPTANCE: dict[str, Any] = {"contact": "Empfang", "firstContactOn": days(7), "expectedEnd": days(120)}
OUTCOME: dict[str, Any] = {"outcome": "NOT_MET", "outcomeOn": TODAY.isoformat(), "reason": "NO_PLACE"}


async def make_town(database: Database, api: Api) -> Town:
    """Make a town of its own."""
    topic = await make_topic(database, de="Sprachkurs", en="language course")
    async with database.work(SYSTEM) as work:
        world = await add_world(work)
        jobcenter = await add_partner(work, world.municipality, "Jobcenter", kind=PartnerKind.AUTHORITY)
        _, jobcenter_token = await add_member(work, jobcenter, Role.PARTNER_MEMBER)
        _, colleague = await add_member(work, world.coordination, Role.COORDINATOR)
        _, second_lead = await add_member(work, world.coordination, Role.LEAD)
        await work.session.execute(update(Partner).where(Partner.id == jobcenter).values(public_body=True))
        clearing = await add_service(
            work, world.coordination, "Clearing", kind=ServiceKind.COUNSELLING, topics=[topic]
        )
        interpreting = await add_service(
            work,
            world.partner,
            "Sprachmittlung",
            kind=ServiceKind.LANGUAGE_MEDIATION,
            interpreting=InterpretingFacts(
                languages=(InterpretedLanguage(language="ti"),), modes=(InterpretingMode.ON_SITE,)
            ),
        )
        service = await add_service(work, world.partner, "Sprachkurs")
        other = await add_service(work, world.other_partner, "Anderer Sprachkurs")
    return Town(
        api=api,
        database=database,
        world=world,
        topic=topic,
        service=global_id("Service", service),
        offered_by={global_id("Service", service): global_id("Partner", world.partner)},
        other_service=global_id("Service", other),
        clearing=global_id("Service", clearing),
        interpreting=global_id("Service", interpreting),
        jobcenter_partner=jobcenter,
        jobcenter=jobcenter_token,
        colleague=colleague,
        second_lead=second_lead,
        partner_id=global_id("Partner", world.partner),
        other_partner_id=global_id("Partner", world.other_partner),
        coordination_id=global_id("Partner", world.coordination),
    )


def one_place() -> Capacity:
    """Return a capacity with one counted place."""
    return Capacity(state=CapacityState.FEW, places=1)
