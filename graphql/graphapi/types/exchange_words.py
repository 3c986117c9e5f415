"""The closed vocabularies of the referral exchange as GraphQL enums, each value described."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from graphapi.types.words import describe
from referrals import merging, states, vocabulary

_DESCRIBED: Final[dict[type[StrEnum], str]] = {
    vocabulary.ClientPhase: "Where a client stands; the phases that the project counts.",
    merging.UnderWay: "What must end before an entry of the directory can end.",
    vocabulary.ReferralState: "The states of a referral.",
    vocabulary.DataCategory: "What about a person may be shared; each is a fixed set of fields.",
    vocabulary.Purpose: "What data may be used for; the person decides on each separately.",
    vocabulary.ReportDepth: "How much of what came of a referral the recipient may tell the sender.",
    vocabulary.ConsentState: "The states of a consent record.",
    vocabulary.LegalBasis: "The legal basis of sharing by consent, in the law that binds the controller.",
    vocabulary.SpecialBasis: "The legal basis for special categories of data: explicit consent.",
    vocabulary.ConsentMedium: "How a consent or refusal was declared.",
    vocabulary.GivenBy: "Who declared the consent.",
    vocabulary.InterpreterKind: "Who interpreted when the consent was explained.",
    vocabulary.WithdrawalScope: "How much of a consent is withdrawn.",
    vocabulary.Channel: "How a declaration of the person reached the organisation.",
    vocabulary.Priority: "How soon the recipient must answer, in working days of Brandenburg.",
    vocabulary.EventActor: "Who acted in a referral's event.",
    vocabulary.AnswerSource: "How an answer came in: from a member, or told to the sender who recorded it.",
    vocabulary.DeclineReason: "Why a recipient does not take somebody.",
    vocabulary.DeclinedBy: "Who declined.",
    vocabulary.CapacityReason: "Why somebody is sent although the service says it has no places.",
    vocabulary.Reason: "Coded reason of a pause, cancellation, abandoned draft, contest, error or reopening.",
    vocabulary.OutcomeCode: "What came of a referral; NOT_DISCLOSED: the person has not allowed to tell.",
    vocabulary.OutcomeReason: "Why a need was not met.",
    vocabulary.TimedStep: "A step of a referral whose duration is measured from the day of sending.",
    vocabulary.AppointmentKind: "What an appointment with the person is for.",
    vocabulary.AppointmentState: "What became of an appointment.",
    vocabulary.BringAlong: "What the person is to bring to an appointment.",
    vocabulary.InterimResult: "Coded intermediate result that a recipient reports.",
    vocabulary.RevocationAnswer: "What a recipient did with the data after the consent ended.",
    vocabulary.BookingState: "The states of an interpreter booking.",
    vocabulary.LateReason: "Why an interpreter is asked for later than the service would like.",
    vocabulary.GenderWish: "Which interpreter the person would like.",
    vocabulary.FeedbackAsked: "Whether the person was asked how it went.",
    vocabulary.FeedbackAnswer: "How it went, in the person's own view.",
    vocabulary.FollowUpKind: "When the person is asked again after a referral was closed.",
    vocabulary.FollowUpState: "The states of a later follow-up; no answer is counted too.",
    vocabulary.NeedNow: "Whether what the person needed is still met, in their own view.",
    vocabulary.OccupiedWith: "What the person does at the time of a follow-up.",
    vocabulary.PartnerVoice: "What the receiving organisation says came of it; no answer is counted too.",
    vocabulary.SenderVoice: "What the sending organisation says to that; NO_ANSWER: not confirmed in time.",
    vocabulary.PersonVoice: "What the person says; no answer is counted too.",
    vocabulary.Disagreement: "Where the voices part.",
    vocabulary.ApprovalMove: "What needs four eyes.",
    vocabulary.ApprovalState: "The states of a request for four eyes.",
    vocabulary.RuleSetState: "How far a version of the project's rule has come.",
    vocabulary.JudgedAt: "On which occasion the project's rule was judged.",
    vocabulary.SupportAdvice: "What the project's own rule advises for a person.",
    states.Move: "What can be done with a referral; a move leads from one state to another.",
}

for _enum, _description in _DESCRIBED.items():
    describe(_enum, _description)
