"""What people read: a sentence in German and English for every problem, reason and refusal.

Keyed by ``Problem.code``, by the reason of an ``InvalidInput``, by rule and by limit. A test walks the code
and fails when a sentence is missing. Placeholders are filled from the problem's values; a refused value
itself is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from directory.problems import InvalidInput, NotAllowed, Problem

MessageLanguage: TypeAlias = Literal["de", "en"]
"""The languages that messages exist in."""

Sentence: TypeAlias = Mapping[str, str]

PROBLEMS: Final[Mapping[str, Sentence]] = {
    "NOT_FOUND": {
        "de": "Das gibt es nicht, oder Sie dürfen es nicht sehen.",
        "en": "This does not exist, or you may not see it.",
    },
    "NOT_SIGNED_IN": {
        "de": "Dafür müssen Sie angemeldet sein: Senden Sie Ihr Zugangstoken mit.",
        "en": "You must be signed in for this: send your access token.",
    },
    "NOT_ALLOWED": {
        "de": "Das dürfen Sie nicht (Regel: {rule}).",
        "en": "You may not do this (rule: {rule}).",
    },
    "INVALID_INPUT": {
        "de": "Die Angabe in „{field}“ ist nicht gültig.",
        "en": "The value in “{field}” is not valid.",
    },
    "STALE_VERSION": {
        "de": "Inzwischen hat jemand anderes das geändert (Version {current}). Laden Sie es neu.",
        "en": "Somebody else has changed this in the meantime (version {current}). Load it again.",
    },
    "IDEMPOTENCY_CONFLICT": {
        "de": "Dieser idempotencyKey wurde schon mit anderen Angaben benutzt. Nehmen Sie einen neuen.",
        "en": "This idempotencyKey was used before with other input. Use a new one.",
    },
    "TRANSITION_NOT_ALLOWED": {
        "de": "Dieser Schritt ist im Stand {from} nicht möglich. Möglich sind: {allowed}.",
        "en": "This step is not possible in state {from}. Possible are: {allowed}.",
    },
    "CONSENT_MISSING": {
        "de": "Die Einwilligung deckt das nicht ab. Es fehlt: {missing}.",
        "en": "The consent does not cover this. Missing: {missing}.",
    },
    "CONSENT_NOT_OPEN": {
        "de": "Mit dieser Einwilligung geht das nicht mehr (Stand: {state}).",
        "en": "This cannot be done with this consent any more (state: {state}).",
    },
    "DUPLICATE_REFERRAL": {
        "de": "Für diese Person läuft schon eine Überleitung zu diesem Angebot.",
        "en": "There is already an open referral of this person to this service.",
    },
    "STILL_UNDER_WAY": {
        "de": "Hier läuft noch etwas, das zuerst enden oder übergeben werden muss: {underWay}.",
        "en": "Something is still under way here that must end or be handed over first: {underWay}.",
    },
    "NO_PLACE_LEFT": {
        "de": "Der letzte Platz ist inzwischen vergeben.",
        "en": "The last place has been taken in the meantime.",
    },
    "CODE_NOT_VALID": {
        "de": "Dieser Code gilt nicht oder nicht mehr.",
        "en": "This code is not valid, or not any more.",
    },
    "BOOKING_TOO_LATE": {
        "de": "So kurzfristig fragt man diese Sprachmittlung nicht an; frühestens für {earliest}, "
        "sonst mit einem Grund.",
        "en": "This service wants to be asked earlier; for {earliest} at the earliest, or give a reason.",
    },
    "ANSWER_LINK_CLOSED": {
        "de": "Dieser Link gilt nicht mehr: beantwortet, ersetzt oder zurückgenommen. Bitte fragen Sie nach.",
        "en": "This link is over: answered, replaced or taken back. Please ask the sender.",
    },
    "TOO_MANY_ATTEMPTS": {
        "de": "Zu viele Versuche. Bitte versuchen Sie es in {seconds} Sekunden wieder.",
        "en": "Too many attempts. Please try again in {seconds} seconds.",
    },
    "APPROVAL_LAPSED": {
        "de": "Diese Bitte um Freigabe ist erledigt oder verfallen.",
        "en": "This request for approval is settled or has lapsed.",
    },
    "ERASED": {
        "de": "Diese Daten wurden gelöscht und sind nicht mehr lesbar.",
        "en": "These data were erased and can no longer be read.",
    },
    "EXPORT_REFUSED": {
        "de": "Dorthin kann nichts geschrieben werden. Nennen Sie ein Ziel, das es noch nicht gibt.",
        "en": "Nothing can be written there. Name a file or folder that does not exist yet.",
    },
    "IMPORT_REFUSED": {
        "de": "Die Quelle kann nicht übernommen werden ({reason}, {where}).",
        "en": "The source cannot be taken over ({reason}, {where}).",
    },
    "NOT_PRINTABLE": {
        "de": "Ein Zeichen dieses Textes ist nicht druckbar; schreiben Sie es in einer anderen Schrift.",
        "en": "A character of this text cannot be printed; write it in another script.",
    },
    "PACKAGE_CLOSED": {
        "de": "Die Angaben zur Person sind nicht zugänglich (Stand der Überleitung: {state}).",
        "en": "The data about the person cannot be read (state of the referral: {state}).",
    },
}
"""By ``Problem.code``."""

REASONS: Final[Mapping[str, Sentence]] = {
    "required": {
        "de": "„{field}“ fehlt.",
        "en": "“{field}” is missing.",
    },
    "empty": {
        "de": "„{field}“ darf nicht leer sein.",
        "en": "“{field}” must not be empty.",
    },
    "length": {
        "de": "„{field}“ muss {minimum} bis {maximum} Zeichen lang sein.",
        "en": "“{field}” must be {minimum} to {maximum} characters long.",
    },
    "too-short": {
        "de": "„{field}“ ist zu kurz (mindestens {minimum}).",
        "en": "“{field}” is too short (at least {minimum}).",
    },
    "too-long": {
        "de": "„{field}“ ist zu lang (höchstens {maximum}).",
        "en": "“{field}” is too long (at most {maximum}).",
    },
    "too-small": {
        "de": "„{field}“ ist zu klein (mindestens {minimum}).",
        "en": "“{field}” is too small (at least {minimum}).",
    },
    "too-large": {
        "de": "„{field}“ ist zu groß (höchstens {maximum}).",
        "en": "“{field}” is too large (at most {maximum}).",
    },
    "format": {
        "de": "„{field}“ hat nicht die erwartete Form.",
        "en": "“{field}” does not have the expected form.",
    },
    "unknown-value": {
        "de": "„{field}“ hat einen Wert, den es nicht gibt.",
        "en": "“{field}” has a value that does not exist.",
    },
    "unknown-field": {
        "de": "„{field}“ enthält eine Angabe, die es hier nicht gibt.",
        "en": "“{field}” contains something that does not exist here.",
    },
    "wrong-type": {
        "de": "„{field}“ ist von falscher Art.",
        "en": "“{field}” is of the wrong type.",
    },
    "duplicate": {
        "de": "„{field}“ enthält dasselbe zweimal.",
        "en": "“{field}” contains the same thing twice.",
    },
    "cursor": {
        "de": "„{field}“ ist kein Lesezeichen dieser Liste.",
        "en": "“{field}” is not a cursor of this list.",
    },
    "id": {
        "de": "„{field}“ ist keine Kennung der erwarteten Art.",
        "en": "“{field}” is not an id of the expected kind.",
    },
    "control-character": {
        "de": (
            "„{field}“ enthält ein Zeichen, das man nicht sieht und das dort nicht stehen kann "
            "(Steuerzeichen, Wechsel der Schreibrichtung). Bitte tippen Sie den Text, statt ihn zu kopieren."
        ),
        "en": (
            "“{field}” contains a character that is not seen and cannot stand there (a control character, "
            "or a change of direction). Please type the text instead of copying it."
        ),
    },
    "language": {
        "de": "„{field}“ ist keine Sprache (BCP 47, zum Beispiel de oder ti).",
        "en": "“{field}” is not a language (BCP 47, e.g. de or ti).",
    },
    "territory": {
        "de": "„{field}“ ist kein amtlicher Regionalschlüssel (2 bis 12 Ziffern).",
        "en": "“{field}” is not an official regional key (2 to 12 digits).",
    },
    "municipality-key": {
        "de": "„{field}“ hat acht Ziffern und ist damit ein Gemeindeschlüssel (AGS). Gebraucht wird der"
        " Regionalschlüssel (ARS): zwölf Ziffern für die Gemeinde, fünf für den Kreis (die ersten fünf).",
        "en": "“{field}” has eight digits, so it is a municipality key (AGS). Needed is the regional key"
        " (ARS): twelve digits for the municipality, five for the district (the first five).",
    },
    "territory-key": {
        "de": "„{field}“ ist kein amtlicher Regionalschlüssel (2 bis 12 Ziffern).",
        "en": "“{field}” is not an official regional key (2 to 12 digits).",
    },
    "phone": {
        "de": "„{field}“ ist keine Telefonnummer.",
        "en": "“{field}” is not a phone number.",
    },
    "mail": {
        "de": "„{field}“ ist keine Mailadresse.",
        "en": "“{field}” is not a mail address.",
    },
    "url": {
        "de": "„{field}“ ist keine Webadresse (https://…).",
        "en": "“{field}” is not a web address (https://…).",
    },
    "time": {
        "de": "„{field}“ ist keine Uhrzeit (HH:MM).",
        "en": "“{field}” is not a time (HH:MM).",
    },
    "times-order": {
        "de": "„{field}“: Das Ende liegt vor dem Anfang.",
        "en": "“{field}”: the end is before the beginning.",
    },
    "timezone": {
        "de": "„{field}“ ist keine Zeitzone, die es gibt.",
        "en": "“{field}” is not a time zone that exists.",
    },
    "overlap": {
        "de": "„{field}“ überschneidet sich mit etwas anderem.",
        "en": "“{field}” overlaps with something else.",
    },
    "hours": {
        "de": "„{field}“ ist kein lesbarer Text für Öffnungszeiten (Regel {rule}).",
        "en": "“{field}” cannot be read as opening hours (rule {rule}).",
    },
    "hours-unsupported": {
        "de": "„{field}“ benutzt etwas, das hier nicht gelesen wird (Regel {rule}): bitte Zeiten angeben.",
        "en": "“{field}” uses something that is not read here (rule {rule}): give the periods instead.",
    },
    "hours-never": {
        "de": "„{field}“ öffnet nie.",
        "en": "“{field}” is never open.",
    },
    "dates-order": {
        "de": "„{field}“: Das Ende liegt vor dem Anfang.",
        "en": "“{field}”: the end is before the beginning.",
    },
    "levels-order": {
        "de": "„{field}“ liegt unter dem Anfangsniveau.",
        "en": "“{field}” is below the level it begins at.",
    },
    "german-and-english": {
        "de": "„{field}“ muss auf Deutsch und Englisch dastehen.",
        "en": "“{field}” has to be there in German and English.",
    },
    "not-before-tomorrow": {
        "de": "„{field}“ muss frühestens morgen sein: ein Tag, der begonnen hat, behält seine Regel.",
        "en": "“{field}” has to be tomorrow at the earliest: a day that has begun keeps its rule.",
    },
    "never-changes": {
        "de": "Diese Fassung ist beschlossen und ändert sich nicht mehr: bitte eine neue entwerfen.",
        "en": "This version is decided and never changes: please draft a new one.",
    },
    "private-person": {
        "de": (
            "„{field}“: Privatpersonen werden nicht gelistet. Bitte den Namen der Organisation angeben; "
            "Ehrenamtliche erscheinen über ihre Organisation."
        ),
        "en": (
            "“{field}”: private persons are not listed. Please give the name of the organisation; "
            "volunteers appear through theirs."
        ),
    },
    "ages-order": {
        "de": "„{field}“ liegt unter dem Mindestalter.",
        "en": "“{field}” is below the lowest age.",
    },
    "places-contradict-state": {
        "de": "„{field}“ passt nicht zur Zahl der Plätze.",
        "en": "“{field}” does not agree with the number of places.",
    },
    "too-many": {
        "de": "„{field}“ hat zu viele Einträge (höchstens {maximum}).",
        "en": "“{field}” has too many entries (at most {maximum}).",
    },
    "asked-just-now": {
        "de": "Diese Adresse wurde gerade erst gefragt; bitte warten Sie zehn Minuten.",
        "en": "An address was asked just now; please wait ten minutes.",
    },
    "no-profile": {
        "de": "Eine gespeicherte Suche sagt nichts über eine Person, auch keinen Aufenthaltsstatus.",
        "en": "A saved search says nothing about a person, not even a residence status.",
    },
    "nothing-to-search": {
        "de": "Nennen Sie Wörter oder Filter.",
        "en": "Name words or filters.",
    },
    "not-over": {
        "de": "Dieses Quartal ist noch nicht vorbei; seine Zahlen ändern sich noch.",
        "en": "This quarter is not over; its figures still change.",
    },
    "out-of-range": {
        "de": "„{field}“ muss zwischen {minimum} und {maximum} liegen.",
        "en": "“{field}” must be between {minimum} and {maximum}.",
    },
    "german-needed": {
        "de": "„{field}“ braucht einen deutschen Text, bevor es veröffentlicht wird.",
        "en": "“{field}” needs a German text before it is published.",
    },
    "same-entry": {
        "de": "„{field}“ ist derselbe Eintrag.",
        "en": "“{field}” is the same entry.",
    },
    "other-partner": {
        "de": "„{field}“ gehört zu einem anderen Partner. Führen Sie zuerst die Partner zusammen.",
        "en": "“{field}” belongs to another partner. Merge the partners first.",
    },
    "other-municipality": {
        "de": "„{field}“ steht im Verzeichnis einer anderen Kommune.",
        "en": "“{field}” stands in the directory of another municipality.",
    },
    "coordination": {
        "de": "„{field}“ ist die Koordination der Kommune; sie bleibt.",
        "en": "“{field}” is the coordination of the municipality; it stays.",
    },
    "partner-ended": {
        "de": "„{field}“: Der Partner wurde zusammengeführt oder gelöscht; er müsste zuerst zurückkommen.",
        "en": "“{field}”: the partner has been merged or deleted; it would have to come back first.",
    },
    "not-restorable": {
        "de": "„{field}“: Diese Fassung kann nicht mehr zurückgeholt werden.",
        "en": "“{field}”: this version cannot be brought back any more.",
    },
    "partner-inactive": {
        "de": "„{field}“: Der Partner ist nicht mehr aktiv.",
        "en": "“{field}”: the partner is no longer active.",
    },
    "taken": {
        "de": "„{field}“: Damit meldet sich schon jemand anderes an.",
        "en": "“{field}”: somebody else signs in with this already.",
    },
    "not-a-colleague": {
        "de": "„{field}“ ist kein aktives Mitglied derselben Organisation.",
        "en": "“{field}” is not an active member of the same organisation.",
    },
    "token-life": {
        "de": "„{field}“ muss in der Zukunft liegen, höchstens {maximum} Tage voraus.",
        "en": "“{field}” must be in the future, at most {maximum} days ahead.",
    },
    "cursor-of-another-query": {
        "de": "„{field}“ gehört zu einer anderen Suche.",
        "en": "“{field}” belongs to another search.",
    },
    "too-deep": {
        "de": "„{field}“: So weit wird nicht geblättert ({maximum}). Grenzen Sie die Suche ein.",
        "en": "“{field}”: paging ends here ({maximum}). Narrow the search.",
    },
    "too-many-words": {
        "de": "„{field}“ hat zu viele Wörter (höchstens {maximum}).",
        "en": "“{field}” has too many words (at most {maximum}).",
    },
    "already-requested": {
        "de": "„{field}“: Darum wurde schon gebeten.",
        "en": "“{field}”: this has been requested already.",
    },
    "as-it-is": {
        "de": "„{field}“: Das steht schon so im Eintrag.",
        "en": "“{field}”: the entry says so already.",
    },
    "not-possible": {
        "de": "„{field}“ geht hier nicht.",
        "en": "“{field}” is not possible here.",
    },
    "decided-already": {
        "de": "„{field}“: Darüber ist schon entschieden.",
        "en": "“{field}”: this has been decided already.",
    },
    "contradicts-decision": {
        "de": "„{field}“ passt nicht zur Entscheidung: angenommen heißt, der Eintrag wird geändert.",
        "en": "“{field}” contradicts the decision: accepted means that the entry is changed.",
    },
    "answered-already": {
        "de": "„{field}“: Das ist schon beantwortet.",
        "en": "“{field}”: this is answered already.",
    },
    "before-sending": {
        "de": "„{field}“ liegt vor dem Tag des Sendens.",
        "en": "“{field}” is before the day of sending.",
    },
    "before-start": {
        "de": "„{field}“ liegt vor dem Anfang.",
        "en": "“{field}” is before the beginning.",
    },
    "contradicts-reason": {
        "de": "„{field}“ passt nicht zum Grund.",
        "en": "“{field}” does not agree with the reason.",
    },
    "contradicts-deletion": {
        "de": "„{field}“: Wer alles gelöscht hat, behält nichts.",
        "en": "“{field}”: who deleted everything keeps nothing.",
    },
    "not-shared": {
        "de": "„{field}“: Das wurde mit dieser Überleitung nicht geteilt.",
        "en": "“{field}”: this was not shared with this referral.",
    },
    "duplicate-key": {
        "de": "„{field}“ enthält denselben Schlüssel zweimal.",
        "en": "“{field}” contains the same key twice.",
    },
    "excluded-already": {
        "de": "„{field}“: Das ist schon eingetragen.",
        "en": "“{field}”: this is recorded already.",
    },
    "fits-scope": {
        "de": "„{field}“ passt nicht zum Umfang des Widerrufs.",
        "en": "“{field}” does not agree with the scope of the withdrawal.",
    },
    "after-the-decision": {
        "de": "„{field}“: Der Hinweis wurde erst nach der Entscheidung gezeigt; fragen Sie noch einmal.",
        "en": "“{field}”: the notice was shown only after the decision; ask again.",
    },
    "in-the-future": {
        "de": "„{field}“ liegt in der Zukunft.",
        "en": "“{field}” is in the future.",
    },
    "in-the-past": {
        "de": "„{field}“ liegt in der Vergangenheit.",
        "en": "“{field}” is in the past.",
    },
    "no-notice-text": {
        "de": "„{field}“: Diesen Text gibt es nur in: {languages}. Sonst lassen Sie dolmetschen.",
        "en": "“{field}”: there is no text in this language, only in: {languages}. Have it interpreted.",
    },
    "notice-changed": {
        "de": (
            "„{field}“ gehört nicht zu dem Text, der zu zeigen ist: Zeigen Sie den jetzigen "
            "(`notice`, `section87Notice`)."
        ),
        "en": "“{field}” is not of the text to be shown: show the present one (`notice`, `section87Notice`).",
    },
    "notice-unknown": {
        "de": "„{field}“: Diesen Text oder diese Fassung gibt es nicht; siehe `notice`, `section87Notice`.",
        "en": "“{field}”: there is no such text or version; see `notice`, `section87Notice`.",
    },
    "show-before-entry": {
        "de": (
            "Der Hinweis zu § 87 AufenthG muss gezeigt werden, bevor Daten eingegeben werden: Lesen Sie ihn "
            "mit section87Notice, zeigen Sie ihn der Person, und geben Sie in „{field}“ an, welcher es war."
        ),
        "en": (
            "The notice about § 87 AufenthG must be shown before data are entered: read it with "
            "section87Notice, show it to the person, and say in “{field}” which text it was."
        ),
    },
    "must-be-shown": {
        "de": "„{field}“: Dieser Hinweis muss gezeigt worden sein.",
        "en": "“{field}”: this notice must have been shown.",
    },
    "never-for-this-partner": {
        "de": "„{field}“: Diese Art Partner bekommt diese Angaben nie ({categories}).",
        "en": "“{field}”: this kind of partner never gets these data ({categories}).",
    },
    "no-letters": {
        "de": "„{field}“ enthält keine Buchstaben.",
        "en": "“{field}” contains no letters.",
    },
    "not-interpreting": {
        "de": "„{field}“ dolmetscht nicht.",
        "en": "“{field}” does not interpret.",
    },
    "not-offered": {
        "de": "„{field}“ wird dort nicht angeboten.",
        "en": "“{field}” is not offered there.",
    },
    "not-published": {
        "de": "„{field}“ ist nicht veröffentlicht.",
        "en": "“{field}” is not published.",
    },
    "not-a-member": {
        "de": "„{field}“ ist kein aktives Mitglied der Organisation.",
        "en": "“{field}” is not an active member of the organisation.",
    },
    "not-asked": {
        "de": "„{field}“: Danach wurde in dieser Einwilligung nicht gefragt.",
        "en": "“{field}”: this consent did not ask for it.",
    },
    "not-found": {
        "de": "„{field}“ gibt es nicht.",
        "en": "“{field}” does not exist.",
    },
    "not-granted": {
        "de": "„{field}“ wurde nicht eingewilligt.",
        "en": "“{field}” was not consented to.",
    },
    "not-json": {
        "de": "„{field}“ ist kein JSON.",
        "en": "“{field}” is not JSON.",
    },
    "not-named": {
        "de": "„{field}“ steht nicht in der Einwilligung.",
        "en": "“{field}” is not named in the consent.",
    },
    "open-referrals": {
        "de": "„{field}“: Es laufen noch Überleitungen ({count}).",
        "en": "“{field}”: there are open referrals ({count}).",
    },
    "required-when-represented": {
        "de": "„{field}“ ist nötig, wenn jemand anderes für die Person erklärt.",
        "en": "“{field}” is needed when somebody else declares for the person.",
    },
    "required-when-oral": {
        "de": "„{field}“ ist bei mündlicher Einwilligung nötig.",
        "en": "“{field}” is needed when the consent was given orally.",
    },
    "same-service": {
        "de": "„{field}“ ist dasselbe Angebot.",
        "en": "“{field}” is the same service.",
    },
    "same-as-responsible": {
        "de": "„{field}“ ist dieselbe Person wie die zuständige.",
        "en": "“{field}” is the same as the responsible person.",
    },
    "signposting-moves-no-data": {
        "de": "„{field}“: Verweisberatung bekommt keine Daten; geben Sie nur die Information weiter.",
        "en": "“{field}”: signposting advice never gets data; pass on the information only.",
    },
    "too-late": {
        "de": "„{field}“ ist zu spät (spätestens {maximum}).",
        "en": "“{field}” is too late (at the latest {maximum}).",
    },
    "too-long-ago": {
        "de": "„{field}“ liegt zu lange zurück (höchstens {days} Tage).",
        "en": "“{field}” is too long ago (at most {days} days).",
    },
    "legal-hold": {
        "de": "Die Löschung ist gesperrt; heben Sie zuerst die Löschsperre auf.",
        "en": "Deletion is held; lift the legal hold first.",
    },
    "unchanged": {
        "de": "„{field}“ ist schon so.",
        "en": "“{field}” is so already.",
    },
    "unknown-topic": {
        "de": "„{field}“ ist kein bekanntes Thema.",
        "en": "“{field}” is not a known topic.",
    },
    "wrong-cursor": {
        "de": "„{field}“ ist kein Lesezeichen dieser Liste.",
        "en": "“{field}” is not a cursor of this list.",
    },
    "nothing-in-force": {
        "de": "Davon ist nichts (mehr) erlaubt.",
        "en": "Nothing of that kind is allowed (any more).",
    },
    "split-purpose": {
        "de": "„{field}“: Bitte nach 28 Tagen und nach 6 Monaten getrennt fragen.",
        "en": "“{field}”: ask for 28 days and for 6 months separately.",
    },
    "only-for-report-back": {
        "de": "„{field}“ gilt nur für die Rückmeldung.",
        "en": "“{field}” is for reporting back only.",
    },
    "no-coordination": {
        "de": "„{field}“: Die Kommune hat keine Koordination.",
        "en": "“{field}”: the municipality has no coordination.",
    },
    "own-service": {
        "de": "„{field}“ ist ein eigenes Angebot: Innerhalb einer Organisation wird nicht übergeleitet.",
        "en": "“{field}” is a service of your own: nobody is referred within one organisation.",
    },
    "in-the-chain": {
        "de": "„{field}“: Dorthin wurde in dieser Kette schon übergeleitet.",
        "en": "“{field}”: this chain of referrals has been there already.",
    },
    "chain-too-long": {
        "de": "„{field}“: Diese Kette ist zu lang (höchstens {maximum}). Klären Sie den Bedarf neu.",
        "en": "“{field}”: this chain is too long (at most {maximum}). Find out anew what is needed.",
    },
    "identity-not-shared": {
        "de": "„{field}“: Der Name wurde nicht geteilt; ohne ihn lässt sich keine Akte anlegen.",
        "en": "“{field}”: the name was not shared; no file can be made without it.",
    },
    "not-for-recipients": {
        "de": "„{field}“ gibt es auf der empfangenden Seite nicht.",
        "en": "“{field}” does not exist on the receiving side.",
    },
    "location-given": {
        "de": "„{field}“: Es ist schon ein Standort angegeben.",
        "en": "“{field}”: a location is given already.",
    },
    "over": {
        "de": "„{field}“: Das ist schon erledigt.",
        "en": "“{field}”: this is over already.",
    },
    "wrong-shape": {
        "de": "„{field}“ hat nicht die erwartete Form ({where}).",
        "en": "“{field}” does not have the expected form ({where}).",
    },
}
"""By the reason of an ``InvalidInput``, words joined by hyphens."""

REFUSALS: Final[Mapping[str, Sentence]] = {
    "LIMIT_EXCEEDED": {
        "de": "Die Anfrage überschreitet die Grenze „{limit}“ ({maximum}).",
        "en": "The request exceeds the limit “{limit}” ({maximum}).",
    },
    "TOKEN_NOT_VALID": {
        "de": "Das Zugangstoken ist unbekannt, abgelaufen oder widerrufen.",
        "en": "The access token is unknown, expired or revoked.",
    },
    "UNAVAILABLE": {
        "de": "Datenbank oder Suche antwortet gerade nicht. Versuchen Sie es in einigen Sekunden erneut.",
        "en": "The database or the search does not answer at present. Try again in a few seconds.",
    },
    "UNEXPECTED": {
        "de": "Unerwarteter Fehler.",
        "en": "Unexpected error.",
    },
    "BAD_REQUEST": {
        "de": "Die Anfrage ist keine gültige GraphQL-Anfrage: {what}",
        "en": "The request is not a valid GraphQL request: {what}",
    },
    "NOT_ACCEPTABLE": {
        "de": "Antworten gibt es als application/graphql-response+json oder application/json.",
        "en": "Answers come as application/graphql-response+json or application/json.",
    },
    "UNSUPPORTED_MEDIA_TYPE": {
        "de": "Senden Sie application/json in UTF-8.",
        "en": "Send application/json in UTF-8.",
    },
    "CODE_IN_ADDRESS": {
        "de": "Ein Code darf nicht in der Adresse stehen, wo er aufgezeichnet wird: Fragen Sie mit POST.",
        "en": "A code must not stand in the address, where it is recorded: ask with POST.",
    },
    "PROFILE_IN_ADDRESS": {
        "de": "Angaben über eine Person dürfen nicht in der Adresse stehen, wo sie aufgezeichnet werden: "
        "Fragen Sie mit POST.",
        "en": "What is said of a person must not stand in the address, where it is recorded: ask with POST.",
    },
    "METHOD_NOT_ALLOWED": {
        "de": "Diese Methode geht hier nicht: POST für alles, GET nur für Abfragen.",
        "en": "This method is not possible here: POST for everything, GET for queries only.",
    },
}
"""By the code of an error that concerns the request as a whole."""


class _Blank(dict[str, str]):
    """Shows an ellipsis for a value that a problem did not bring, instead of failing on the way out."""

    def __missing__(self, key: str) -> str:
        return "…"


_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


def fill(sentence: Sentence, language: MessageLanguage, values: Mapping[str, str]) -> str:
    """Return the sentence in the language with its placeholders filled; dates as the language writes them."""
    shown = _Blank(values)
    if language == "de":
        for name, value in values.items():
            if date := _ISO_DATE.fullmatch(value):
                shown[name] = f"{date[3]}.{date[2]}.{date[1]}"
    return sentence[language].format_map(shown)


def reason_code(problem: InvalidInput) -> str:
    """Return the reason as it is published: words joined by hyphens, however the room wrote it."""
    return problem.reason.replace("_", "-")


def message_for(problem: Problem, language: MessageLanguage) -> str:
    """Return the sentence for a problem in the caller's language."""
    sentence = PROBLEMS.get(problem.code, REFUSALS["UNEXPECTED"])
    if isinstance(problem, InvalidInput):
        sentence = REASONS.get(reason_code(problem), sentence)
    if isinstance(problem, NotAllowed):
        sentence = RULES.get(problem.rule, sentence)
    return fill(sentence, language, problem.values)


