"""Who may what, over every query and mutation of the schema: (actor, object, state, operation, expected).

The rows are data. For every row the refused actors come first, all at one object, and the whole database is
the same before and after them; then each actor who may gets an object of their own: of them the one furthest
away with every run, the others with the slow tests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import update

from directory import mailboxes, membership, upkeep_links
from directory.actors import SYSTEM, Actor, Role
from directory.change_requests import open_request
from directory.database import Database
from directory.documents import DocumentKind
from directory.models import Service
from directory.not_duplicates import mark_not_duplicates
from directory.vocabulary import ChangeField, ChangeReason
from graphapi.relay import global_id, parse_id
from graphapi.schema import schema
from referrals.codes import CodePurpose, hash_of, new_code
from referrals.models import FollowUp, Referral
from referrals.vocabulary import FollowUpKind, FollowUpState
from tests.graphapi.asking import Answer, Api
from tests.graphapi.conftest import make_member, make_partner, make_service, make_topic
from tests.graphapi.exchanging import (
    ACCEPTANCE,
    CATEGORIES,
    OUTCOME,
    RECORD,
    REPORT_BACK,
    TODAY,
    Town,
    days,
    document,
    key,
    make_town,
)
from tests.graphapi.unchanged import Digest

ACTORS = ("anonymous", "reader", "stranger", "other_staff", "staff", "colleague", "coordinator", "lead")
"""In the columns' order: nobody; a reader and a coordinator of other municipalities; a partner with no part
in it; the recipient (who administers its members); at the sender a colleague, who looks after the person, a
LEAD."""

WORDS = {
    "ok": "it is done",
    "yes": "it is shown",
    "none": "shown, but the object is not in it",
    "gone": "as if it did not exist",
    "no": "seen, or known, but not allowed",
    "in": "to sign in first",
    "state": "not in this state",
    "lapsed": "settled already",
}

TABLE = """
# operation            object                   anon reader stranger other staff colleague coordinator lead
# --- reading the directory
me                     -                        yes  yes    yes      yes   yes   yes       yes         yes
topics                 -                        yes  yes    yes      yes   yes   yes       yes         yes
occupations            -                        yes  yes    yes      yes   yes   yes       yes         yes
municipalities         -                        yes  yes    yes      yes   yes   yes       yes         yes
searchServices         -                        yes  yes    yes      yes   yes   yes       yes         yes
suggest                -                        yes  yes    yes      yes   yes   yes       yes         yes
matchServices          -                        yes  yes    yes      yes   yes   yes       yes         yes
matchWeights           -                        yes  yes    yes      yes   yes   yes       yes         yes
unmetSearches          -                        in   no     yes      no    no    yes       yes         yes
supportRules           -                        yes  yes    yes      yes   yes   yes       yes         yes
partner                partner:PUBLISHED        yes  yes    yes      yes   yes   yes       yes         yes
partner                partner:DRAFT            gone gone   gone     gone  gone  yes       yes         yes
partners               partner:PUBLISHED        yes  yes    yes      yes   yes   yes       yes         yes
partners               partner:DRAFT            none none   none     none  none  yes       yes         yes
service                service:PUBLISHED        yes  yes    yes      yes   yes   yes       yes         yes
service                service:DRAFT            gone gone   gone     gone  yes   yes       yes         yes
services               service:PUBLISHED        yes  yes    yes      yes   yes   yes       yes         yes
services               service:DRAFT            none none   none     none  yes   yes       yes         yes
node                   service:DRAFT            gone gone   gone     gone  yes   yes       yes         yes
members                member                   in   no     no       no    yes   no        no          yes
# --- what a member keeps: theirs alone, whatever anybody's role is
savedSearches          saved_search             in   none   none     none  none  none      yes         none
saveSearch             -                        in   ok     ok       ok    ok    ok        ok          ok
changeSavedSearch      saved_search             in   gone   gone     gone  gone  gone      ok          gone
deleteSavedSearch      saved_search             in   gone   gone     gone  gone  gone      ok          gone
mailbox                -                        in   yes    yes      yes   yes   yes       yes         yes
setMailbox             -                        in   ok     ok       ok    ok    ok        ok          ok
removeMailbox          -                        in   ok     ok       ok    ok    ok        ok          ok
# --- changing the directory
createPartner          -                        in   no     no       no    no    ok        ok          ok
changePartner          partner:DRAFT            in   no     gone     gone  gone  ok        ok          ok
changePartner          partner:PUBLISHED        in   no     no       no    ok    ok        ok          ok
publishPartner         partner:DRAFT            in   no     gone     gone  gone  ok        ok          ok
assurePartner          partner:PUBLISHED        in   no     no       no    ok    ok        ok          ok
addLocation            partner:PUBLISHED        in   no     no       no    ok    ok        ok          ok
changeLocation         location                 in   no     no       no    ok    ok        ok          ok
removeLocation         location                 in   no     no       no    ok    ok        ok          ok
createService          partner:PUBLISHED        in   no     no       no    ok    ok        ok          ok
changeService          service:DRAFT            in   no     gone     gone  ok    ok        ok          ok
changeService          service:PUBLISHED        in   no     no       no    ok    ok        ok          ok
publishService         service:DRAFT            in   no     gone     gone  ok    ok        ok          ok
hideService            service:PUBLISHED        in   no     no       no    ok    ok        ok          ok
assureService          service:PUBLISHED        in   no     no       no    ok    ok        ok          ok
setCapacity            service:PUBLISHED        in   no     no       no    ok    ok        ok          ok
hidePartner            partner:DRAFT            in   no     gone     gone  gone  ok        ok          ok
entryHistory           partner:PUBLISHED        in   no     no       no    yes   yes       yes         yes
entryHistory           service:DRAFT            in   no     gone     gone  yes   yes       yes         yes
entryVersion           service:DRAFT            in   no     gone     gone  yes   yes       yes         yes
entryVersion           service:PUBLISHED        in   no     no       no    yes   yes       yes         yes
eligibilityPreview     service:PUBLISHED        in   no     no       no    yes   yes       yes         yes
eligibilityPreview     service:DRAFT            in   no     gone     gone  yes   yes       yes         yes
possibleDuplicates     -                        in   no     yes      yes   yes   yes       yes         yes
staleTranslations      -                        in   no     yes      yes   yes   yes       yes         yes
duplicatePairs         -                        in   no     yes      no    no    yes       yes         yes
entryEnded             partner:PUBLISHED        yes  yes    yes      yes   yes   yes       yes         yes
entryEnded             partner:DRAFT            yes  yes    yes      yes   yes   yes       yes         yes
confirmPartnerTranslation partner:TRANSLATED    in   no     no       no    ok    ok        ok          ok
confirmServiceTranslation service:TRANSLATED    in   no     no       no    ok    ok        ok          ok
restorePartner         partner:TRANSLATED       in   no     no       no    ok    ok        ok          ok
restoreService         service:TRANSLATED       in   no     no       no    ok    ok        ok          ok
restoreService         service:DELETED          in   no     gone     gone  no    ok        ok          ok
mergePartners          partner:TWICE            in   no     no       no    no    ok        ok          ok
mergeServices          service:TWICE            in   no     no       no    no    ok        ok          ok
markNotDuplicates      partner:TWICE            in   no     no       no    no    ok        ok          ok
withdrawNotDuplicates  not_duplicates           in   no     gone     no    no    ok        ok          ok
deletePartner          partner:TWICE            in   no     no       no    no    ok        ok          ok
deleteService          service:PUBLISHED        in   no     no       no    no    ok        ok          ok
deleteService          service:DRAFT            in   no     gone     no    no    ok        ok          ok
changeRequests         change_request           in   no     none     none  yes   yes       yes         yes
decideChangeRequest    change_request           in   no     gone     gone  ok    ok        ok          ok
node                   change_request           gone gone   gone     gone  yes   yes       yes         yes
suggestCorrection      service:PUBLISHED        ok   ok     ok       ok    ok    ok        ok          ok
suggestCorrection      service:DRAFT            gone gone   gone     gone  gone  gone      gone        gone
entriesDue             service:OLD              in   no     none     none  yes   yes       yes         yes
structuralGaps         -                        in   no     yes      yes   yes   yes       yes         yes
referralTimes          -                        in   no     yes      yes   yes   yes       yes         yes
addMember              partner:PUBLISHED        in   no     no       no    ok    no        no          ok
changeMember           member                   in   gone   gone     gone  ok    gone      gone        ok
removeMember           member                   in   gone   gone     gone  ok    gone      gone        ok
createToken            member                   in   gone   gone     gone  ok    gone      gone        no
revokeToken            token                    in   gone   gone     gone  ok    gone      gone        ok
# --- reading the exchange
renewalsDue            -                        in   no     yes      yes   yes   yes       yes         yes
noticesNotArrived      -                        in   no     yes      yes   yes   yes       yes         yes
consentNotice          -                        in   no     yes      yes   yes   yes       yes         yes
section87Notice        -                        in   no     yes      yes   yes   yes       yes         yes
revocationsUnanswered  referral:CONSENT_REVOKED in   no     none     none  none  yes       yes         yes
client                 client                   in   no     gone     gone  gone  yes       yes         yes
clients                client                   in   no     none     none  none  yes       yes         yes
clientPhaseCounts      -                        in   no     yes      yes   yes   yes       yes         yes
consent                consent:REQUESTED        in   no     gone     gone  gone  yes       yes         yes
consent                consent:SENT             in   no     gone     gone  gone  yes       yes         yes
consent                consent:ACKNOWLEDGED     in   no     gone     gone  yes   yes       yes         yes
referralRequirements   client                   in   no     gone     gone  gone  yes       yes         yes
referral               referral:DRAFT           in   no     gone     gone  gone  yes       yes         yes
referral               referral:SENT            in   no     gone     gone  yes   yes       yes         yes
inbox                  referral:DRAFT           in   no     none     none  none  none      none        none
inbox                  referral:SENT            in   no     none     none  yes   none      none        none
sentReferrals          referral:DRAFT           in   no     none     none  none  yes       yes         yes
sentReferrals          referral:SENT            in   no     none     none  none  yes       yes         yes
waitingList            referral:WAITLISTED      in   no     none     none  yes   none      none        none
appointments           appointment              in   no     none     none  yes   yes       yes         yes
appointmentCalendar    -                        in   no     yes      yes   yes   yes       yes         yes
booking                booking:REQUESTED        in   no     gone     gone  yes   yes       yes         yes
bookings               booking:REQUESTED        in   no     none     none  yes   yes       yes         yes
approvals              approval                 in   no     none     none  none  yes       yes         yes
node                   client                   in   no     gone     gone  gone  yes       yes         yes
node                   consent:REQUESTED        in   no     gone     gone  gone  yes       yes         yes
node                   referral:DRAFT           in   gone   gone     gone  gone  yes       yes         yes
node                   referral:SENT            in   gone   gone     gone  yes   yes       yes         yes
node                   booking:REQUESTED        in   no     gone     gone  yes   yes       yes         yes
# --- clients and consents
createClient           -                        in   no     ok       ok    ok    ok        ok          ok
changeClient           client                   in   no     gone     gone  gone  no        ok          ok
moveClientPhase        client                   in   no     gone     gone  gone  no        ok          ok
excludeClient          client                   in   no     no       no    no    no        no          ok
liftExclusion          client:EXCLUDED          in   no     no       no    no    no        no          ok
eraseClient            client                   in   no     no       no    no    no        no          ok
setLegalHold           client                   in   no     no       no    no    no        no          ok
liftLegalHold          client:HELD              in   no     no       no    no    no        no          ok
legalHolds             -                        in   no     no       no    no    no        no          yes
deletionRuns           -                        in   no     no       no    no    no        no          yes
setMunicipalityLicence -                        in   no     no       no    no    no        no          ok
# --- the project's rule for its own support
ruleSets               rule_set                 in   none   none     none  none  none      none        yes
ruleSetPreview         rule_set                 in   no     no       no    no    no        no          yes
draftRuleSet           -                        in   no     no       no    no    no        no          ok
changeRuleSet          rule_set                 in   no     no       no    no    no        no          ok
decideRuleSet          rule_set                 in   no     no       no    no    no        no          ok
accessExport           client                   in   no     gone     gone  gone  no        yes         yes
requestConsent         client                   in   no     gone     gone  gone  no        ok          ok
renewConsent           consent:REQUESTED        in   no     gone     gone  gone  no        state       state
renewConsent           consent:SENT             in   no     gone     gone  gone  no        ok          ok
recordConsent          consent:REQUESTED        in   no     gone     gone  gone  no        ok          ok
recordConsent          consent:SENT             in   no     gone     gone  gone  no        state       state
withdrawConsent        consent:REQUESTED        in   no     gone     gone  gone  no        state       state
withdrawConsent        consent:SENT             in   no     gone     gone  gone  no        ok          ok
# --- a referral on its way
draftReferral          client                   in   no     gone     gone  gone  no        ok          ok
referClient            client                   in   no     gone     gone  gone  no        ok          ok
changeDraftReferral    referral:DRAFT           in   no     gone     gone  gone  no        ok          ok
changeDraftReferral    referral:SENT            in   no     gone     gone  no    no        state       state
awaitConsent           referral:DRAFT           in   no     gone     gone  gone  no        ok          ok
sendReferral           referral:DRAFT+CONSENT   in   no     gone     gone  gone  no        ok          ok
sendReferral           referral:SENT            in   no     gone     gone  no    no        state       state
followUpReferral       referral:SENT            in   no     gone     gone  no    no        state       state
followUpReferral       referral:DECLINED        in   no     gone     gone  no    no        ok          ok
acknowledgeReferral    referral:DRAFT           in   no     gone     gone  gone  no        no          no
acknowledgeReferral    referral:SENT            in   no     gone     gone  ok    no        no          no
acknowledgeReferral    referral:CLOSED          in   no     gone     gone  state no        no          no
acknowledgeReferral    referral:CONSENT_REVOKED in   no     gone     gone  state no        no          no
askAboutReferral       referral:ACKNOWLEDGED    in   no     gone     gone  ok    no        no          no
askAboutReferral       referral:ACCEPTED        in   no     gone     gone  state no        no          no
answerQuestion         referral:INFO_REQUESTED  in   no     gone     gone  no    no        ok          ok
answerQuestion         referral:SENT            in   no     gone     gone  no    no        state       state
waitlistReferral       referral:SENT            in   no     gone     gone  ok    no        no          no
acceptReferral         referral:SENT            in   no     gone     gone  ok    no        no          no
acceptReferral         referral:DECLINED        in   no     gone     gone  state no        no          no
acceptReferral         referral:CONSENT_REVOKED in   no     gone     gone  state no        no          no
declineReferral        referral:ACCEPTED        in   no     gone     gone  ok    no        no          no
declineReferral        referral:IN_PROGRESS     in   no     gone     gone  state no        no          no
startReferral          referral:ACCEPTED        in   no     gone     gone  ok    no        no          no
holdReferral           referral:IN_PROGRESS     in   no     gone     gone  ok    no        no          no
resumeReferral         referral:ON_HOLD         in   no     gone     gone  ok    no        no          no
reportOutcome          referral:IN_PROGRESS     in   no     gone     gone  ok    no        no          no
reportOutcome          referral:CLOSED          in   no     gone     gone  state no        no          no
recordPartnerAnswer    referral:SENT            in   no     gone     gone  no    no        ok          ok
recordPartnerAnswer    referral:CLOSED          in   no     gone     gone  no    no        state       state
setAppointment         referral:ACCEPTED        in   no     gone     gone  ok    no        no          no
setAppointment         referral:SENT            in   no     gone     gone  state no        no          no
moveAppointment        appointment              in   no     gone     gone  ok    no        no          no
cancelAppointment      appointment              in   no     gone     gone  ok    no        no          no
noteNoShow             referral:ACCEPTED        in   no     gone     gone  ok    no        no          no
reportInterim          referral:IN_PROGRESS     in   no     gone     gone  ok    no        no          no
giveSignOfLife         referral:ON_HOLD         in   no     gone     gone  ok    no        no          no
updateWaitingList      referral:WAITLISTED      in   no     gone     gone  ok    no        no          no
updateWaitingList      referral:SENT            in   no     gone     gone  state no        no          no
writeRemark            referral:SENT            in   no     gone     gone  ok    no        ok          ok
writeRemark            referral:DECLINED        in   no     gone     gone  state no        state       state
markThreadRead         referral:SENT            in   no     gone     gone  ok    ok        ok          ok
setFileNumber          referral:SENT            in   no     gone     gone  ok    no        ok          ok
takeOverClient         referral:ACCEPTED        in   no     gone     gone  ok    no        no          no
takeOverClient         referral:SENT            in   no     gone     gone  state no        no          no
referOn                referral:DECLINED        in   no     gone     gone  no    no        ok          ok
referOn                referral:SENT            in   no     gone     gone  no    no        state       state
sendReferrals          referral:DRAFT+AWAITING  in   no     gone     gone  gone  no        ok          ok
acknowledgeReferrals   referral:SENT            in   no     gone     gone  ok    no        no          no
declineReferrals       referral:ACCEPTED        in   no     gone     gone  ok    no        no          no
closeReferrals         referral:OUTCOME_REPORTED in  no     gone     gone  no    no        ok          ok
cancelReferrals        referral:SENT            in   no     gone     gone  no    no        ok          ok
reassignReferrals      referral:SENT            in   no     gone     gone  ok    no        ok          ok
reassignClients        client                   in   no     gone     gone  gone  no        ok          ok
answerRevocation       referral:CONSENT_REVOKED in   no     gone     gone  ok    no        no          no
answerRevocation       referral:SENT            in   no     gone     gone  state no        no          no
closeReferral          referral:OUTCOME_REPORTED in  no     gone     gone  no    no        ok          ok
closeReferral          referral:IN_PROGRESS     in   no     gone     gone  no    no        state       state
contestOutcome         referral:OUTCOME_REPORTED in  no     gone     gone  no    no        ok          ok
cancelReferral         referral:SENT            in   no     gone     gone  no    no        ok          ok
cancelReferral         referral:DRAFT           in   no     gone     gone  gone  no        state       state
abandonReferral        referral:DRAFT           in   no     gone     gone  gone  no        ok          ok
abandonReferral        referral:SENT            in   no     gone     gone  no    no        state       state
correctReferral        referral:DRAFT           in   no     gone     gone  gone  no        ok          ok
correctReferral        referral:SENT            in   no     gone     gone  no    no        ok          ok
reopenReferral         referral:CLOSED          in   no     gone     gone  no    no        ok          ok
reopenReferral         referral:SENT            in   no     gone     gone  no    no        state       state
confirmApproval        approval                 in   no     no       no    no    no        no          ok
refuseApproval         approval                 in   no     no       no    no    no        no          ok
# --- bookings and feedback
requestBooking         -                        in   no     ok       ok    ok    ok        ok          ok
confirmBooking         booking:REQUESTED        in   no     gone     gone  ok    no        no          no
declineBooking         booking:REQUESTED        in   no     gone     gone  ok    no        no          no
cancelBooking          booking:CONFIRMED        in   no     gone     gone  ok    ok        ok          ok
finishBooking          booking:REQUESTED        in   no     gone     gone  state state     state       state
nameBookedPerson       booking:CONFIRMED        in   no     gone     gone  no    gone      gone        gone
issueFeedbackCode      referral:IN_PROGRESS     in   no     gone     gone  no    no        ok          ok
issueFeedbackCode      referral:SENT            in   no     gone     gone  no    no        state       state
recordFeedback         referral:IN_PROGRESS     in   no     gone     gone  no    no        ok          ok
issueCodeCard          client                   in   no     gone     gone  gone  no        ok          ok
revokeCodeCard         client                   in   no     gone     gone  gone  no        ok          ok
codeCard               card                     yes  yes    yes      yes   yes   yes       yes         yes
withdrawByCard         card                     ok   ok     ok       ok    ok    ok        ok          ok
moveByCard             card                     ok   ok     ok       ok    ok    ok        ok          ok
answerByCard           card:IN_PROGRESS         ok   ok     ok       ok    ok    ok        ok          ok
answerFollowUpByCard   follow_up                ok   ok     ok       ok    ok    ok        ok          ok
dueFollowUps           follow_up                in   no     none     none  none  yes       yes         yes
recordFollowUp         follow_up                in   no     gone     gone  gone  no        ok          ok
voiceCounts            -                        in   no     yes      yes   yes   yes       yes         yes
giveFeedback           code                     ok   ok     ok       ok    ok    ok        ok          ok
# --- answers without an account: whoever holds the link speaks for the recipient
issueAnswerLink        referral:SENT            in   no     gone     gone  no    no        ok          ok
issueAnswerLink        referral:CLOSED          in   no     gone     gone  no    no        state       state
revokeAnswerLink       referral:SENT            in   no     gone     gone  no    no        ok          ok
answerPage             link                     yes  yes    yes      yes   yes   yes       yes         yes
openAsRecipient        link                     ok   ok     ok       ok    ok    ok        ok          ok
answerByLink           link                     ok   ok     ok       ok    ok    ok        ok          ok
# --- without an account: whoever holds the link keeps the partner's entries, or says whether mail may come
upkeepPage             upkeep_link              yes  yes    yes      yes   yes   yes       yes         yes
assureByLink           upkeep_link              ok   ok     ok       ok    ok    ok        ok          ok
suggestByLink          upkeep_link              ok   ok     ok       ok    ok    ok        ok          ok
mailboxPage            mailbox_link             yes  yes    yes      yes   yes   yes       yes         yes
confirmMailbox         mailbox_link             ok   ok     ok       ok    ok    ok        ok          ok
stopMailbox            mailbox_link             ok   ok     ok       ok    ok    ok        ok          ok
"""


class Row(NamedTuple):
    """One line of the table."""

    operation: str
    object: str
    expected: dict[str, str]


def rows() -> list[Row]:
    found = []
    for line in TABLE.strip().splitlines():
        if not line.startswith("#"):
            operation, thing, *words = line.split()
            found.append(Row(operation, thing, dict(zip(ACTORS, words, strict=True))))
    return found


ROWS = rows()


def test_every_operation_of_the_schema_has_a_row() -> None:
    roots = (schema._schema.query_type, schema._schema.mutation_type)
    operations = {name for root in roots if root is not None for name in root.fields}

    assert operations == {row.operation for row in ROWS}


def test_only_known_words_are_expected() -> None:
    assert {word for row in ROWS for word in row.expected.values()} <= WORDS.keys()


# --- Objects in their states ------------------------------------------------------------------------------

Thing = dict[str, Any]


async def draft_partner(town: Town) -> Thing:
    made = await make_partner(town.database, town.world.municipality, "Entwurf", published=False)
    return {"id": town.world.id("Partner", made), "version": 1}


async def published_partner(town: Town) -> Thing:
    """Return the recipient's own entry, as it is now."""
    query = "query($id: ID!) { partner(id: $id) { id version } }"
    found: Thing = (await town.ask(query, {"id": town.partner_id}, who="anonymous")).data["partner"]
    return found


