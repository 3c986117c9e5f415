"""Taking the person of a referral into the own clients: exactly what was sent, once, under the consent."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from directory.database import Work
from directory.days import local_day
from directory.problems import InvalidInput
from directory.vocabulary import WorkPermission
from referrals.clients import ClientDraft, create_client
from referrals.inbox import package_place
from referrals.models import Client, ReferralPackage
from referrals.moving import hold, note_down, permit
from referrals.noted import NOTES, Noted
from referrals.package import Package, PersonFacts, decoder
from referrals.personal_data.keystore import KeyStore
from referrals.problems import PackageClosed, TransitionNotAllowed
from referrals.states import Move, allowed
from referrals.values import Contact, Identity, Profile
from referrals.vocabulary import READABLE_STATES, DataCategory, EventActor


async def take_over_client(work: Work, keys: KeyStore, referral_id: UUID) -> UUID:
    """Make a client of the receiving organisation from the package; return it, the same one every time.

    Once the referral was accepted, and while the consent is in force. What was not shared is not known: the
    new file holds the fields of the package's categories and nothing else, under a key of its own. Raises
    NotFound, NotAllowed, TransitionNotAllowed, PackageClosed (the consent has ended), InvalidInput when the
    package holds no name.
    """
    held = await hold(work, referral_id)
    permit(work, held, EventActor.RECIPIENT)
    # The referral is locked: of parallel calls the later ones find what the first has made.
    known = await _taken_over(work, referral_id)
    if known is not None:
        return known
    state = held.state_for(Move.ACKNOWLEDGE)
    if not held.covered and held.referral.state in READABLE_STATES:
        raise PackageClosed(state)
    if state not in NOTES[Noted.CLIENT_TAKEN_OVER].states:
        raise TransitionNotAllowed(state, allowed(state, EventActor.RECIPIENT))
    stored = await work.session.get(ReferralPackage, referral_id, populate_existing=True)
    if stored is None:
        raise PackageClosed(state)
    key = await keys.of(stored.client_id)
    package = decoder.decode(key.open(stored.sealed, package_place(referral_id)))
    client_id = await create_client(work, keys, draft_from(package), from_referral_id=referral_id)
    await note_down(
        work,
        held,
        Noted.CLIENT_TAKEN_OVER,
        EventActor.RECIPIENT,
        {"last_sign_of_life": local_day(work.now)},
        facts={"categories": " ".join(package.categories)},
    )
    return client_id


async def _taken_over(work: Work, referral_id: UUID) -> UUID | None:
    return (
        await work.session.execute(select(Client.id).where(Client.from_referral_id == referral_id))
    ).scalar()


def draft_from(package: Package) -> ClientDraft:
    """Return the file that a package makes; raises InvalidInput when there is no name to file it under."""
    person: PersonFacts = package.person
    if DataCategory.IDENTITY not in package.categories or person.family_name is None:
        raise InvalidInput("id", "identity-not-shared")
    return ClientDraft(
        identity=Identity(
            family_name=person.family_name,
            given_names=person.given_names,
            date_of_birth=person.date_of_birth,
        ),
        contact=Contact(phone=person.phone, email=person.email, address=person.address),
        profile=Profile(
            competences=person.competences,
            work_permission=person.work_permission or WorkPermission.ASK,
            level=person.level,
            qualifications=person.qualifications,
            experience=person.experience,
            family_care=person.family_care,
            health=person.health,
            documents=person.documents,
        ),
        residence_status=person.residence_status,
        status_valid_until=person.status_valid_until,
        legal_circle=person.legal_circle,
        languages=person.languages,
        needs=person.needs,
    )
