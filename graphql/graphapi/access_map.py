"""Who may touch which field of the schema: one rule for every (type, field); what is not listed is denied.

A rule is the *door*: it decides by the actor alone, before anything is read. What depends on the object
(is it mine, is it published) is decided behind the door by each room's ``policy.py`` and the sources. A test
introspects the schema and fails on a field that is missing here, stale, or listed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from graphql import ExecutionResult, GraphQLError
from strawberry.extensions import SchemaExtension

from directory.actors import Actor, Role
from directory.problems import NotAllowed, NotSignedIn, Problem


class Rule(StrEnum):
    """What the door asks of the actor.

    OWN lets everybody through: the value is null except for whom the room's policy shows it. The ``id`` of
    every type that ``node`` can find is PUBLIC or OWN, because ``node(id:) { id }`` may be any of them.
    MEMBER keeps an entry (not the readers of other municipalities).
    """

    PUBLIC = "PUBLIC"
    OWN = "OWN"
    SIGNED_IN = "SIGNED_IN"
    MEMBER = "MEMBER"
    COORDINATION = "COORDINATION"
    LEAD = "LEAD"
    ADMINISTERS = "ADMINISTERS"


class Entry(NamedTuple):
    """One rule for some fields of one type, separated by blanks."""

    rule: Rule
    type_name: str
    fields: str


ENTRIES: Final[tuple[Entry, ...]] = (
    Entry(
        Rule.PUBLIC,
        "Query",
        "node partner partners service services topics occupations municipalities me",
    ),
    Entry(Rule.PUBLIC, "Query", "searchServices suggest matchServices matchWeights"),
    Entry(Rule.PUBLIC, "Suggestion", "kind text language services topic id"),
    Entry(
        Rule.PUBLIC,
        "ServiceMatchConnection",
        "edges nodes pageInfo totalCount consideredCount fittingCount bridges relaxed weightsVersion",
    ),
    Entry(Rule.PUBLIC, "ServiceMatch", "cursor place node answer answerLabel score criteria distanceKm"),
    Entry(Rule.PUBLIC, "MatchCriterion", "criterion standing standingLabel worth points reason"),
    Entry(Rule.PUBLIC, "MatchWeights", "version weights findings"),
    Entry(Rule.PUBLIC, "MatchWeight", "criterion points worthUnknown why"),
    Entry(Rule.PUBLIC, "FindingWorth", "code worth"),
    Entry(Rule.SIGNED_IN, "Query", "savedSearches mailbox"),
    Entry(
        Rule.SIGNED_IN,
        "Mutation",
        "saveSearch changeSavedSearch deleteSavedSearch setMailbox removeMailbox",
    ),
    Entry(
        Rule.SIGNED_IN,
        "SavedSearch",
        "id name text filters notify newServices changedServices newHits changedHits tooBroad lookedAt "
        "version createdAt",
    ),
    Entry(
        Rule.SIGNED_IN,
        "SavedFilters",
        "kinds topics languages partnerKinds municipality near openCapacityOn course",
    ),
    Entry(Rule.SIGNED_IN, "SavedNear", "latitude longitude radiusKm"),
    Entry(Rule.SIGNED_IN, "Mailbox", "address language askedAt confirmedAt"),
    Entry(Rule.SIGNED_IN, "SavedSearchSaved", "savedSearch"),
    Entry(Rule.SIGNED_IN, "SavedSearchDeleted", "deletedId"),
    Entry(Rule.SIGNED_IN, "MailboxSaved", "mailbox"),
    Entry(Rule.COORDINATION, "Query", "unmetSearches"),
    Entry(Rule.COORDINATION, "UnmetSearches", "since until district breakdown cells hidden"),
    Entry(Rule.COORDINATION, "UnmetCount", "kind kindLabel topic language outcome searches"),
    Entry(Rule.SIGNED_IN, "Query", "members"),
    Entry(
        Rule.PUBLIC,
        "Partner",
        "id name kind kindLabel website version municipality description descriptions contactPoints "
        "locations languages state active coordinates publicBody assuredAt freshness provenance updatedAt "
        "services",
    ),
    Entry(Rule.PUBLIC, "Freshness", "state stateLabel assuredAt dueOn kinds kindLabels"),
    Entry(Rule.OWN, "Freshness", "hideOn"),
    Entry(Rule.PUBLIC, "Service", "freshness"),
    Entry(Rule.MEMBER, "Query", "entriesDue"),
    Entry(
        Rule.MEMBER,
        "EntryDue",
        "partner partnerId service serviceId dueAt freshness steps stepLabels hidden",
    ),
    Entry(Rule.MEMBER, "EntryDueConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "EntryDueEdge", "cursor node"),
    Entry(
        Rule.MEMBER,
        "ChangeRequest",
        "partner partnerId source sourceLabel fieldLabel proposed before language locationId remark",
    ),
    Entry(Rule.PUBLIC, "Mutation", "suggestCorrection"),
    Entry(Rule.PUBLIC, "CorrectionTaken", "about aboutLabel"),
    Entry(Rule.PUBLIC, "Capacity", "isCurrent"),
    Entry(Rule.OWN, "Partner", "note settings"),
    Entry(
        Rule.OWN,
        "PartnerSettings",
        "dataProtectionLaw professionalSecrecy school superiorContact correspondenceLanguage",
    ),
    Entry(Rule.MEMBER, "Subscription", "inboxChanged referralChanged"),
    Entry(Rule.MEMBER, "InboxChange", "missed referral booking approval"),
    Entry(Rule.MEMBER, "Query", "noticesNotArrived"),
    Entry(Rule.MEMBER, "Referral", "reference notices"),
    Entry(
        Rule.MEMBER,
        "Notice",
        "kind kindLabel addressee partnerId about aboutId reference state stateLabel at sentAt dueAt",
    ),
    Entry(
        Rule.PUBLIC,
        "Service",
        "id version partner municipality kind kindLabel title titles description descriptions website "
        "topics sourceTerms languages eligibility area responsibility locations contactPoints capacity "
        "course recognition interpreting referralFacts applicationProcess applicationProcessTexts "
        "requiredDocuments state assuredAt provenance updatedAt",
    ),
    Entry(Rule.PUBLIC, "RequiredDocument", "name nameTexts url"),
    Entry(Rule.PUBLIC, "Phrase", "texts"),
    Entry(Rule.MEMBER, "Query", "eligibilityPreview"),
    Entry(Rule.MEMBER, "EligibilityPreview", "serviceId on people"),
    Entry(Rule.MEMBER, "EligibilityChange", "before after changes"),
    Entry(Rule.MEMBER, "RuleJudgement", "answer answerLabel rules criteria missing reason legalBasis"),
    Entry(Rule.OWN, "Service", "note"),
    Entry(Rule.MEMBER, "Query", "changeRequests structuralGaps referralTimes"),
    Entry(Rule.OWN, "ChangeRequest", "id"),
    Entry(
        Rule.MEMBER,
        "ChangeRequest",
        "version service serviceId field reason reasonLabel times state openedAt lastAt decidedAt "
        "decidedById decisionReason",
    ),
    Entry(Rule.MEMBER, "ChangeRequestConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "ChangeRequestEdge", "cursor node"),
    Entry(Rule.MEMBER, "ReferralTimes", "since until sent steps"),
    Entry(Rule.MEMBER, "StepTime", "step stepLabel count people median ninth"),
    Entry(Rule.MEMBER, "StructuralGap", "code topic people declines unanswered waiting services withRoom"),
    Entry(Rule.MEMBER, "GapDecline", "reason reasonLabel count"),
    Entry(Rule.MEMBER, "Mutation", "decideChangeRequest"),
    Entry(Rule.MEMBER, "ChangeRequestSaved", "changeRequest"),
    Entry(Rule.PUBLIC, "Municipality", "id ars name licence"),
    Entry(Rule.LEAD, "Mutation", "setMunicipalityLicence"),
    Entry(Rule.LEAD, "MunicipalitySaved", "municipality"),
    Entry(Rule.PUBLIC, "Text", "text language isStale sourceLanguage"),
    Entry(Rule.PUBLIC, "Partner", "licence sourceLanguage"),
    Entry(Rule.PUBLIC, "Service", "licence sourceLanguage"),
    Entry(Rule.MEMBER, "Query", "entryHistory entryVersion possibleDuplicates staleTranslations"),
    Entry(Rule.MEMBER, "EntryVersionConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "EntryVersionEdge", "cursor node"),
    Entry(
        Rule.MEMBER,
        "EntryVersion",
        "entryId version at action role organisation organisationId memberId reason changes fields",
    ),
    Entry(Rule.MEMBER, "EntryFieldChange", "field before after"),
    Entry(Rule.MEMBER, "PossibleDuplicate", "entry title points reasons reasonLabels"),
    Entry(Rule.COORDINATION, "Query", "duplicatePairs"),
    Entry(Rule.COORDINATION, "DuplicatePairConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.COORDINATION, "DuplicatePairEdge", "cursor node"),
    Entry(Rule.COORDINATION, "DuplicatePair", "entry other points reasons reasonLabels notDuplicates"),
    Entry(Rule.COORDINATION, "NotDuplicates", "id at memberId"),
    Entry(Rule.PUBLIC, "Query", "entryEnded"),
    Entry(Rule.PUBLIC, "Partner", "jsonLd"),
    Entry(Rule.PUBLIC, "Service", "jsonLd"),
    Entry(Rule.MEMBER, "PartnerSaved", "possibleDuplicates"),
    Entry(Rule.MEMBER, "ServiceSaved", "possibleDuplicates"),
    Entry(Rule.MEMBER, "StaleTranslationsConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "StaleTranslationsEdge", "cursor node"),
    Entry(Rule.MEMBER, "StaleTranslations", "entryId entry sourceLanguage texts"),
    Entry(Rule.MEMBER, "StaleText", "field languages"),
    Entry(
        Rule.MEMBER,
        "Mutation",
        "restorePartner restoreService confirmPartnerTranslation confirmServiceTranslation",
    ),
    Entry(Rule.COORDINATION, "Mutation", "mergePartners mergeServices deletePartner deleteService"),
    Entry(Rule.COORDINATION, "Mutation", "markNotDuplicates withdrawNotDuplicates"),
    Entry(Rule.COORDINATION, "NotDuplicatesSaved", "notDuplicates"),
    Entry(Rule.COORDINATION, "NotDuplicatesWithdrawn", "withdrawnId"),
    Entry(Rule.COORDINATION, "EntryDeleted", "deletedId"),
    Entry(Rule.PUBLIC, "StillUnderWayProblem", "message code underWay"),
    Entry(Rule.PUBLIC, "ContactPoint", "kind value extension label labels languages"),
    Entry(
        Rule.PUBLIC,
        "Location",
        "id name street postcode city ars latitude longitude accessibility accessibilityTexts hours",
    ),
    Entry(Rule.PUBLIC, "OpeningHours", "osm periods byAppointment closedOnHolidays timezone"),
    Entry(Rule.PUBLIC, "OpeningPeriod", "weekday opens closes"),
    Entry(Rule.PUBLIC, "LanguageOffered", "language variety interpreted"),
    Entry(Rule.PUBLIC, "Provenance", "source foreignId licence"),
    Entry(Rule.PUBLIC, "ServiceConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.PUBLIC, "ServiceEdge", "cursor node"),
    Entry(Rule.PUBLIC, "PartnerConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.PUBLIC, "PartnerEdge", "cursor node"),
    Entry(Rule.PUBLIC, "PageInfo", "hasNextPage hasPreviousPage startCursor endCursor"),
    Entry(Rule.PUBLIC, "Topic", "code label"),
    Entry(Rule.PUBLIC, "TopicInVocabulary", "topic parent synonyms"),
    Entry(Rule.PUBLIC, "Occupation", "esco label regulated"),
    Entry(
        Rule.PUBLIC,
        "ServiceSearchConnection",
        "edges nodes pageInfo totalCount fittingCount facets relaxed degraded instead",
    ),
    Entry(Rule.PUBLIC, "SearchInstead", "spellings filters topics entryPoints"),
    Entry(Rule.PUBLIC, "SearchWithoutFilter", "filter count"),
    Entry(Rule.PUBLIC, "TopicOffered", "code count"),
    Entry(Rule.PUBLIC, "ServiceHit", "cursor node answer reasons highlights distanceKm"),
    Entry(
        Rule.PUBLIC,
        "FitReason",
        "criterion answer answerLabel code message criteria missing explanation legalBasis",
    ),
    Entry(Rule.PUBLIC, "Highlight", "field language fragment ranges"),
    Entry(Rule.PUBLIC, "HighlightRange", "start end"),
    Entry(Rule.PUBLIC, "FacetCounts", "facet values"),
    Entry(Rule.PUBLIC, "FacetValue", "value count"),
    Entry(Rule.PUBLIC, "SourceTerm", "code name vocabulary"),
    Entry(
        Rule.PUBLIC,
        "EligibilityRule",
        "statuses workPermission ageFrom ageTo levelFrom levelTo residence legalCircles genders "
        "answer answerLabel reason reasonTexts legalBasis validFrom validTo",
    ),
    Entry(Rule.PUBLIC, "Capacity", "state current currentLabel places waitingWeeks asOf expiresOn"),
    Entry(
        Rule.PUBLIC,
        "CourseFacts",
        "levelFrom levelTo runs nextRun repeats lessons format childcare womenOnly exam costCents access",
    ),
    Entry(Rule.PUBLIC, "CourseRun", "startsOn endsOn applyBy places full open note noteTexts"),
    Entry(
        Rule.PUBLIC,
        "ReferralFacts",
        "required accepted methods responseDays response nextSteps feedback feedbackDays feedbackDelay "
        "intakeCriteria requirements methodPhrases responseTexts nextStepPhrases feedbackPhrases "
        "feedbackDelayTexts intakeCriteriaPhrases requirementPhrases",
    ),
    Entry(Rule.PUBLIC, "RecognitionFacts", "occupations regulated competentBody competentBodyTexts"),
    Entry(Rule.PUBLIC, "InterpretingFacts", "languages modes leadTimeHours"),
    Entry(Rule.PUBLIC, "InterpretedLanguage", "language variety"),
    Entry(Rule.PUBLIC, "Me", "role administers member partner municipality"),
    Entry(Rule.OWN, "Member", "id"),
    Entry(
        Rule.SIGNED_IN,
        "Member",
        "name role administers active version partner tokens deputy signInEmail signInSubject",
    ),
    Entry(Rule.SIGNED_IN, "AccessToken", "id label createdAt expiresAt revokedAt"),
    Entry(Rule.PUBLIC, "InvalidInputProblem", "message code field reason"),
    Entry(Rule.PUBLIC, "NotFoundProblem", "message code"),
    Entry(Rule.PUBLIC, "NotAllowedProblem", "message code rule"),
    Entry(Rule.PUBLIC, "NotSignedInProblem", "message code"),
    Entry(Rule.PUBLIC, "IdempotencyConflictProblem", "message code"),
    Entry(Rule.PUBLIC, "StaleVersionProblem", "message code current"),
    Entry(Rule.COORDINATION, "Mutation", "createPartner"),
    Entry(
        Rule.MEMBER,
        "Mutation",
        "changePartner publishPartner hidePartner assurePartner addLocation changeLocation removeLocation "
        "createService changeService publishService hideService assureService setCapacity",
    ),
    Entry(Rule.SIGNED_IN, "Mutation", "addMember changeMember removeMember createToken revokeToken"),
    Entry(Rule.SIGNED_IN, "PartnerSaved", "partner"),
    Entry(Rule.SIGNED_IN, "LocationAdded", "location partner"),
    Entry(Rule.SIGNED_IN, "ServiceSaved", "service"),
    Entry(Rule.SIGNED_IN, "MemberSaved", "member"),
    Entry(Rule.SIGNED_IN, "TokenCreated", "token secret"),
    Entry(Rule.SIGNED_IN, "TokenRevoked", "token"),
    Entry(
        Rule.MEMBER,
        "Approval",
        "id version referral referralId move reason state stateLabel requestedById requestedAt lapsesAt "
        "decidedById decidedAt",
    ),
    Entry(Rule.MEMBER, "AnswerLink", "issuedAt issuedById expiresAt usedAt revokedAt live"),
    Entry(Rule.PUBLIC, "AnswerLinkClosedProblem", "message code"),
    Entry(Rule.MEMBER, "AnswerLinkIssued", "answerCode path expiresAt"),
    Entry(
        Rule.PUBLIC,
        "AnswerPage",
        "sender recipient lettersIn serviceTitle topic language area areaName priority state stateLabel "
        "sentAt dueAt expiresAt allowedMoves callsLeft notable appointments shared opened",
    ),
    Entry(Rule.PUBLIC, "AnswerPageAppointment", "id startsAt minutes place"),
    Entry(Rule.PUBLIC, "AnswerTaken", "answer at linkEnded"),
    Entry(Rule.PUBLIC, "PackageOpened", "package"),
    Entry(Rule.PUBLIC, "PackageClosedProblem", "message code state"),
    Entry(Rule.MEMBER, "Mutation", "issueAnswerLink revokeAnswerLink"),
    Entry(Rule.PUBLIC, "Mutation", "openAsRecipient answerByLink"),
    Entry(Rule.PUBLIC, "Query", "answerPage"),
    # who holds the link of a mail keeps a partner's entries, or says whether mail may go to an address
    Entry(Rule.PUBLIC, "Query", "upkeepPage mailboxPage"),
    Entry(Rule.PUBLIC, "Mutation", "assureByLink suggestByLink confirmMailbox stopMailbox"),
    Entry(Rule.PUBLIC, "UpkeepPage", "lettersIn expiresAt entries"),
    Entry(Rule.PUBLIC, "UpkeepEntry", "partner service freshness hidden"),
    Entry(Rule.PUBLIC, "SuggestionsTaken", "capacityCounts proposed page"),
    Entry(Rule.PUBLIC, "MailboxPage", "asked confirmedAt lettersIn"),
    Entry(Rule.MEMBER, "Referral", "answerLinks"),
    Entry(Rule.PUBLIC, "ApprovalLapsedProblem", "message code"),
    Entry(
        Rule.MEMBER,
        "Appointment",
        "id referralId referral received kind kindLabel startsAt minutes locationId place bring state",
    ),
    Entry(Rule.MEMBER, "ApprovalRequested", "approval"),
    Entry(Rule.MEMBER, "ApprovalSaved", "approval"),
    Entry(Rule.OWN, "Booking", "id"),
    Entry(
        Rule.MEMBER,
        "Booking",
        "version state stateLabel allowedMoves service requester requesterId recipient recipientId "
        "language variety mode startsAt minutes place topic genderWish interpreter lateReason person "
        "requesterMemberId recipientMemberId createdAt updatedAt",
    ),
    Entry(Rule.PUBLIC, "BookingTooLateProblem", "message code earliest"),
    Entry(Rule.MEMBER, "BookingConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "BookingEdge", "cursor node"),
    Entry(Rule.MEMBER, "BookingSaved", "booking"),
    Entry(Rule.MEMBER, "BulkClientItem", "id result"),
    Entry(Rule.MEMBER, "BulkClients", "items done failed"),
    Entry(Rule.MEMBER, "BulkReferralItem", "id result"),
    Entry(Rule.MEMBER, "BulkReferrals", "items done failed"),
    Entry(Rule.OWN, "Client", "id"),
    Entry(
        Rule.MEMBER,
        "Client",
        "version partnerId pseudonym identity contact profile phase phaseLabel phases residenceStatus "
        "statusValidUntil legalCircle languages needs supportedBefore appliedInTime judged section87Notice "
        "responsibleId deputyId createdAt updatedAt eligibility exclusion consents referrals",
    ),
    Entry(Rule.MEMBER, "ClientErased", "clientId"),
    Entry(Rule.MEMBER, "ClientPhaseCount", "phase phaseLabel count"),
    Entry(Rule.MEMBER, "ClientSaved", "client"),
    Entry(
        Rule.MEMBER,
        "ClientSummary",
        "id pseudonym name phase phaseLabel residenceStatus statusValidUntil needs responsibleId "
        "deputyId version updatedAt",
    ),
    Entry(Rule.MEMBER, "ClientSummaryConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "ClientSummaryEdge", "cursor node"),
    Entry(Rule.PUBLIC, "CodeNotValidProblem", "message code"),
    Entry(Rule.PUBLIC, "Query", "codeCard"),
    Entry(Rule.PUBLIC, "Mutation", "withdrawByCard moveByCard answerByCard answerFollowUpByCard"),
    Entry(Rule.MEMBER, "Query", "voiceCounts dueFollowUps"),
    Entry(Rule.MEMBER, "Mutation", "issueCodeCard revokeCodeCard recordFollowUp"),
    Entry(Rule.PUBLIC, "CodeCardOpened", "page"),
    Entry(Rule.PUBLIC, "CardSaved", "page"),
    Entry(Rule.PUBLIC, "WithdrawnByCard", "receipt page"),
    Entry(
        Rule.PUBLIC,
        "CardPage",
        "wanted language direction title introduction lostCard nothingShared withdrawAll expiresAt ask "
        "askText headings referrals consents followUps receipts",
    ),
    Entry(Rule.PUBLIC, "CardHeading", "name text"),
    Entry(Rule.PUBLIC, "CardOffice", "name phones emails website"),
    Entry(
        Rule.PUBLIC,
        "CardReferral",
        "id version service partnerId partner state shared purposes until sentAt afterTheEnd appointment "
        "offers howItWent yourAnswer",
    ),
    Entry(Rule.PUBLIC, "CardAppointment", "at place street postcode city bring"),
    Entry(Rule.PUBLIC, "CardOffer", "move text reasons"),
    Entry(Rule.PUBLIC, "CardQuestion", "text options"),
    Entry(Rule.PUBLIC, "CardOption", "code text"),
    Entry(Rule.PUBLIC, "CardConsent", "id givenAt until recipients purposes"),
    Entry(Rule.PUBLIC, "CardRecipient", "partnerId name contact"),
    Entry(Rule.PUBLIC, "CardPurpose", "purpose text shared until"),
    Entry(Rule.PUBLIC, "CardFollowUp", "id service need occupation"),
    Entry(Rule.PUBLIC, "CardReceipt", "number at language direction title lines"),
    Entry(Rule.MEMBER, "CodeCardIssued", "cardCode expiresAt clientId"),
    Entry(Rule.MEMBER, "CodeCardRevoked", "clientId"),
    Entry(Rule.MEMBER, "CodeCard", "issuedAt expiresAt language"),
    Entry(Rule.MEMBER, "Client", "codeCard"),
    Entry(Rule.MEMBER, "Referral", "voices laterFollowUps"),
    Entry(
        Rule.MEMBER,
        "Voices",
        "partner partnerLabel sender senderLabel person personLabel disagreement why",
    ),
    Entry(Rule.MEMBER, "VoiceCount", "voice label count"),
    Entry(
        Rule.MEMBER,
        "VoiceCounts",
        "since until referrals disagreements partner sender person followUps",
    ),
    Entry(Rule.MEMBER, "FollowUpCount", "kind answered unanswered"),
    Entry(
        Rule.MEMBER,
        "FollowUp",
        "id version referral kind kindLabel state stateLabel dueAt askedAt endedAt needNow occupiedWith "
        "source",
    ),
    Entry(Rule.MEMBER, "FollowUpSaved", "followUp"),
    Entry(Rule.OWN, "Consent", "id"),
    Entry(
        Rule.MEMBER,
        "Consent",
        "version subject clientId state stateLabel controller recipients purposes legalBasis "
        "specialBasis releases record evidenceKept evidence decidedAt recordedById validFrom "
        "validUntil renewalFrom withdrawal supersedesId supersededById receipt createdAt",
    ),
    Entry(Rule.MEMBER, "Consent", "notice withdrawalReceipt warnings"),
    Entry(Rule.MEMBER, "ConsentEvidence", "reference witness representative representationProof"),
    Entry(
        Rule.MEMBER,
        "ConsentNotice",
        "textId version language sha256 rightToLeft title sections bindingTitle binding text pages",
    ),
    Entry(Rule.MEMBER, "ConsentNoticeLine", "kind label text options"),
    Entry(Rule.MEMBER, "ConsentNoticeSection", "key heading lines"),
    Entry(Rule.MEMBER, "PrintedPages", "mediaType fileName base64"),
    Entry(Rule.MEMBER, "Mutation", "renewConsent"),
    Entry(Rule.MEMBER, "Query", "consentNotice section87Notice revocationsUnanswered"),
    Entry(Rule.PUBLIC, "ConsentMissingProblem", "message code missing"),
    Entry(Rule.PUBLIC, "ConsentNotOpenProblem", "message code state"),
    Entry(
        Rule.MEMBER,
        "ConsentParty",
        "partnerId name kind law contact professionalSecrecy publicBody school",
    ),
    Entry(Rule.MEMBER, "ConsentPurpose", "purpose purposeLabel categories granted reportDepth endsOn"),
    Entry(
        Rule.MEMBER,
        "ConsentRecord",
        "notice medium givenBy noDisadvantageShown section87NoticeAt interpreter",
    ),
    Entry(Rule.MEMBER, "ConsentSaved", "consent"),
    Entry(Rule.MEMBER, "ConsentWithdrawn", "consent remaining"),
    Entry(Rule.MEMBER, "Contact", "phone email address"),
    Entry(Rule.PUBLIC, "DuplicateReferralProblem", "message code referralId"),
    Entry(Rule.PUBLIC, "ErasedProblem", "message code"),
    Entry(Rule.MEMBER, "EventFact", "name value"),
    Entry(Rule.MEMBER, "Exclusion", "decidedById decidedOn"),
    Entry(Rule.MEMBER, "Feedback", "answer answerLabel source language at text"),
    Entry(Rule.MEMBER, "FeedbackCodeIssued", "feedbackCode expiresAt"),
    Entry(Rule.PUBLIC, "FeedbackGiven", "thanks"),
    Entry(Rule.MEMBER, "Identity", "familyName givenNames otherNames dateOfBirth"),
    Entry(Rule.MEMBER, "InterpreterUsed", "kind language"),
    Entry(Rule.MEMBER, "Kept", "answer what legalBasis until"),
    Entry(
        Rule.MEMBER,
        "Mutation",
        "createClient changeClient moveClientPhase requestConsent recordConsent withdrawConsent "
        "draftReferral changeDraftReferral awaitConsent sendReferral referClient followUpReferral "
        "acknowledgeReferral askAboutReferral waitlistReferral acceptReferral declineReferral "
        "startReferral holdReferral resumeReferral reportOutcome recordPartnerAnswer answerQuestion "
        "setAppointment moveAppointment cancelAppointment noteNoShow reportInterim giveSignOfLife "
        "updateWaitingList writeRemark markThreadRead setFileNumber takeOverClient referOn sendReferrals "
        "acknowledgeReferrals declineReferrals closeReferrals cancelReferrals reassignReferrals "
        "reassignClients "
        "answerRevocation closeReferral contestOutcome cancelReferral abandonReferral correctReferral "
        "reopenReferral requestBooking confirmBooking declineBooking cancelBooking finishBooking "
        "nameBookedPerson issueFeedbackCode recordFeedback",
    ),
    Entry(Rule.LEAD, "Mutation", "excludeClient liftExclusion eraseClient confirmApproval refuseApproval"),
    Entry(Rule.LEAD, "Mutation", "setLegalHold liftLegalHold"),
    Entry(Rule.LEAD, "Query", "deletionRuns legalHolds"),
    Entry(Rule.MEMBER, "Query", "accessExport"),
    Entry(Rule.LEAD, "DeletionRun", "rules startedAt endedAt lines"),
    Entry(Rule.LEAD, "DeletionLine", "retentionClass municipalityId deleted held oldestDue newestDue"),
    Entry(Rule.LEAD, "LegalHold", "id version clientId referralId reason until setAt liftedAt inForce"),
    Entry(Rule.LEAD, "LegalHoldSaved", "legalHold"),
    Entry(Rule.PUBLIC, "Mutation", "giveFeedback"),
    Entry(Rule.PUBLIC, "NoPlaceLeftProblem", "message code"),
    Entry(Rule.MEMBER, "Section87Shown", "notice shownAt"),
    Entry(Rule.MEMBER, "NoticeShown", "textId version sha256 language easyLanguage readAloud"),
    # whoever opens a package may read it: a member, or the holder of an answer link
    Entry(Rule.OWN, "Package", "categories person"),
    Entry(
        Rule.OWN,
        "PersonFacts",
        "familyName givenNames dateOfBirth phone email address languages residenceStatus legalCircle "
        "statusValidUntil workPermission level qualifications competences experience needs familyCare "
        "health documents",
    ),
    Entry(Rule.MEMBER, "PhaseChange", "fromPhase toPhase at movedById"),
    Entry(
        Rule.MEMBER,
        "Profile",
        "competences workPermission level qualifications experience familyCare health documents",
    ),
    Entry(
        Rule.MEMBER,
        "Query",
        "waitingList appointments appointmentCalendar "
        "client clients clientPhaseCounts consent referralRequirements referral inbox sentReferrals "
        "booking bookings approvals",
    ),
    Entry(Rule.OWN, "Referral", "id"),
    Entry(Rule.MEMBER, "Referral", "warningTexts latestUsefulStart nextStep"),
    Entry(Rule.MEMBER, "LatestUsefulStart", "on durationDays neededDays reckoned reason source"),
    Entry(Rule.MEMBER, "NextStep", "what whatLabel at"),
    Entry(Rule.MEMBER, "ReferralRequirements", "latestUsefulStart warnings warningTexts"),
    Entry(Rule.MEMBER, "Consent", "renewalOfferedAt"),
    Entry(Rule.MEMBER, "Query", "renewalsDue"),
    Entry(
        Rule.MEMBER,
        "Referral",
        "version seenAs state stateLabel stateSince allowedMoves recordableMoves warnings service "
        "serviceId sender senderId recipient recipientId topic language area priority categories "
        "pseudonym clientId client consentId package packageClosedBecause events parent followUps "
        "lineage followUpOffered waitsForSender thread unread appointments appointmentAt noShows "
        "interimReportOn lastSignOfLife takenOverClientId export "
        "senderMemberId senderDeputyId recipientMemberId senderFileNumber recipientFileNumber "
        "recipientContact capacityReason sentAt answerDueAt questionDueAt expectedWeek firstContactOn "
        "firstContactMadeOn expectedEnd resumeOn declineReason declinedBy betterService reason outcome "
        "outcomeLabel outcomeOn outcomeReason feedbackAsked feedback closedAt revocationDueAt "
        "revocationAnswer overdue disputed unconfirmed createdAt updatedAt",
    ),
    Entry(Rule.MEMBER, "ReferralConnection", "edges nodes pageInfo totalCount"),
    Entry(Rule.MEMBER, "ReferralEdge", "cursor node"),
    Entry(
        Rule.MEMBER,
        "ReferralEvent",
        "ordinal at move fromState toState actor partnerId memberId source sourceOn reason facts text",
    ),
    Entry(
        Rule.MEMBER,
        "ReferralRequirements",
        "recipientId categories never missing consentId openReferralId section87Notice controller "
        "recipients purposes releases legalBasis specialBasis preview",
    ),
    Entry(Rule.MEMBER, "ReferralSaved", "referral"),
    Entry(Rule.MEMBER, "ExportedFile", "mediaType fileName text base64"),
    Entry(Rule.MEMBER, "ThreadEntry", "ordinal at side kind text asksFor"),
    Entry(Rule.MEMBER, "SecrecyRelease", "released towards about aboutOutcome"),
    Entry(
        Rule.MEMBER,
        "SupportEligibility",
        "answer answerLabel advice adviceLabel reason reasonTexts legalBasis rule ruleSet changed",
    ),
    Entry(Rule.MEMBER, "SupportJudgement", "on occasion status answer advice rule"),
    Entry(
        Rule.PUBLIC,
        "RuleSet",
        "id version own state stateLabel current validFrom rules remark draftedAt decidedAt",
    ),
    Entry(
        Rule.PUBLIC,
        "SupportRule",
        "id statuses supportedBefore answer answerLabel advice adviceLabel reason reasonTexts legalBasis "
        "validFrom validTo",
    ),
    Entry(Rule.PUBLIC, "Query", "supportRules"),
    Entry(Rule.SIGNED_IN, "Query", "ruleSets"),
    Entry(Rule.LEAD, "Query", "ruleSetPreview"),
    Entry(Rule.LEAD, "RuleSetPreview", "ruleSet on people changing changes"),
    Entry(Rule.LEAD, "AnswerChange", "before beforeAdvice after afterAdvice people"),
    Entry(Rule.LEAD, "Mutation", "draftRuleSet changeRuleSet decideRuleSet"),
    Entry(Rule.LEAD, "RuleSetSaved", "ruleSet"),
    Entry(Rule.PUBLIC, "TooManyAttemptsProblem", "message code retryAfter"),
    Entry(Rule.PUBLIC, "TransitionNotAllowedProblem", "message code from allowed"),
    Entry(Rule.MEMBER, "Withdrawal", "at channel scope purpose recipientId receipt language"),
)


def flatten(entries: Iterable[Entry]) -> list[tuple[tuple[str, str], Rule]]:
    """Return one ((type, field), rule) per field, doubles included."""
    return [((entry.type_name, field), entry.rule) for entry in entries for field in entry.fields.split()]


ACCESS: Final[dict[tuple[str, str], Rule]] = dict(flatten(ENTRIES))


def door(rule: Rule, actor: Actor) -> Problem | None:
    """Return why the actor may not pass, or None."""
    if rule in {Rule.PUBLIC, Rule.OWN}:
        return None
    if not actor.signed_in:
        return NotSignedIn()
    passes = {
        Rule.SIGNED_IN: True,
        Rule.MEMBER: actor.coordinates or actor.role is Role.PARTNER_MEMBER,
        Rule.COORDINATION: actor.coordinates,
        Rule.LEAD: actor.role is Role.LEAD,
        Rule.ADMINISTERS: actor.administers,
    }[rule]
    return None if passes else NotAllowed(rule.value.lower().replace("_", "-"))


def require(type_name: str, field: str, actor: Actor) -> None:
    """Raise NotSignedIn or NotAllowed unless the actor may touch the field; unlisted fields are denied."""
    rule = ACCESS.get((type_name, field))
    refused = NotAllowed("not-listed") if rule is None else door(rule, actor)
    if refused is not None:
        raise refused


def first_refusal(fields: Iterable[tuple[str, str]], actor: Actor) -> Problem | None:
    """Return the refusal of an operation that touches these fields, or None.

    A mutation's own door is not looked at here: it answers its refusal as data (``mutations.running``), and
    when all of an operation's mutations do, nothing behind them is ever read. An unlisted field is refused
    even to those who have every right.
    """
    fields = list(fields)
    refusals: list[Problem] = []
    for type_name, field in fields:
        rule = ACCESS.get((type_name, field))
        if rule is None:
            return NotAllowed("not-listed")
        if type_name != "Mutation" and (refused := door(rule, actor)) is not None:
            refusals.append(refused)
    roots = [ACCESS[key] for key in fields if key[0] == "Mutation"]
    if roots and all(door(rule, actor) is not None for rule in roots):
        return None
    # to sign in comes first: what is missing after that is only known then
    return next((r for r in refusals if isinstance(r, NotSignedIn)), next(iter(refusals), None))


class Doors(SchemaExtension):
    """Refuses, before anything runs, an operation with a field that is closed to the actor."""

    def on_execute(self) -> Iterator[None]:
        """Stand at the door."""
        from graphapi.messages import message_for

        context = self.execution_context.context
        operation = context.operation
        if operation is None:
            raise RuntimeError("The operation was not judged: graphapi.endpoint does that first.")
        refused = first_refusal(operation.fields, context.actor)
        if refused is not None:
            extensions: dict[str, str] = {"code": refused.code}
            if isinstance(refused, NotAllowed):
                extensions["rule"] = refused.rule
            error = GraphQLError(message_for(refused, context.language), extensions=extensions)
            self.execution_context.result = ExecutionResult(data=None, errors=[error])
        yield