async def service(town: Town, *, published: bool) -> Thing:
    made = await make_service(town.database, town.world.partner, published=published)
    return {"id": town.world.id("Service", made), "version": 2 if published else 1}


async def translated_partner(town: Town) -> Thing:
    """Return the recipient's own entry, with an Arabic text beside the German one that has changed since."""
    for german in ("alt", "neu"):
        partner = await published_partner(town)
        texts = [{"language": "de", "text": german}, {"language": "ar", "text": "قديم"}]
        await town.done(
            "staff", "changePartner", id=partner["id"], expectedVersion=partner["version"], description=texts
        )
    return await published_partner(town)


async def translated_service(town: Town) -> Thing:
    made = await service(town, published=True)
    for german in ("alt", "neu"):
        texts = [{"language": "de", "text": german}, {"language": "ar", "text": "قديم"}]
        await town.done("staff", "changeService", id=made["id"], expectedVersion=made["version"], title=texts)
        made["version"] += 1
    return made


async def deleted_service(town: Town) -> Thing:
    made = await service(town, published=True)
    await town.done(
        "lead", "deleteService", id=made["id"], expectedVersion=made["version"], reason="Versehen"
    )
    return {**made, "version": made["version"] + 1}


async def partner_twice(town: Town) -> Thing:
    one, other = [await make_partner(town.database, town.world.municipality, "Doppelt") for _ in range(2)]
    return {
        "id": town.world.id("Partner", one),
        "version": 2,
        "other": {"mergedId": town.world.id("Partner", other), "mergedExpectedVersion": 2},
    }


