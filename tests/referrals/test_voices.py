"""The three voices side by side: what each says, where they part, and what the recipient may know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from referrals.vocabulary import (
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
from referrals.voices import VoiceFacts, as_recipient, voices

R, OC, F, A = ReferralState, OutcomeCode, FeedbackAnswer, FeedbackAsked
P, S, C, D = PartnerVoice, SenderVoice, PersonVoice, Disagreement

TABLE = [
    # state, outcome, unconfirmed, contested by, told, asked: partner, sender, person, why
    (R.SENT, None, False, None, None, None, P.NOT_YET, S.NOT_YET, C.NOT_YET, ()),
    (R.EXPIRED, None, False, None, None, None, P.NO_ANSWER, S.NOT_YET, C.NO_ANSWER, ()),
    (R.DECLINED, None, False, None, None, None, P.DECLINED, S.NOT_YET, C.NO_ANSWER, ()),
    (R.DECLINED, None, False, None, F.HELPED, None, P.DECLINED, S.NOT_YET, C.HELPED, (D.NOT_MET_BUT_HELPED,)),
    (R.OUTCOME_REPORTED, OC.NEED_MET, False, None, None, None, P.NEED_MET, S.NOT_YET, C.NOT_YET, ()),
    (R.CLOSED, OC.NEED_MET, False, None, F.HELPED, A.ANSWERED, P.NEED_MET, S.AGREED, C.HELPED, ()),
    (R.CLOSED, OC.NEED_MET, False, None, None, A.ANSWERED, P.NEED_MET, S.AGREED, C.ANSWERED_UNRECORDED, ()),
    (R.CLOSED, OC.NEED_MET, False, None, None, A.DECLINED, P.NEED_MET, S.AGREED, C.DID_NOT_WANT_TO_SAY, ()),
    (R.CLOSED, OC.NEED_MET, False, None, None, A.UNREACHABLE, P.NEED_MET, S.AGREED, C.NO_ANSWER, ()),
    (R.CLOSED, OC.NEED_MET, True, None, None, None, P.NEED_MET, S.NO_ANSWER, C.NO_ANSWER, ()),
    (
        *(R.CLOSED, OC.NEED_MET, False, None, F.DID_NOT_HELP, None),
        *(P.NEED_MET, S.AGREED, C.DID_NOT_HELP, (D.MET_BUT_DID_NOT_HELP,)),
    ),
    (
        *(R.CLOSED, OC.PARTLY_MET, False, None, F.NEVER_HAPPENED, None),
        *(P.PARTLY_MET, S.AGREED, C.NEVER_HAPPENED, (D.HAPPENED_OR_NOT,)),
    ),
    (
        R.CLOSED,
        OC.PARTLY_MET,
        False,
        None,
        F.HELPED_PARTLY,
        None,
        P.PARTLY_MET,
        S.AGREED,
        C.HELPED_PARTLY,
        (),
    ),
    (
        *(R.CLOSED, OC.NOT_MET, False, None, F.HELPED, None),
        *(P.NOT_MET, S.AGREED, C.HELPED, (D.NOT_MET_BUT_HELPED,)),
    ),
    (
        R.CLOSED,
        OC.NOT_REACHED,
        False,
        None,
        F.NEVER_HAPPENED,
        None,
        P.NOT_REACHED,
        S.AGREED,
        C.NEVER_HAPPENED,
        (),
    ),
    (R.CLOSED, OC.UNKNOWN, True, None, None, None, P.NO_ANSWER, S.NO_ANSWER, C.NO_ANSWER, ()),
    # What is not disclosed contradicts nothing, so that no disagreement tells it.
    (
        *(R.CLOSED, OC.NOT_DISCLOSED, False, None, F.DID_NOT_HELP, None),
        *(P.NOT_DISCLOSED, S.AGREED, C.DID_NOT_HELP, ()),
    ),
    (
        *(R.IN_PROGRESS, None, False, EventActor.SENDER, None, None),
        *(P.NOT_YET, S.CONTESTED, C.NOT_YET, (D.SENDER_CONTESTS,)),
    ),
    (
        *(R.IN_PROGRESS, None, False, EventActor.PERSON, None, None),
        *(P.NOT_YET, S.NOT_YET, C.CONTESTED, (D.PERSON_CONTESTS,)),
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(str(part) for part in row[:6]))
def test_each_says_this_and_they_part_here(row: tuple) -> None:  # type: ignore[type-arg]
    state, outcome, unconfirmed, contested_by, told, asked, partner, sender, person, why = row
    found = voices(
        VoiceFacts(
            state=state,
            outcome=outcome,
            unconfirmed=unconfirmed,
            contested_by=contested_by,
            told=told,
            asked=asked,
        )
    )

    assert (found.partner, found.sender, found.person, found.why) == (partner, sender, person, why)
    assert found.disagreement is bool(why)


FACTS = st.builds(
    VoiceFacts,
    state=st.sampled_from(ReferralState),
    outcome=st.none() | st.sampled_from(OutcomeCode),
    unconfirmed=st.booleans(),
    contested_by=st.none() | st.sampled_from([EventActor.SENDER, EventActor.PERSON]),
    told=st.none() | st.sampled_from(FeedbackAnswer),
    asked=st.none() | st.sampled_from(FeedbackAsked),
)


@given(FACTS, st.sampled_from(FeedbackAnswer))
def test_the_recipient_never_learns_how_the_person_said_it_went(
    facts: VoiceFacts, other: FeedbackAnswer
) -> None:
    # whatever the person said, as long as they said something, the recipient reads the same
    assert as_recipient(voices(replace(facts, told=other))) == as_recipient(
        voices(replace(facts, told=FeedbackAnswer.HELPED))
    )


@given(FACTS.filter(lambda facts: facts.outcome is not None))
def test_what_is_not_disclosed_shows_nowhere(facts: VoiceFacts) -> None:
    hidden = voices(replace(facts, outcome=OutcomeCode.NOT_DISCLOSED))

    assert hidden.partner is PartnerVoice.NOT_DISCLOSED
    assert not {D.MET_BUT_DID_NOT_HELP, D.NOT_MET_BUT_HELPED, D.HAPPENED_OR_NOT} & set(hidden.why)