def beside_field(message: str, field: str, language: MessageLanguage) -> str:
    """Return a sentence as it stands beside the field it is about, which people know by another name.

    >>> beside_field("“contactPoints.0.value” is not a phone number.", "contactPoints.0.value", "en")
    'This is not a phone number.'
    """
    quoted, this, value_in = (
        (f"„{field}“", "Diese Angabe", "Die Angabe in ")
        if language == "de"
        else (f"“{field}”", "This", "The value in ")
    )
    for begins in (quoted, value_in + quoted):
        if message.startswith(begins):
            return this + message.removeprefix(begins)
    return message


def refusal(code: str, language: MessageLanguage, **values: str) -> str:
    """Return the sentence for an error that concerns the request as a whole."""
    return fill(REFUSALS[code], language, values)


RULES: Final[Mapping[str, Sentence]] = {
    "not-listed": {
        "de": "Dieses Feld ist für niemanden freigegeben.",
        "en": "This field is open to nobody.",
    },
    "signed-in": {
        "de": "Dafür müssen Sie angemeldet sein.",
        "en": "You must be signed in for this.",
    },
    "member": {
        "de": "Das dürfen nur Mitglieder von Partnern und der Koordination.",
        "en": "Only members of partners and of the coordination may do this.",
    },
    "coordination": {
        "de": "Das darf nur die Koordination.",
        "en": "Only the coordination may do this.",
    },
    "lead": {
        "de": "Das darf nur die Leitung der Koordination.",
        "en": "Only the lead of the coordination may do this.",
    },
    "administers": {
        "de": "Das darf nur, wer die Mitglieder verwaltet.",
        "en": "Only who administers the members may do this.",
    },
    "mailboxes": {
        "de": "Ja und nein zu Nachrichten sagt nur, wer die Adresse liest.",
        "en": "Only who reads an address says yes or no to messages.",
    },
    "figures": {
        "de": "Zahlen über Partner veröffentlicht nur der Dienst selbst.",
        "en": "Figures of partners are published by the service itself only.",
    },
    "search": {
        "de": "Sie dürfen nicht suchen.",
        "en": "You may not search.",
    },
    "coordination-of-the-municipality-only": {
        "de": "Das darf nur die Koordination dieser Kommune.",
        "en": "Only the coordination of this municipality may do this.",
    },
    "own-entry-only": {
        "de": "Das dürfen nur der Partner selbst und die Koordination.",
        "en": "Only the partner itself and the coordination may do this.",
    },
    "fields-of-the-coordination": {
        "de": "Diese Angaben ändert nur die Koordination.",
        "en": "Only the coordination changes these fields.",
    },
    "members-of-own-organisation-only": {
        "de": "Das gilt nur für Mitglieder der eigenen Organisation.",
        "en": "This is for members of one's own organisation only.",
    },
    "who-administers-only": {
        "de": "Das darf nur, wer die Mitglieder verwaltet.",
        "en": "Only who administers the members may do this.",
    },
    "lead-grants-coordination-roles": {
        "de": "Rollen der Koordination vergibt nur die Leitung.",
        "en": "Only the lead grants roles of the coordination.",
    },
    "coordination-roles-in-the-coordination-only": {
        "de": "Diese Rolle gibt es nur in der Koordination.",
        "en": "This role exists in the coordination only.",
    },
    "role-for-other-municipalities-only": {
        "de": "Diese Rolle gibt es nur bei anderen Kommunen.",
        "en": "This role exists in other municipalities only.",
    },
    "no-role-of-members": {
        "de": "Diese Rolle kann ein Mitglied nicht haben.",
        "en": "A member cannot have this role.",
    },
    "lead-merges-partners-with-members": {
        "de": "Dieser Partner hat Mitglieder: Zusammenführen und löschen darf ihn nur die Leitung.",
        "en": "This partner has members: only the coordination's lead merges or deletes it.",
    },
    "organisation-merged-or-deleted": {
        "de": "Ihre Organisation wurde zusammengeführt oder gelöscht: Hier beginnt nichts Neues mehr.",
        "en": "Your organisation has been merged or deleted: nothing new can begin here.",
    },
    "organisation-makes-its-own-tokens": {
        "de": "Diese Organisation verwaltet ihre Zugänge selbst; bitten Sie dort um einen.",
        "en": "This organisation makes its own tokens; ask there for one.",
    },
    "own-role-unchanged": {
        "de": "Die eigene Rolle kann man so nicht ändern.",
        "en": "One's own role cannot be changed like this.",
    },
    "last-lead-stays": {
        "de": "Die letzte Leitung kann nicht entfernt werden.",
        "en": "The last lead cannot be removed.",
    },
    "keeps-clients": {
        "de": "Das dürfen nur Mitglieder einer Organisation, die Klientinnen und Klienten begleitet.",
        "en": "Only members of an organisation that looks after clients may do this.",
    },
    "responsible-or-deputy": {
        "de": "Das dürfen nur die zuständige Person und die Vertretung.",
        "en": "Only the responsible person and the deputy may do this.",
    },
    "lead-only": {
        "de": "Das darf nur die Leitung der Koordination.",
        "en": "Only the lead of the coordination may do this.",
    },
    "sender-only": {
        "de": "Das darf nur, wer überleitet.",
        "en": "Only the sending organisation may do this.",
    },
    "recipient-only": {
        "de": "Das darf nur, wer die Überleitung empfängt.",
        "en": "Only the receiving organisation may do this.",
    },
    "clock-only": {
        "de": "Das geschieht nur durch Zeitablauf.",
        "en": "This happens by the clock only.",
    },
    "requester-only": {
        "de": "Das darf nur, wer die Buchung angefragt hat.",
        "en": "Only who requested the booking may do this.",
    },
    "another-lead": {
        "de": "Das muss eine andere Leitung bestätigen.",
        "en": "Another lead must confirm this.",
    },
}
"""By ``NotAllowed.rule``; a rule without a sentence of its own gets the general one with its code."""