async def service_twice(town: Town) -> Thing:
    one, other = await service(town, published=True), await service(town, published=True)
    return {**one, "other": {"mergedId": other["id"], "mergedExpectedVersion": other["version"]}}


async def location(town: Town) -> Thing:
    partner = await published_partner(town)
    added = await town.done(
        "staff", "addLocation", partnerId=partner["id"], expectedVersion=partner["version"], name="Haus"
    )
    return {"id": added["id"], "version": partner["version"] + 1}


async def member(town: Town) -> Thing:
    made, _ = await make_member(town.database, town.world.partner, Role.PARTNER_MEMBER)
    return {"id": town.world.id("Member", made), "version": 1}


async def token(town: Town) -> Thing:
    made, _ = await make_member(town.database, town.world.partner, Role.PARTNER_MEMBER)
    async with town.database.work(SYSTEM) as work:
        new = await membership.create_token(work, made, "weiteres")
    return {"id": town.world.id("AccessToken", new.id), "version": 1}


async def consent_asked(town: Town) -> Thing:
    client = await town.client()
    found: Thing = await town.done(
        "coordinator",
        "requestConsent",
        clientId=client["id"],
        recipientIds=[town.partner_id],
        purposes=[{"purpose": "REFERRAL", "categories": CATEGORIES}],
    )
    return found


