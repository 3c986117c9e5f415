"""Three voices about one referral side by side: the partner's outcome, the sender's word, the person's own.

Pure. What somebody may not know goes in as what they may know of it (``NOT_DISCLOSED``), so nothing that is
worked out here, the disagreement either, can tell it. That nobody answered is a value of its own.
"""

from __future__ import annotations

from typing import Final

from directory.values import Value
from referrals.vocabulary import (
    UNSENT_STATES,
    Disagreement,
    EventActor,
    FeedbackAnswer,
    FeedbackAsked,
    OutcomeCode,
    PartnerVoice,
    PersonVoice,
    ReferralState,
    SenderVoice,
)


class VoiceFacts(Value, frozen=True, kw_only=True):
    """What is known of a referral, as far as whoever asks may know it.

    ``contested_by``: who contested the last outcome, while no new one has been reported (SENDER, PERSON).
    ``told``: what the person said. ``asked``: whether the sender says that the person was asked.
    """

    state: ReferralState
    outcome: OutcomeCode | None = None
    unconfirmed: bool = False
    contested_by: EventActor | None = None
    told: FeedbackAnswer | None = None
    asked: FeedbackAsked | None = None


class Voices(Value, frozen=True, kw_only=True):
    """The three voices; ``why`` names every disagreement, in the vocabulary's order."""

    partner: PartnerVoice
    sender: SenderVoice
    person: PersonVoice
    why: tuple[Disagreement, ...] = ()

    @property
    def disagreement(self) -> bool:
        """Whether the voices part."""
        return bool(self.why)


_OUTCOMES: Final = {
    OutcomeCode.NEED_MET: PartnerVoice.NEED_MET,
    OutcomeCode.PARTLY_MET: PartnerVoice.PARTLY_MET,
    OutcomeCode.NOT_MET: PartnerVoice.NOT_MET,
    OutcomeCode.PERSON_LEFT: PartnerVoice.PERSON_LEFT,
    OutcomeCode.NOT_REACHED: PartnerVoice.NOT_REACHED,
    OutcomeCode.NOT_DISCLOSED: PartnerVoice.NOT_DISCLOSED,
    OutcomeCode.UNKNOWN: PartnerVoice.NO_ANSWER,
}
_ENDED: Final = frozenset({ReferralState.CLOSED, ReferralState.DECLINED, ReferralState.EXPIRED})
"""Ends after which nobody is waited for any more."""

_GOOD: Final = frozenset({PartnerVoice.NEED_MET, PartnerVoice.PARTLY_MET})
_BAD: Final = frozenset({PartnerVoice.NOT_MET, PartnerVoice.NOT_REACHED, PartnerVoice.DECLINED})
_HAPPENED: Final = frozenset(
    {PartnerVoice.NEED_MET, PartnerVoice.PARTLY_MET, PartnerVoice.NOT_MET, PartnerVoice.PERSON_LEFT}
)
"""With these the partner says that it began; whether anything happened at all is the person's to say too."""

DISAGREEMENTS: Final[tuple[tuple[Disagreement, frozenset[PartnerVoice], frozenset[PersonVoice]], ...]] = (
    (Disagreement.MET_BUT_DID_NOT_HELP, _GOOD, frozenset({PersonVoice.DID_NOT_HELP})),
    (Disagreement.NOT_MET_BUT_HELPED, _BAD, frozenset({PersonVoice.HELPED})),
    (Disagreement.HAPPENED_OR_NOT, _HAPPENED, frozenset({PersonVoice.NEVER_HAPPENED})),
)
"""Which voices of partner and person contradict each other; HELPED_PARTLY contradicts nothing."""


def voices(facts: VoiceFacts) -> Voices:
    """Return the three voices and where they part."""
    partner, sender, person = _partner(facts), _sender(facts), _person(facts)
    why = [part for part, said, felt in DISAGREEMENTS if partner in said and person in felt]
    if sender is SenderVoice.CONTESTED:
        why.append(Disagreement.SENDER_CONTESTS)
    if facts.contested_by is EventActor.PERSON:
        why.append(Disagreement.PERSON_CONTESTS)
    return Voices(partner=partner, sender=sender, person=person, why=tuple(why))


def _partner(facts: VoiceFacts) -> PartnerVoice:
    if facts.outcome is not None:
        return _OUTCOMES[facts.outcome]
    if facts.state is ReferralState.DECLINED:
        return PartnerVoice.DECLINED
    return PartnerVoice.NO_ANSWER if facts.state in _ENDED else PartnerVoice.NOT_YET


def _sender(facts: VoiceFacts) -> SenderVoice:
    if facts.state is ReferralState.CLOSED:
        return SenderVoice.NO_ANSWER if facts.unconfirmed else SenderVoice.AGREED
    return SenderVoice.CONTESTED if facts.contested_by is EventActor.SENDER else SenderVoice.NOT_YET


def _person(facts: VoiceFacts) -> PersonVoice:
    if facts.told is not None:
        return PersonVoice(facts.told.value)
    if facts.contested_by is EventActor.PERSON:
        return PersonVoice.CONTESTED
    if facts.asked is FeedbackAsked.DECLINED:
        return PersonVoice.DID_NOT_WANT_TO_SAY
    if facts.asked is FeedbackAsked.ANSWERED:
        return PersonVoice.ANSWERED_UNRECORDED
    return PersonVoice.NO_ANSWER if facts.state in _ENDED else PersonVoice.NOT_YET


def as_recipient(found: Voices) -> Voices:
    """Return what the receiving organisation may know: its own voice, and whether it was contested.

    Never how the person said it went: no purpose of a consent lets the recipient know that. Whether the
    sender agreed or was silent is told by the state that the recipient sees anyway.
    """
    contests = tuple(
        part for part in found.why if part in {Disagreement.SENDER_CONTESTS, Disagreement.PERSON_CONTESTS}
    )
    person = PersonVoice.CONTESTED if Disagreement.PERSON_CONTESTS in contests else PersonVoice.NOT_DISCLOSED
    return Voices(partner=found.partner, sender=found.sender, person=person, why=contests)


SPEAKING_STATES: Final = (
    frozenset(ReferralState)
    - UNSENT_STATES
    - {
        ReferralState.ABANDONED,
        ReferralState.ENTERED_IN_ERROR,
    }
)
"""States in which there is something to say at all."""