FINDINGS: Final[Mapping[str, Sentence]] = {
    "rules-fit": {
        "de": "Passt nach den Regeln des Angebots.",
        "en": "Fits by the rules of the service.",
    },
    "rules-do-not-fit": {
        "de": "Nicht offen nach den Regeln des Angebots ({criteria}).",
        "en": "Not open by the rules of the service ({criteria}).",
    },
    "closed-to-all": {
        "de": "Nach den Regeln des Angebots zurzeit für niemanden offen.",
        "en": "By the rules of the service open to nobody at present.",
    },
    "rules-ask": {
        "de": "Das entscheidet der Partner im Einzelfall: bitte fragen.",
        "en": "The partner decides case by case: please ask.",
    },
    "rules-need-more": {
        "de": "Hängt von dem ab, was nicht bekannt ist ({missing}): klären oder beim Partner fragen.",
        "en": "Depends on what is not known ({missing}): find out, or ask the partner.",
    },
    "no-rule-applies": {
        "de": "Für diese Person ist nichts angegeben: beim Partner fragen.",
        "en": "Nothing is stated for this person: ask the partner.",
    },
    "residence-unknown": {
        "de": "Nur für bestimmte Wohnorte zuständig, und der Wohnort ist nicht bekannt.",
        "en": "Responsible for certain places of residence only, and the residence is not known.",
    },
    "area-unknown": {
        "de": "Der Wohnort entscheidet, aber das Gebiet ist nicht angegeben.",
        "en": "The place of residence decides, but the area is not stated.",
    },
    "open-to-all-places": {
        "de": "Der Wohnort spielt keine Rolle.",
        "en": "The place of residence does not matter.",
    },
    "area-covers-residence": {
        "de": "Für diesen Wohnort zuständig oder offen.",
        "en": "Responsible for, or open to, this place of residence.",
    },
    "area-covers-a-part": {
        "de": "Nur für einen Teil des Gebiets: genau nach dem Wohnort fragen.",
        "en": "For a part of the area only: ask about the exact place.",
    },
    "not-responsible-there": {
        "de": "Für diesen Wohnort nicht zuständig.",
        "en": "Not responsible for this place of residence.",
    },
    "outside-usual-area": {
        "de": "Außerhalb des üblichen Gebiets: beim Partner fragen.",
        "en": "Outside the usual area: ask the partner.",
    },
    "language-offered": {
        "de": "Wird in dieser Sprache angeboten ({language}).",
        "en": "Offered in this language ({language}).",
    },
    "language-interpreted-here": {
        "de": "Dolmetscht diese Sprache ({language}).",
        "en": "Interprets this language ({language}).",
    },
    "language-through-interpreter": {
        "de": "In dieser Sprache nur mit Dolmetschen ({language}).",
        "en": "In this language through an interpreter only ({language}).",
    },
    "language-not-offered": {
        "de": "Nicht in den gewünschten Sprachen angegeben: nach Sprachmittlung fragen.",
        "en": "Not stated in the wanted languages: ask about an interpreter.",
    },
    "languages-unknown": {
        "de": "Die Sprachen sind nicht angegeben.",
        "en": "The languages are not stated.",
    },
    "level-unknown": {
        "de": "Das Sprachniveau ist nicht angegeben.",
        "en": "The language level is not stated.",
    },
    "level-starts-above": {
        "de": "Beginnt über dem passenden Niveau ({from}).",
        "en": "Begins above the level that fits ({from}).",
    },
    "level-ends-below": {
        "de": "Endet unter dem passenden Niveau ({to}).",
        "en": "Ends below the level that fits ({to}).",
    },
    "level-fits": {
        "de": "Das Sprachniveau passt.",
        "en": "The language level fits.",
    },
    "start-unknown": {
        "de": "Der Beginn ist nicht angegeben.",
        "en": "The start is not stated.",
    },
    "already-begun": {
        "de": "Hat schon begonnen ({starts_on}).",
        "en": "Has begun already ({starts_on}).",
    },
    "starts-too-early": {
        "de": "Beginnt, bevor die Person kann ({starts_on}).",
        "en": "Starts before the person can ({starts_on}).",
    },
    "application-over": {
        "de": "Die Anmeldung endete am {apply_by}.",
        "en": "Applications ended on {apply_by}.",
    },
    "run-full": {
        "de": "Der Kurs ist voll: nach Nachrückplätzen fragen.",
        "en": "The course is full: ask about places that become free.",
    },
    "next-run-unknown": {
        "de": "Der Kurs wiederholt sich: nach dem nächsten Beginn fragen.",
        "en": "The course repeats: ask when it starts next.",
    },
    "starts-later": {
        "de": "Beginnt am {starts_on}.",
        "en": "Starts on {starts_on}.",
    },
    "end-unknown": {
        "de": "Das Ende ist nicht angegeben; der Status endet am {valid_until}.",
        "en": "The end is not stated; the status ends on {valid_until}.",
    },
    "ends-after-status": {
        "de": "Endet am {ends_on}, nach dem Ende des Status am {valid_until}.",
        "en": "Ends on {ends_on}, after the status ends on {valid_until}.",
    },
    "ends-before-status": {
        "de": "Endet am {ends_on}, vor dem Ende des Status am {valid_until}.",
        "en": "Ends on {ends_on}, before the status ends on {valid_until}.",
    },
    "childcare-unknown": {
        "de": "Ob es Kinderbetreuung gibt, ist nicht angegeben.",
        "en": "Whether there is childcare is not stated.",
    },
    "childcare-offered": {
        "de": "Mit Kinderbetreuung.",
        "en": "With childcare.",
    },
    "no-childcare": {
        "de": "Ohne Kinderbetreuung.",
        "en": "Without childcare.",
    },
    "women-only-unknown": {
        "de": "Ob nur für Frauen, ist nicht angegeben.",
        "en": "Whether for women only is not stated.",
    },
    "women-only": {
        "de": "Nur für Frauen.",
        "en": "For women only.",
    },
    "not-women-only": {
        "de": "Nicht nur für Frauen.",
        "en": "Not for women only.",
    },
    "open-to-all-genders": {
        "de": "Für alle Geschlechter.",
        "en": "Open to all genders.",
    },
    "access-unknown": {
        "de": "Der Zugang ist nicht angegeben.",
        "en": "How to get a place is not stated.",
    },
    "access-direct": {
        "de": "Direkter Zugang.",
        "en": "Direct access.",
    },
    "access-through-legal-circle": {
        "de": "Zugang über Jobcenter oder Agentur für Arbeit.",
        "en": "Access through job centre or employment agency.",
    },
    "access-needs-admission": {
        "de": "Braucht eine Zulassung oder einen Gutschein ({access}).",
        "en": "Needs an admission or a voucher ({access}).",
    },
    "occupations-unknown": {
        "de": "Für welche Berufe, ist nicht angegeben.",
        "en": "For which occupations is not stated.",
    },
    "all-occupations": {
        "de": "Für alle Berufe.",
        "en": "For all occupations.",
    },
    "competent-for-occupation": {
        "de": "Für diesen Beruf zuständig.",
        "en": "Competent for this occupation.",
    },
    "regulated-occupation-other-body": {
        "de": "Reglementierter Beruf, andere Stelle zuständig.",
        "en": "Regulated occupation, other competent body.",
    },
    "other-competent-body": {
        "de": "Für diesen Beruf ist eine andere Stelle zuständig.",
        "en": "Another body is competent for this occupation.",
    },
    "places-open": {
        "de": "Plätze frei.",
        "en": "There are places.",
    },
    "capacity-unknown": {
        "de": "Ob Plätze frei sind, ist nicht bekannt.",
        "en": "Whether there are places is not known.",
    },
    "waiting-list": {
        "de": "Warteliste: etwa {weeks} Wochen.",
        "en": "Waiting list: about {weeks} weeks.",
    },
    "no-places": {
        "de": "Keine Plätze frei.",
        "en": "No places.",
    },
    "places-few": {
        "de": "Wenige Plätze frei.",
        "en": "There are few places.",
    },
    "language-through-bridge": {
        "de": "Nicht in den gewünschten Sprachen angegeben; Sprachmittlung bietet: {interpreters}.",
        "en": "Not stated in the wanted languages; interpreting is offered by: {interpreters}.",
    },
    "begin-unknown": {
        "de": "Ob es vor dem Ende des Status am {valid_until} beginnt, ist nicht bekannt.",
        "en": "Whether it begins before the status ends on {valid_until} is not known.",
    },
    "no-begin-in-sight": {
        "de": "Keine Plätze, keine Warteliste: kein Beginn vor dem Ende des Status ({valid_until}) in Sicht.",
        "en": "No places and no waiting list: no beginning before the status ends ({valid_until}) in sight.",
    },
    "waits-beyond-status": {
        "de": "Nach der Warteliste etwa am {begins_on}, nach dem Ende des Status am {valid_until}.",
        "en": "By the waiting list about {begins_on}, after the status ends on {valid_until}.",
    },
    "begins-before-status": {
        "de": "Beginnt vor dem Ende des Status am {valid_until}.",
        "en": "Begins before the status ends on {valid_until}.",
    },
    "place-unknown": {
        "de": "Wo es stattfindet, ist nicht angegeben.",
        "en": "Where it takes place is not stated.",
    },
    "distance": {
        "de": "Etwa {km} km entfernt (Luftlinie).",
        "en": "About {km} km away as the crow flies.",
    },
    "entry-fresh": {
        "de": "Der Eintrag wurde kürzlich bestätigt.",
        "en": "The entry was confirmed lately.",
    },
    "entry-changed-lately": {
        "de": "Der Eintrag wurde kürzlich geändert, aber nie im Ganzen bestätigt.",
        "en": "The entry was changed lately, but never confirmed as a whole.",
    },
    "entry-due": {
        "de": "Der Eintrag ist wieder zu bestätigen.",
        "en": "The entry is to be confirmed again.",
    },
    "entry-overdue": {
        "de": "Der Eintrag wurde lange nicht bestätigt.",
        "en": "The entry has not been confirmed for long.",
    },
    "response-not-measured": {
        "de": "Wie rasch der Partner antwortet, ist nicht bekannt (zu wenige Antworten).",
        "en": "How soon the partner answers is not known (too few answers).",
    },
    "answers-within-2-days": {
        "de": "Antwortet meist in 2 Tagen (bis {until}).",
        "en": "Mostly answers within 2 days (until {until}).",
    },
    "answers-within-5-days": {
        "de": "Antwortet meist in 5 Tagen (bis {until}).",
        "en": "Mostly answers within 5 days (until {until}).",
    },
    "answers-within-10-days": {
        "de": "Antwortet meist in 10 Tagen (bis {until}).",
        "en": "Mostly answers within 10 days (until {until}).",
    },
    "answers-later": {
        "de": "Antwortet meist später als in 10 Tagen (bis {until}).",
        "en": "Mostly answers later than in 10 days (until {until}).",
    },
    "acceptance-not-measured": {
        "de": "Wie oft der Partner zusagt, ist nicht bekannt (zu wenige Antworten).",
        "en": "How often the partner says yes is not known (too few answers).",
    },
    "accepts-mostly": {
        "de": "Sagt meist zu (bis {until}).",
        "en": "Mostly says yes (until {until}).",
    },
    "accepts-often": {
        "de": "Sagt oft zu (bis {until}).",
        "en": "Often says yes (until {until}).",
    },
    "accepts-seldom": {
        "de": "Sagt selten zu (bis {until}).",
        "en": "Seldom says yes (until {until}).",
    },
}
"""By the code of a reason why a service fits a person's situation, or not (``search.matching``)."""