async def consent_of_sent(town: Town) -> Thing:
    sent = await town.sent()
    return {"id": sent["consentId"], "version": 2}


async def consent_of_acknowledged(town: Town) -> Thing:
    sent = await town.sent()
    await town.on("staff", "acknowledgeReferral", sent)
    return {"id": sent["consentId"], "version": 2}


async def draft_with_consent(town: Town) -> Thing:
    client = await town.client()
    draft = await town.draft(client["id"])
    consent = await town.consent(client["id"])
    return {**draft, "consent": consent["id"]}


async def moved(town: Town, who: str, field: str, before: Awaitable[Any], **given: Any) -> Thing:
    found: Thing = await town.on(who, field, await before, **given)
    return found


async def waiting(town: Town) -> Thing:
    return await moved(town, "staff", "waitlistReferral", town.sent(), expectedWeek=days(20))


async def awaiting_with_consent(town: Town) -> Thing:
    draft = await draft_with_consent(town)
    asked = await town.on("coordinator", "awaitConsent", draft, consentId=draft["consent"])
    return dict(asked)


async def appointment(town: Town) -> Thing:
    """An appointment of a referral; the referral's version is given, as the moves want it."""
    accepted = await town.accepted()
    set_ = await town.on(
        "staff",
        "setAppointment",
        accepted,
        startsAt=(datetime.now(UTC) + timedelta(days=2)).isoformat(),
    )
    query = "query($id: ID!) { referral(id: $id) { version appointments { id } } }"
    found = (await town.ask(query, {"id": set_["id"]}, who="staff")).data["referral"]
    return {**set_, "version": found["version"], "appointment": found["appointments"][0]["id"]}


async def revoked(town: Town) -> Thing:
    sent = await town.sent()
    await town.done("coordinator", "withdrawConsent", id=sent["consentId"], channel="PHONE")
    return {**sent, "version": sent["version"] + 1}


async def excluded(town: Town) -> Thing:
    client = await town.client()
    await town.done("lead", "excludeClient", id=client["id"], decidedOn=days(0))
    return dict(client)


async def held(town: Town) -> Thing:
    client = await town.client()
    said = {"clientId": client["id"], "reason": "LEGAL_CLAIM", "until": days(30)}
    return dict(await town.done("lead", "setLegalHold", **said))


async def approval(town: Town) -> Thing:
    return await moved(town, "coordinator", "reopenReferral", town.closed(), reason="NOT_FINISHED")


async def code(town: Town) -> Thing:
    begun = await town.started()
    issued = await town.done("coordinator", "issueFeedbackCode", referralId=begun["id"])
    return {"id": begun["id"], "code": issued["feedbackCode"]}


async def not_duplicates(town: Town) -> Thing:
    made = [await make_partner(town.database, town.world.municipality, "Zweimal") for _ in range(2)]
    async with town.database.work(SYSTEM) as work:
        said = await mark_not_duplicates(work, DocumentKind.PARTNER, *made)
    return {"id": town.world.id("NotDuplicates", said)}


async def change_request(town: Town) -> Thing:
    made = await make_service(town.database, town.world.partner)
    async with town.database.work(SYSTEM) as work:
        opened = await open_request(
            work, made, ChangeField.ELIGIBILITY, ChangeReason.DECLINED_NOT_ELIGIBLE, times=1
        )
    return {"id": town.world.id("ChangeRequest", opened.id), "version": opened.version}


RULES = [
    {
        "id": "all",
        "answer": "ASK",
        "advice": "ASK",
        "reason": [{"language": "de", "text": "Bitte fragen"}, {"language": "en", "text": "Please ask"}],
    }
]


async def saved_search(town: Town) -> Thing:
    """A search that the coordinator keeps."""
    given = {"name": "Kurse", "text": "kurs"}
    return dict(await town.done("coordinator", "saveSearch", **given))


async def rule_set(town: Town) -> Thing:
    """Return a draft of the project's rule."""
    return dict(await town.done("lead", "draftRuleSet", rules=RULES))


async def old_service(town: Town) -> Thing:
    """Return a service that nobody has confirmed for three years."""
    made = await make_service(town.database, town.world.partner)
    async with town.database.work(SYSTEM) as work:
        then = work.now - timedelta(days=1_000)
        await work.session.execute(
            update(Service).where(Service.id == made).values(assured_at=then, assured_kinds=None)
        )
        work.touch_document(DocumentKind.SERVICE, made)
    return {"id": town.world.id("Service", made), "version": 2}


async def link(town: Town) -> Thing:
    sent = await town.sent()
    issued = await town.done("coordinator", "issueAnswerLink", referralId=sent["id"])
    return {"id": sent["id"], "code": issued["answerCode"]}


async def upkeep_link(town: Town) -> Thing:
    """Return the link of a partner of its own, with its entry."""
    made, code = await make_partner(town.database, town.world.municipality, "Träger"), new_code()
    async with town.database.work(SYSTEM) as work:
        await upkeep_links.issue(work, made, hash_of(code, CodePurpose.UPKEEP))
    return {"id": global_id("Partner", made), "version": 2, "code": code}


async def mailbox_link(town: Town) -> Thing:
    """Return the link that a new member's address was sent."""
    someone, _ = await make_member(town.database, town.world.partner, Role.PARTNER_MEMBER)
    code, address = new_code(), f"{key()}@example.org"
    actor = Actor(member_id=someone, partner_id=town.world.partner, role=Role.PARTNER_MEMBER)
    async with town.database.work(actor) as work:
        await mailboxes.set_mailbox(work, address, "de")
    async with town.database.work(SYSTEM) as work:
        await mailboxes.issue(work, someone, address, hash_of(code, CodePurpose.MAILBOX))
    return {"id": "-", "version": 0, "code": code}


async def card(town: Town, referral: Awaitable[Any]) -> Thing:
    found = await referral
    issued = await town.done("coordinator", "issueCodeCard", clientId=found["clientId"], language="ar")
    return {**found, "code": issued["cardCode"]}


async def follow_up(town: Town) -> Thing:
    """Return a later follow-up that the person is being asked."""
    purpose = {"purpose": "FOLLOW_UP_28_DAYS", "endsOn": days(300)}
    client = await town.client()
    closed = await town.closed(clientId=client["id"], others=(REPORT_BACK, purpose))
    made = await card(town, returned({**closed, "clientId": client["id"]}))
    async with town.database.work(SYSTEM) as work:
        referral = await work.session.get_one(Referral, parse_id(closed["id"])[1])  # type: ignore[index]
        asked = FollowUp(
            referral_id=referral.id,
            client_id=referral.client_id,
            partner_id=referral.sender_partner_id,
            kind=FollowUpKind.DAYS_28,
            state=FollowUpState.ASKED,
            closed_at=referral.closed_at,
            due_at=work.now,
            asked_at=work.now,
            created_at=work.now,
            updated_at=work.now,
        )
        work.session.add(asked)
        await work.session.flush()
    return {"id": global_id("FollowUp", asked.id), "version": 1, "code": made["code"]}


async def sender_sees(town: Town, referral: Awaitable[Any]) -> Any:
    """Return the referral as its sender reads it: whose it is, too."""
    found = await referral
    query = "query($id: ID!) { referral(id: $id) { id version clientId } }"
    return (await town.ask(query, {"id": found["id"]}, who="coordinator")).data["referral"]


async def returned(thing: Any) -> Any:
    return thing


async def nothing(town: Town) -> Thing:
    return {"id": "-", "version": 0}


async def booking(town: Town) -> Thing:
    found: Thing = await town.booked(startsAt=(datetime.now(UTC) + timedelta(days=30)).isoformat())
    return found


async def confirmed_booking(town: Town) -> Thing:
    # every appointment at its own time: nobody is confirmed twice at a time
    confirmed_booking.later += 2  # type: ignore[attr-defined]
    at = datetime.now(UTC) + timedelta(days=40, hours=confirmed_booking.later)  # type: ignore[attr-defined]
    return await moved(town, "staff", "confirmBooking", town.booked(startsAt=at.isoformat()))


confirmed_booking.later = 0  # type: ignore[attr-defined]

OBJECTS: dict[str, Callable[[Town], Awaitable[Thing]]] = {
    "-": nothing,
    "partner:DRAFT": draft_partner,
    "partner:PUBLISHED": published_partner,
    "partner:TRANSLATED": translated_partner,
    "partner:TWICE": partner_twice,
    "service:TRANSLATED": translated_service,
    "service:DELETED": deleted_service,
    "service:TWICE": service_twice,
    "service:DRAFT": lambda town: service(town, published=False),
    "service:OLD": old_service,
    "service:PUBLISHED": lambda town: service(town, published=True),
    "location": location,
    "member": member,
    "token": token,
    "client": lambda town: town.client(),
    "client:EXCLUDED": excluded,
    "client:HELD": held,
    "consent:REQUESTED": consent_asked,
    "consent:SENT": consent_of_sent,
    "consent:ACKNOWLEDGED": consent_of_acknowledged,
    "referral:DRAFT": lambda town: town.draft(),
    "referral:DRAFT+CONSENT": draft_with_consent,
    "referral:SENT": lambda town: town.sent(),
    "referral:ACKNOWLEDGED": lambda town: moved(town, "staff", "acknowledgeReferral", town.sent()),
    "referral:INFO_REQUESTED": lambda town: moved(
        town, "staff", "askAboutReferral", town.sent(), question="Wann?"
    ),
    "referral:ACCEPTED": lambda town: town.accepted(),
    "referral:IN_PROGRESS": lambda town: town.started(),
    "referral:ON_HOLD": lambda town: moved(
        town, "staff", "holdReferral", town.started(), reason="PERSON_ILL", resumeOn=days(9)
    ),
    "referral:OUTCOME_REPORTED": lambda town: town.reported(),
    "referral:CLOSED": lambda town: town.closed(),
    "referral:DECLINED": lambda town: moved(town, "staff", "declineReferral", town.sent(), reason="OTHER"),
    "referral:CONSENT_REVOKED": revoked,
    "referral:WAITLISTED": waiting,
    "referral:DRAFT+AWAITING": awaiting_with_consent,
    "appointment": appointment,
    "booking:REQUESTED": booking,
    "booking:CONFIRMED": confirmed_booking,
    "approval": approval,
    "code": code,
    "card": lambda town: card(town, town.sent()),
    "card:IN_PROGRESS": lambda town: card(town, sender_sees(town, town.started())),
    "follow_up": follow_up,
    "link": link,
    "upkeep_link": upkeep_link,
    "mailbox_link": mailbox_link,
    "change_request": change_request,
    "not_duplicates": not_duplicates,
    "rule_set": rule_set,
    "saved_search": saved_search,
}

# --- Operations -------------------------------------------------------------------------------------------