def finding(code: str, language: MessageLanguage, values: Mapping[str, str]) -> str:
    """Return the sentence for a reason of the search; a code without one is shown as it is."""
    sentence = FINDINGS.get(code)
    return code if sentence is None else fill(sentence, language, values)


_RANGE: Final = re.compile(
    r"^\s*(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=(?P<q>[01](?:\.[0-9]{0,3})?))?\s*$"
)


def preferred_languages(accept_language: str | None) -> tuple[str, ...]:
    """Return the language tags of an Accept-Language header, most wanted first; at most ten.

    >>> preferred_languages("en;q=0.5, ti, de-DE;q=0.8, *;q=0.1")
    ('ti', 'de-DE', 'en')
    """
    found: list[tuple[float, int, str]] = []
    for position, part in enumerate((accept_language or "")[:500].split(",")[:30]):
        match = _RANGE.match(part)
        if match is None or match["tag"] == "*":
            continue
        quality = float(match["q"]) if match["q"] else 1.0
        if quality > 0:
            found.append((-quality, position, match["tag"]))
    return tuple(tag for _, _, tag in sorted(found))[:10]


def message_language(preferred: Sequence[str]) -> MessageLanguage:
    """Return the language of messages: the first wanted one of German and English, else German."""
    for tag in preferred:
        base = tag.split("-")[0].lower()
        if base == "de":
            return "de"
        if base == "en":
            return "en"
    return "de"