READS: dict[str, str] = {
    "me": "{ me { role } }",
    "topics": "{ topics { topic { code } } }",
    "occupations": "{ occupations { esco } }",
    "municipalities": "{ municipalities { id } }",
    "searchServices": '{ searchServices(input: {text: "kurs"}) { nodes { id } } }',
    "suggest": '{ suggest(prefix: "ku") { text } }',
    "matchServices": "{ matchServices(input: {profile: {}}) { nodes { id } } }",
    "matchWeights": "{ matchWeights { version } }",
    "unmetSearches": "{ unmetSearches(year: 2025, quarter: 4) { hidden } }",
    "savedSearches": "{ savedSearches { id } }",
    "mailbox": "{ mailbox { address } }",
    "clientPhaseCounts": "{ clientPhaseCounts { count } }",
    "clients": "{ clients(first: 100) { nodes { id } } }",
    "entriesDue": "{ entriesDue(first: 100) { nodes { id: serviceId } } }",
    "inbox": "{ inbox(first: 100) { nodes { id } } }",
    "sentReferrals": "{ sentReferrals(first: 100) { nodes { id } } }",
    "approvals": "{ approvals { id } }",
    "legalHolds": "{ legalHolds { id } }",
    "supportRules": "{ supportRules { rules { id } } }",
    "ruleSets": "{ ruleSets { id } }",
    "deletionRuns": "{ deletionRuns { rules } }",
    "dueFollowUps": "{ dueFollowUps(first: 100) { id } }",
    "voiceCounts": "{ voiceCounts(year: 2026, quarter: 4) { referrals } }",
    "revocationsUnanswered": "{ revocationsUnanswered(first: 100) { id } }",
    "renewalsDue": "{ renewalsDue(first: 100) { id } }",
    "noticesNotArrived": "{ noticesNotArrived(first: 100) { kind } }",
    "changeRequests": "{ changeRequests(first: 100) { nodes { id } } }",
    "staleTranslations": "{ staleTranslations(first: 100) { nodes { entryId } } }",
    "duplicatePairs": "{ duplicatePairs(kind: PARTNER) { nodes { points } } }",
    "structuralGaps": '{ structuralGaps(since: "2020-01-01T00:00:00Z") { code } }',
    "referralTimes": '{ referralTimes(since: "2020-01-01T00:00:00Z") { sent } }',
}
BY_ID = ("partner", "service", "node", "client", "consent", "referral", "booking")
LISTS = (
    "waitingList",
    "appointments",
    "partners",
    "services",
    "clients",
    "inbox",
    "sentReferrals",
    "bookings",
    "approvals",
    "dueFollowUps",
    "members",
    "ruleSets",
    "changeRequests",
    "entriesDue",
    "revocationsUnanswered",
    "savedSearches",
)


def reading(town: Town, row: Row, thing: Thing, who: str) -> tuple[str, dict[str, Any]]:
    """Return the query of a row, and its variables."""
    name, state = row.operation, row.object.partition(":")[2]
    if name in BY_ID:
        return f"query($id: ID!) {{ {name}(id: $id) {{ id }} }}", {"id": thing["id"]}
    if name in {"partners", "services"}:
        return (
            f"query($town: ID!) {{ {name}(first: 100, filter: {{municipalityId: $town, states: [{state}]}})"
            " { nodes { id } } }",
            {"town": town.world.id("Municipality", town.world.municipality)},
        )
    if name == "entryHistory":
        return "query($id: ID!) { entryHistory(id: $id) { nodes { version } } }", {"id": thing["id"]}
    if name == "entryEnded":
        return "query($id: ID!) { entryEnded(id: $id) }", {"id": thing["id"]}
    if name == "entryVersion":
        asked = "entryVersion(id: $id, version: $v) { version }"
        return f"query($id: ID!, $v: Int!) {{ {asked} }}", {"id": thing["id"], "v": thing["version"]}
    if name == "eligibilityPreview":
        tried = {"serviceId": thing["id"], "rules": [{"answer": "FITS"}], "profiles": [{}]}
        asked = "eligibilityPreview(input: $i) { __typename ... on Problem { code } }"
        return f"query($i: EligibilityPreviewInput!) {{ {asked} }}", {"i": tried}
    if name == "possibleDuplicates":
        sought = {
            "kind": "PARTNER",
            "name": "Gibt es nicht",
            "municipalityId": town.world.id("Municipality", town.world.municipality),
        }
        return "query($e: SoughtEntryInput!) { possibleDuplicates(entry: $e) { points } }", {"e": sought}
    if name in {"codeCard", "answerPage", "upkeepPage", "mailboxPage"}:
        return f"query($code: String!) {{ {name}(code: $code) {{ __typename }} }}", {"code": thing["code"]}
    if name == "waitingList":
        return "query($s: ID!) { waitingList(serviceId: $s) { id } }", {"s": thing["serviceId"]}
    if name in {"appointments", "appointmentCalendar"}:
        period = {
            "from": datetime.now(UTC).isoformat(),
            "to": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
        }
        asked = "id: referralId" if name == "appointments" else "mediaType"
        return f"query($p: PeriodInput!) {{ {name}(period: $p) {{ {asked} }} }}", {"p": period}
    if name == "ruleSetPreview":
        return "query($id: ID!) { ruleSetPreview(id: $id) { people } }", {"id": thing["id"]}
    if name == "accessExport":
        asked = "accessExport(clientId: $id, format: JSON) { fileName }"
        return f"query($id: ID!) {{ {asked} }}", {"id": thing["id"]}
    if name == "members":
        return "query($id: ID!) { members(partnerId: $id) { id } }", {"id": town.partner_id}
    if name == "bookings":
        received = "true" if who == "staff" else "false"
        return f"{{ bookings(received: {received}, first: 100) {{ nodes {{ id }} }} }}", {}
    if name == "consentNotice":
        return (
            "query($to: ID!) { consentNotice(recipientIds: [$to], purposes: {purpose: FEEDBACK},"
            ' language: "de") { title } }',
            {"to": town.other_partner_id},
        )
    if name == "section87Notice":
        return (
            'query($to: ID!) { section87Notice(language: "de", recipientId: $to) { title } }',
            {"to": town.world.id("Partner", town.jobcenter_partner)},
        )
    if name == "referralRequirements":
        return (
            "query($c: ID!, $s: ID!) { referralRequirements(clientId: $c, serviceId: $s,"
            " categories: [IDENTITY]) { missing } }",
            {"c": thing["id"], "s": town.service},
        )
    return READS[name], {}


Input = Callable[[Town, Thing], dict[str, Any]]


def many(**given: Any) -> Input:
    """Return the input of a call for one thing among many."""
    return lambda town, thing: {
        "items": [{"id": thing["id"], "expectedVersion": thing["version"]}],
        **given,
    }


async def own_member(town: Town, who: str) -> str:
    """Return the id of whoever acts, who is handed the thing; nobody's own for who is not signed in."""
    answer = await town.ask("{ me { member { id } } }", who=who)
    found = answer.data["me"]["member"]
    return str(found["id"]) if found else town.world.id("Member", town.world.staff_member)


def at_appointment(**given: Any) -> Input:
    return lambda town, thing: {
        "id": thing["id"],
        "expectedVersion": thing["version"],
        "appointmentId": thing["appointment"],
        **given,
    }


def version_and(**given: Any) -> Input:
    """Return the input of a change: id and version of the object, and what is given."""
    return lambda town, thing: {"id": thing["id"], "expectedVersion": thing["version"], **given}


def merged(thing: Thing) -> dict[str, Any]:
    """Return the input of a merging: the object stays."""
    return {
        "survivorId": thing["id"],
        "expectedVersion": thing["version"],
        "reason": "doppelt",
        **thing["other"],
    }


def of_referral(**given: Any) -> Input:
    return lambda town, thing: {"referralId": thing["id"], **given}


def new_referral(town: Town, thing: Thing) -> dict[str, Any]:
    return {
        "clientId": thing["id"],
        "serviceId": town.service,
        "topic": town.topic,
        "categories": CATEGORIES,
    }


CHANGES: dict[str, Input] = {
    "createPartner": lambda town, _: {
        "municipalityId": town.world.id("Municipality", town.world.municipality),
        "kind": "FREE_PROVIDER",
        "name": "Neu",
    },
    "changePartner": version_and(website="https://example.org/neu"),
    "restorePartner": lambda town, thing: {
        "id": thing["id"],
        "expectedVersion": thing["version"],
        "version": thing["version"] - 1,
    },
    "restoreService": lambda town, thing: {
        "id": thing["id"],
        "expectedVersion": thing["version"],
        "version": thing["version"] - 1,
    },
    "mergePartners": lambda town, thing: merged(thing),
    "mergeServices": lambda town, thing: merged(thing),
    "markNotDuplicates": lambda town, thing: {"entryId": thing["id"], "otherId": thing["other"]["mergedId"]},
    "withdrawNotDuplicates": lambda town, thing: {"id": thing["id"]},
    "deletePartner": version_and(reason="aufgelöst"),
    "deleteService": version_and(reason="eingestellt"),
    "confirmPartnerTranslation": version_and(language="ar"),
    "confirmServiceTranslation": version_and(language="ar"),
    "publishPartner": version_and(),
    "hidePartner": version_and(),
    "assurePartner": version_and(),
    "addLocation": lambda town, thing: {
        "partnerId": thing["id"],
        "expectedVersion": thing["version"],
        "name": "Haus",
    },
    "changeLocation": version_and(name="Hof"),
    "removeLocation": version_and(),
    "createService": lambda town, thing: {
        "partnerId": thing["id"],
        "kind": "COUNSELLING",
        "title": [{"language": "de", "text": "Neu"}],
    },
    "changeService": version_and(website="https://example.org/neu"),
    "publishService": version_and(),
    "hideService": version_and(),
    "assureService": version_and(),
    "decideChangeRequest": version_and(accept=False, reason="EXCEPTION"),
    "suggestCorrection": lambda town, thing: {"id": thing["id"], "field": "PHONE", "value": "0355 123456"},
    "saveSearch": lambda *_: {"name": "Kurse", "filters": {"kinds": ["QUALIFICATION"]}},
    "changeSavedSearch": version_and(name="Andere Kurse", notify=True),
    "deleteSavedSearch": version_and(),
    "setMailbox": lambda *_: {"address": "mitglied@stadt.example.org"},
    "removeMailbox": lambda *_: {},
    "setCapacity": version_and(capacity={"state": "OPEN"}),
    "addMember": lambda town, thing: {"partnerId": thing["id"], "name": "Neu"},
    "changeMember": version_and(name="Anders"),
    "removeMember": version_and(),
    "createToken": lambda town, thing: {"memberId": thing["id"], "label": "neu"},
    "revokeToken": lambda town, thing: {"id": thing["id"]},
    "createClient": lambda town, _: {"identity": {"familyName": "Neu"}},
    "changeClient": version_and(languages=["ar"]),
    "moveClientPhase": version_and(phase="NO_NEEDS"),
    "excludeClient": lambda town, thing: {"id": thing["id"], "decidedOn": days(0)},
    "liftExclusion": lambda town, thing: {"id": thing["id"]},
    "eraseClient": version_and(),
    "setMunicipalityLicence": lambda *_: {"licence": "CC-BY-4.0"},
    "draftRuleSet": lambda *_: {"rules": RULES},
    "changeRuleSet": version_and(rules=RULES),
    "decideRuleSet": version_and(validFrom=days(2)),
    "setLegalHold": lambda town, thing: {
        "clientId": thing["id"],
        "reason": "COMPLAINT",
        "until": days(30),
    },
    "liftLegalHold": version_and(),
    "requestConsent": lambda town, thing: {
        "clientId": thing["id"],
        "recipientIds": [town.partner_id],
        "purposes": [{"purpose": "REFERRAL", "categories": CATEGORIES}],
    },
    "renewConsent": version_and(),
    "recordConsent": version_and(granted=["REFERRAL"], record=RECORD),
    "withdrawConsent": version_and(channel="PHONE"),
    "draftReferral": new_referral,
    "referClient": lambda town, thing: {**new_referral(town, thing), "consent": {"record": RECORD}},
    "changeDraftReferral": version_and(priority="URGENT"),
    "awaitConsent": version_and(),
    "sendReferral": lambda town, thing: {
        "id": thing["id"],
        "expectedVersion": thing["version"],
        **({"consentId": thing["consent"]} if "consent" in thing else {}),
    },
    "followUpReferral": lambda town, thing: {"id": thing["id"], "serviceId": town.other_service},
    "acknowledgeReferral": version_and(),
    "askAboutReferral": version_and(question="Wann?"),
    "answerQuestion": version_and(answer="Morgen."),
    "waitlistReferral": version_and(expectedWeek=days(20)),
    "acceptReferral": version_and(**ACCEPTANCE),
    "declineReferral": version_and(reason="OTHER"),
    "startReferral": version_and(firstContactMadeOn=TODAY.isoformat()),
    "holdReferral": version_and(reason="PERSON_ILL", resumeOn=days(9)),
    "resumeReferral": version_and(),
    "reportOutcome": version_and(**OUTCOME),
    "recordPartnerAnswer": version_and(
        source="PHONE", on=TODAY.isoformat(), answer={"decline": {"reason": "OTHER"}}
    ),
    "setAppointment": version_and(startsAt=(datetime.now(UTC) + timedelta(days=2)).isoformat()),
    "moveAppointment": at_appointment(startsAt=(datetime.now(UTC) + timedelta(days=3)).isoformat()),
    "cancelAppointment": at_appointment(),
    "noteNoShow": version_and(on=TODAY.isoformat()),
    "reportInterim": version_and(result="ATTENDS", on=TODAY.isoformat()),
    "giveSignOfLife": version_and(),
    "updateWaitingList": version_and(position=2),
    "writeRemark": version_and(text="Bitte anrufen."),
    "markThreadRead": lambda town, thing: {"id": thing["id"]},
    "setFileNumber": version_and(fileNumber="A-1"),
    "takeOverClient": lambda town, thing: {"id": thing["id"]},
    "referOn": lambda town, thing: {
        "id": thing["id"],
        "serviceId": town.other_service,
        "categories": CATEGORIES,
        "consent": {"record": RECORD},
    },
    "sendReferrals": many(),
    "acknowledgeReferrals": many(),
    "declineReferrals": many(reason="NO_CAPACITY"),
    "closeReferrals": many(feedbackAsked="DECLINED"),
    "cancelReferrals": many(reason="OTHER_SERVICE_FOUND"),
    "reassignReferrals": many(),
    "reassignClients": many(),
    "answerRevocation": version_and(answer="DELETED"),
    "closeReferral": version_and(feedbackAsked="DECLINED"),
    "contestOutcome": version_and(reason="OUTCOME_WRONG"),
    "cancelReferral": version_and(reason="OTHER_SERVICE_FOUND"),
    "abandonReferral": version_and(reason="OTHER"),
    "correctReferral": version_and(reason="WRONG_PERSON"),
    "reopenReferral": version_and(reason="NOT_FINISHED"),
    "confirmApproval": version_and(),
    "refuseApproval": version_and(),
    "requestBooking": lambda town, _: {
        "serviceId": town.interpreting,
        "language": "ti",
        "mode": "ON_SITE",
        "startsAt": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
        "minutes": 60,
    },
    "confirmBooking": version_and(interpreter="Jemand"),
    "declineBooking": version_and(),
    "cancelBooking": version_and(),
    "finishBooking": version_and(),
    "nameBookedPerson": lambda town, thing: {
        "id": thing["id"],
        "clientId": town.world.id("Client", town.world.staff_member),
        "personAgreed": True,
    },
    "issueFeedbackCode": of_referral(),
    "recordFeedback": of_referral(answer="HELPED"),
    "issueCodeCard": lambda town, thing: {"clientId": thing["id"], "language": "ti"},
    "revokeCodeCard": lambda town, thing: {"clientId": thing["id"]},
    "withdrawByCard": lambda town, thing: {"code": thing["code"]},
    "moveByCard": lambda town, thing: {
        "code": thing["code"],
        "referralId": thing["id"],
        "expectedVersion": thing["version"],
        "move": "CANCEL",
    },
    "answerByCard": lambda town, thing: {
        "code": thing["code"],
        "referralId": thing["id"],
        "answer": "HELPED",
    },
    "answerFollowUpByCard": lambda town, thing: {
        "code": thing["code"],
        "followUpId": thing["id"],
        "needNow": "STILL_MET",
    },
    "recordFollowUp": version_and(needNow="STILL_MET"),
    "giveFeedback": lambda town, thing: {"code": thing["code"], "answer": "HELPED"},
    "issueAnswerLink": of_referral(),
    "revokeAnswerLink": of_referral(),
    "openAsRecipient": lambda town, thing: {"code": thing["code"]},
    "answerByLink": lambda town, thing: {"code": thing["code"], "answer": {"decline": {"reason": "OTHER"}}},
    "assureByLink": lambda town, thing: {
        "code": thing["code"],
        "entries": [{"id": thing["id"], "expectedVersion": thing["version"]}],
    },
    "suggestByLink": lambda town, thing: {
        "code": thing["code"],
        "entry": {"id": thing["id"], "expectedVersion": thing["version"]},
        "suggestions": [{"field": "PHONE", "value": "0355 123456"}],
    },
    "confirmMailbox": lambda town, thing: {"code": thing["code"]},
    "stopMailbox": lambda town, thing: {"code": thing["code"]},
}

PROBLEMS = {
    "NotFoundProblem": "gone",
    "NotAllowedProblem": "no",
    "NotSignedInProblem": "in",
    "TransitionNotAllowedProblem": "state",
    "ConsentNotOpenProblem": "state",
    "ApprovalLapsedProblem": "lapsed",
}
CODES = {
    "NOT_FOUND": "gone",
    "NOT_ALLOWED": "no",
    "NOT_SIGNED_IN": "in",
    "UNAVAILABLE": "yes",  # no search engine runs in this test, but the door is open
}


async def attempt(town: Town, row: Row, thing: Thing, who: str) -> str:
    """Try a row's operation at an object; return the word for what came of it."""
    if row.operation in CHANGES:
        input_ = {"idempotencyKey": key(), **CHANGES[row.operation](town, thing)}
        if row.operation.startswith("reassign"):
            input_["responsibleId"] = await own_member(town, who)
        if row.expected[who] == "ok":  # reading the notice is recorded, so only who may decide reads it
            input_ = await town.explained(who, input_, row.operation)
        answer = await town.ask(document(row.operation), {"input": input_}, who=who)
        found = answer.data[row.operation]
        if found["__typename"].startswith("Bulk"):
            found = found["items"][0]["result"]
        kind = found["__typename"]
        return PROBLEMS.get(kind, f"{kind} {found}" if kind.endswith("Problem") else "ok")
    query, variables = reading(town, row, thing, who)
    return read_word(row, thing, await town.ask(query, variables, who=who))


def read_word(row: Row, thing: Thing, answer: Answer) -> str:
    if answer.codes:
        return CODES.get(answer.codes[0], str(answer.body))
    found = answer.data[row.operation]
    if found is None:
        return "yes" if row.operation == "mailbox" else "gone"  # nobody has to have one
    if isinstance(found, dict) and (kind := found.get("__typename", "")).endswith("Problem"):
        return PROBLEMS.get(kind, f"{kind} {found}")
    if row.operation in LISTS:
        nodes = found["nodes"] if isinstance(found, dict) else found
        return "yes" if thing["id"] in {node["id"] for node in nodes} else "none"
    return "yes"


# --- Nothing changes where it is refused ------------------------------------------------------------------


@pytest.fixture(scope="module")
async def town(database: Database, api: Api) -> Town:
    return await make_town(database, api)


@pytest.fixture(scope="module")
def untouched() -> dict[str, Thing]:
    """Objects that only refused actors have tried: nothing changed, so all rows share them."""
    return {}


async def changed(digest: Digest, change: Awaitable[Any]) -> set[str]:
    before = await digest(with_audit=False)
    await change
    return {name for name, found in (await digest(with_audit=False)).items() if found != before[name]}


async def test_the_digest_sees_every_change(town: Town, digest: Digest) -> None:
    run = digest.superuser.execute
    await town.client()
    assert await changed(digest, town.client()) == {"client", "client_phase_change", "idempotency"}
    topic = await make_topic(town.database, de="neu")
    assert await changed(digest, run("UPDATE topic SET code = code WHERE code = $1", topic)) == {"topic"}
    assert await changed(digest, run("DELETE FROM topic WHERE code = $1", topic)) == {"topic"}
    assert await changed(digest, run("SELECT count(*) FROM client")) == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.operation}-{row.object}")
async def test_who_may(town: Town, digest: Digest, untouched: dict[str, Thing], row: Row) -> None:
    changes = row.operation in CHANGES
    succeeding = {"ok"} if changes else set()
    if row.object not in untouched or row.object.startswith(("partner:P", "location")):
        untouched[row.object] = await OBJECTS[row.object](town)
    found: dict[str, str] = {}
    before = await digest(with_audit=changes)
    for who, word in row.expected.items():
        if word not in succeeding:
            found[who] = await attempt(town, row, untouched[row.object], who)
    after = await digest(with_audit=changes)
    assert [name for name in before if before[name] != after[name]] == []
    who_may = [who for who, word in row.expected.items() if word in succeeding]
    for who in who_may[:1]:
        found[who] = await attempt(town, row, await OBJECTS[row.object](town), who)

    assert found == {who: word for who, word in row.expected.items() if who not in who_may[1:]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.operation in CHANGES], ids=lambda row: f"{row.operation}-{row.object}"
)
async def test_everybody_else_who_may(town: Town, row: Row) -> None:
    others = [who for who, word in row.expected.items() if word == "ok"][1:]
    for who in others:
        assert (who, await attempt(town, row, await OBJECTS[row.object](town), who)) == (who, "ok")
