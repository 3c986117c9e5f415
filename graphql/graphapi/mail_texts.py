"""The texts of the mails, per kind of notice and language; they name offices, dates and references only.

Pure. A text says who asks, what to do and by when; never a person, a pseudonym, a topic, a status or an
outcome. The same kind reads the same whatever happened behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from referrals.vocabulary import Addressee, NoticeKind

FALLBACK: Final = "de"
"""The language of a mail to an organisation whose language there are no texts in."""


class MailText(msgspec.Struct, frozen=True):
    """Subject and what to do; both may hold ``{reference}``, the second ``{asking}`` (an organisation)."""

    subject: str
    body: str


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around every text of a language.

    ``due`` holds ``{day}``; ``link``, ``answer`` and ``keep`` hold ``{url}``; ``exchange`` is who asks when
    no organisation does; ``superior`` begins a mail to a superior contact.
    """

    greeting: str
    due: str
    link: str
    answer: str
    keep: str
    superior: str
    exchange: str
    foot: str


_K: Final = NoticeKind

FRAMES: Final[Mapping[str, Frame]] = {
    "de": Frame(
        greeting="Guten Tag,",
        due="Bitte bis: {day}",
        link="Zum Vorgang (mit Anmeldung): {url}",
        answer="Antworten ohne Anmeldung, nur mit diesem Link und nur für diesen Vorgang:\n{url}\n"
        "Geben Sie den Link nicht weiter. Erst der Knopf auf der Seite sendet Ihre Antwort.",
        keep="Bestätigen oder ändern ohne Anmeldung, nur mit diesem Link und nur für Ihre Einträge:\n{url}\n"
        "Geben Sie den Link nicht weiter. Erst ein Knopf auf der Seite sendet etwas.",
        superior="Sie erhalten diese Nachricht als vorgesetzte Stelle.",
        exchange="das Netzwerk",
        foot="Diese Nachricht wurde automatisch erstellt und enthält keine Angaben über Personen.\n"
        "Bitte nennen Sie in Antworten per E-Mail keine Namen und keine Angaben über Personen.",
    ),
    "en": Frame(
        greeting="Hello,",
        due="Please by: {day}",
        link="To the case (sign in): {url}",
        answer="Answer without signing in, with this link only and for this case only:\n{url}\n"
        "Do not pass the link on. Only the button on the page sends your answer.",
        keep="Confirm or change without signing in, with this link only and for your entries only:\n{url}\n"
        "Do not pass the link on. Only a button on the page sends anything.",
        superior="You receive this message as the superior contact.",
        exchange="the network",
        foot="This message was made automatically and says nothing about any person.\n"
        "Please name no persons, and say nothing about them, in answers by e-mail.",
    ),
}

TEXTS: Final[Mapping[str, Mapping[NoticeKind, MailText]]] = {
    "de": {
        _K.REFERRAL_WAITS: MailText(
            "Eine Überleitung wartet auf Ihre Antwort ({reference})",
            "{asking} möchte eine Person an Sie vermitteln und wartet auf Ihre Antwort: zusagen, "
            "Warteliste, absagen oder nachfragen.",
        ),
        _K.ANSWER_LINK: MailText(
            "Ihr Link zum Antworten ({reference})",
            "{asking} bittet Sie um eine Antwort zu einer Überleitung.",
        ),
        _K.ANSWER_DUE_HALF: MailText(
            "Erinnerung: Eine Überleitung wartet auf Ihre Antwort ({reference})",
            "{asking} wartet noch auf Ihre Antwort. Die Hälfte der Frist ist vorbei.",
        ),
        _K.ANSWER_OVERDUE: MailText(
            "Überfällig: Antwort auf eine Überleitung ({reference})",
            "Die Frist für die Antwort auf die Überleitung {reference} ist abgelaufen. Ohne Antwort endet "
            "sie bald von selbst.",
        ),
        _K.QUESTION_ASKED: MailText(
            "Rückfrage zu einer Überleitung ({reference})",
            "Die angefragte Stelle hat eine Rückfrage. Bis zu Ihrer Antwort steht deren Frist still.",
        ),
        _K.QUESTION_OPEN: MailText(
            "Erinnerung: Rückfrage zu einer Überleitung ({reference})",
            "Eine Rückfrage ist noch nicht beantwortet. Ohne Antwort geht die Überleitung unbeantwortet an "
            "die angefragte Stelle zurück.",
        ),
        _K.QUESTION_ANSWERED: MailText(
            "Ihre Rückfrage ({reference})",
            "Die Rückfrage ist nicht mehr offen. Ihre Frist läuft weiter; bitte sehen Sie nach.",
        ),
        _K.NEWS: MailText(
            "Neues zu einem Vorgang ({reference})",
            "Zu einem Ihrer Vorgänge gibt es Neues. Bitte sehen Sie nach.",
        ),
        _K.GOES_ON: MailText(
            "Eine Überleitung läuft weiter ({reference})",
            "{asking} hat eine Überleitung wieder aufgenommen. Bitte sehen Sie nach.",
        ),
        _K.TAKEN_BACK: MailText(
            "Eine Überleitung wurde zurückgenommen ({reference})",
            "{asking} hat eine Überleitung zurückgenommen. Bitte löschen Sie, was Sie dazu erhalten haben, "
            "soweit Sie es nicht aufbewahren müssen.",
        ),
        _K.CONSENT_ENDED: MailText(
            "Bitte antworten: Daten zu einer Überleitung ({reference})",
            "Die Grundlage für die Weitergabe der Daten ist entfallen. Sie können sie nicht mehr öffnen. "
            "Bitte teilen Sie mit, dass Sie alles gelöscht haben, oder was Sie auf welcher Grundlage bis "
            "wann aufbewahren (Art. 7 Abs. 3, Art. 17 DSGVO).",
        ),
        _K.REVOCATION_UNANSWERED: MailText(
            "Erinnerung: Daten zu einer Überleitung ({reference})",
            "Es fehlt noch die Auskunft, was mit den Daten zur Überleitung {reference} geschah: gelöscht, "
            "oder was auf welcher Grundlage bis wann aufbewahrt wird (Art. 7 Abs. 3, Art. 17 DSGVO).",
        ),
        _K.DRAFT_IDLE: MailText(
            "Ein Entwurf liegt ({reference})",
            "Ein Entwurf einer Überleitung wurde lange nicht geändert. Nach 30 Tagen wird er aufgegeben.",
        ),
        _K.WAITING_LIST: MailText(
            "Warteliste: Gibt es einen Platz? ({reference})",
            "Die genannte Woche auf der Warteliste ist vorbei. Bitte sagen Sie zu, nennen Sie eine neue "
            "Woche oder sagen Sie ab.",
        ),
        _K.FIRST_CONTACT: MailText(
            "Kam der erste Kontakt zustande? ({reference})",
            "Der genannte Tag des ersten Kontakts ist vorbei. Bitte tragen Sie ein, ob er stattfand.",
        ),
        _K.SIGN_OF_LIFE: MailText(
            "Läuft es noch? ({reference})",
            "Bitte bestätigen Sie mit einem Klick, dass eine Überleitung noch läuft, oder melden Sie, dass "
            "sie beendet ist.",
        ),
        _K.CONFIRM_OUTCOME: MailText(
            "Bitte bestätigen ({reference})",
            "Eine Überleitung kann abgeschlossen werden. Bitte fragen Sie nach, wie es war, und schließen "
            "Sie sie ab. Sonst gilt sie bald als unbestätigt abgeschlossen.",
        ),
        _K.CONSENT_RENEWAL: MailText(
            "Eine Einwilligung läuft aus ({reference})",
            "Eine Einwilligung endet bald, und mit ihr, was auf ihr beruht. Sie können eine neue einholen.",
        ),
        _K.EXPIRED_NO_ANSWER: MailText(
            "Ohne Antwort beendet ({reference})",
            "Eine Überleitung ist ohne Antwort abgelaufen. Für die sendende Stelle: Sie können eine "
            "Folge-Überleitung an ein anderes Angebot beginnen.",
        ),
        _K.APPROVAL_ASKED: MailText(
            "Freigabe nach dem Vier-Augen-Prinzip erbeten ({reference})",
            "{asking} bittet um eine Freigabe. Eine andere Person als die anfragende muss sie erteilen.",
        ),
        _K.FOUR_EYES: MailText(
            "Erinnerung: Freigabe steht aus ({reference})",
            "Eine Freigabe nach dem Vier-Augen-Prinzip steht noch aus. Ohne Entscheidung verfällt die Bitte.",
        ),
        _K.BOOKING_REQUESTED: MailText(
            "Sprachmittlung angefragt ({reference})",
            "{asking} bittet um Sprachmittlung. Bitte bestätigen Sie den Termin oder lehnen Sie ab; ein "
            "Grund ist nicht nötig.",
        ),
        _K.BOOKING_CONFIRMED: MailText(
            "Sprachmittlung bestätigt ({reference})", "Die angefragte Sprachmittlung ist bestätigt."
        ),
        _K.BOOKING_DECLINED: MailText(
            "Sprachmittlung nicht möglich ({reference})",
            "Die angefragte Sprachmittlung ist nicht möglich. Bitte fragen Sie eine andere Stelle an.",
        ),
        _K.BOOKING_CANCELLED: MailText(
            "Sprachmittlung abgesagt ({reference})", "Ein Termin zur Sprachmittlung wurde abgesagt."
        ),
        _K.CAPACITY_ASKED: MailText(
            "Bitte aktualisieren Sie Ihre freien Plätze ({reference})",
            "Anfragen an eines Ihrer Angebote wurden mehrmals abgelehnt, weil kein Platz frei war. Bitte "
            "prüfen Sie, was dazu im Verzeichnis steht.",
        ),
        _K.CHANGE_REQUESTED: MailText(
            "Vorschlag zu Ihrem Eintrag ({reference})",
            "Zu einem Ihrer Angebote gibt es einen Änderungsvorschlag. Bitte sehen Sie ihn durch.",
        ),
        _K.UPKEEP_DUE: MailText(
            "Stimmt Ihr Eintrag noch? ({reference})",
            "Im Verzeichnis des Netzwerks stehen Einträge Ihrer Organisation, die zu bestätigen sind. Bitte "
            "sehen Sie nach, ob alles noch stimmt: ein Klick auf „Stimmt noch alles“ genügt.",
        ),
        _K.UPKEEP_REMINDER: MailText(
            "Erinnerung: Stimmt Ihr Eintrag noch? ({reference})",
            "Wir haben noch keine Antwort, ob Ihre Einträge im Verzeichnis noch stimmen. Ohne Antwort werden "
            "sie der Koordination vorgelegt.",
        ),
        _K.UPKEEP_ANNOUNCED: MailText(
            "Ihr Eintrag wird ausgeblendet ({reference})",
            "Ein Eintrag Ihrer Organisation wurde lange nicht bestätigt. Ohne Ihre Antwort wird er am "
            "genannten Tag ausgeblendet. Ein Klick auf „Stimmt noch alles“ verhindert das.",
        ),
        _K.UPKEEP_HIDDEN: MailText(
            "Ihr Eintrag wurde ausgeblendet ({reference})",
            "Ein Eintrag Ihrer Organisation wurde ausgeblendet, weil lange niemand bestätigt hat, dass er "
            "stimmt. Ein Klick auf „Stimmt noch alles“ zeigt ihn wieder.",
        ),
        _K.ENTRIES_DUE: MailText(
            "Einträge im Verzeichnis zu prüfen ({reference})",
            "Partner haben auf Erinnerungen nicht geantwortet. Bitte sehen Sie die Liste der Einträge durch, "
            "die zu prüfen sind, und rufen Sie dort an.",
        ),
    },
    "en": {
        _K.REFERRAL_WAITS: MailText(
            "A referral waits for your answer ({reference})",
            "{asking} would like to refer a person to you and waits for your answer: yes, a waiting list, "
            "no, or a question.",
        ),
        _K.ANSWER_LINK: MailText(
            "Your link to answer ({reference})", "{asking} asks you to answer about a referral."
        ),
        _K.ANSWER_DUE_HALF: MailText(
            "Reminder: a referral waits for your answer ({reference})",
            "{asking} still waits for your answer. Half of the time is over.",
        ),
        _K.ANSWER_OVERDUE: MailText(
            "Overdue: the answer about a referral ({reference})",
            "The time to answer about the referral {reference} is over. Without an answer it will soon end "
            "by itself.",
        ),
        _K.QUESTION_ASKED: MailText(
            "A question about a referral ({reference})",
            "The office that was asked has a question. Until you answer, its clock stands still.",
        ),
        _K.QUESTION_OPEN: MailText(
            "Reminder: a question about a referral ({reference})",
            "A question has not been answered yet. Without an answer the referral goes back to the office "
            "that was asked.",
        ),
        _K.QUESTION_ANSWERED: MailText(
            "Your question ({reference})",
            "The question is no longer open. Your clock goes on; please have a look.",
        ),
        _K.NEWS: MailText(
            "News about a case ({reference})", "There is news about one of your cases. Please have a look."
        ),
        _K.GOES_ON: MailText(
            "A referral goes on ({reference})", "{asking} has taken a referral up again. Please have a look."
        ),
        _K.TAKEN_BACK: MailText(
            "A referral was taken back ({reference})",
            "{asking} has taken a referral back. Please delete what you received about it, unless you have "
            "to keep it.",
        ),
        _K.CONSENT_ENDED: MailText(
            "Please answer: data of a referral ({reference})",
            "The basis on which data were shared has ended. You can no longer open them. Please say that you "
            "have deleted everything, or what you keep, on which basis and until when (Art. 7(3), Art. 17 "
            "GDPR).",
        ),
        _K.REVOCATION_UNANSWERED: MailText(
            "Reminder: data of a referral ({reference})",
            "It has not been said yet what was done with the data of the referral {reference}: deleted, or "
            "what is kept, on which basis and until when (Art. 7(3), Art. 17 GDPR).",
        ),
        _K.DRAFT_IDLE: MailText(
            "A draft is idle ({reference})",
            "A draft of a referral has not been changed for long. After 30 days it is abandoned.",
        ),
        _K.WAITING_LIST: MailText(
            "Waiting list: is there a place? ({reference})",
            "The week that was named on the waiting list is over. Please accept, name another week, or "
            "decline.",
        ),
        _K.FIRST_CONTACT: MailText(
            "Did the first contact happen? ({reference})",
            "The day that was named for the first contact is over. Please enter whether it happened.",
        ),
        _K.SIGN_OF_LIFE: MailText(
            "Does it still go on? ({reference})",
            "Please confirm with one click that a referral still goes on, or report that it has ended.",
        ),
        _K.CONFIRM_OUTCOME: MailText(
            "Please confirm ({reference})",
            "A referral can be closed. Please ask how it went, and close it. Else it will soon count as "
            "closed without confirmation.",
        ),
        _K.CONSENT_RENEWAL: MailText(
            "A consent is about to end ({reference})",
            "A consent ends soon, and with it what rests on it. You can ask for a new one.",
        ),
        _K.EXPIRED_NO_ANSWER: MailText(
            "Ended without an answer ({reference})",
            "A referral has expired without an answer. For the office that referred: you can begin a "
            "follow-up to another service.",
        ),
        _K.APPROVAL_ASKED: MailText(
            "Four eyes: a confirmation is asked for ({reference})",
            "{asking} asks for a confirmation. It must come from somebody other than who asks.",
        ),
        _K.FOUR_EYES: MailText(
            "Reminder: a confirmation is outstanding ({reference})",
            "A confirmation by four eyes is still outstanding. Without a decision the request lapses.",
        ),
        _K.BOOKING_REQUESTED: MailText(
            "An interpreter is asked for ({reference})",
            "{asking} asks for an interpreter. Please confirm the appointment or decline; no reason is "
            "needed.",
        ),
        _K.BOOKING_CONFIRMED: MailText(
            "The interpreter is confirmed ({reference})", "The interpreter that you asked for is confirmed."
        ),
        _K.BOOKING_DECLINED: MailText(
            "No interpreter possible ({reference})",
            "The interpreter that you asked for is not possible. Please ask somebody else.",
        ),
        _K.BOOKING_CANCELLED: MailText(
            "The interpreter was cancelled ({reference})",
            "An appointment with an interpreter was cancelled.",
        ),
        _K.CAPACITY_ASKED: MailText(
            "Please update your free places ({reference})",
            "Requests to one of your services were declined several times because no place was free. Please "
            "check what the directory says about it.",
        ),
        _K.CHANGE_REQUESTED: MailText(
            "A proposal for your entry ({reference})",
            "A change was proposed for one of your services. Please look through it.",
        ),
        _K.UPKEEP_DUE: MailText(
            "Is your entry still right? ({reference})",
            "In the network's directory there are entries of your organisation that are to be confirmed. "
            "Please look whether everything is still right: one click on “Everything is still right” is "
            "enough.",
        ),
        _K.UPKEEP_REMINDER: MailText(
            "Reminder: is your entry still right? ({reference})",
            "We have no answer yet whether your entries in the directory are still right. Without an answer "
            "they are put before the coordination.",
        ),
        _K.UPKEEP_ANNOUNCED: MailText(
            "Your entry will be hidden ({reference})",
            "An entry of your organisation has not been confirmed for long. Without your answer it will be "
            "hidden on the day named. One click on “Everything is still right” prevents that.",
        ),
        _K.UPKEEP_HIDDEN: MailText(
            "Your entry was hidden ({reference})",
            "An entry of your organisation was hidden, because for long nobody has confirmed that it is "
            "right. One click on “Everything is still right” shows it again.",
        ),
        _K.ENTRIES_DUE: MailText(
            "Entries of the directory are due ({reference})",
            "Partners have not answered reminders. Please look through the list of entries that are due, and "
            "phone them.",
        ),
    },
}


class MemberFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around mails to a member: ``yes`` and ``stop`` hold ``{url}``, ``others`` ``{number}``."""

    yes: str
    stop: str
    new: str
    changed: str
    others: str


MEMBER_FRAMES: Final[Mapping[str, MemberFrame]] = {
    "de": MemberFrame(
        yes="Ja sagen oder ablehnen, mit einem Knopf auf dieser Seite:\n{url}\n"
        "Ohne Ihr Ja schreiben wir nicht.",
        stop="Nicht mehr schreiben (ein Knopf auf dieser Seite, ohne Anmeldung):\n{url}",
        new="neu",
        changed="geändert",
        others="… und {number} weitere",
    ),
    "en": MemberFrame(
        yes="Say yes or no, with a button on this page:\n{url}\nWithout your yes we do not write.",
        stop="No more mail (a button on this page, without signing in):\n{url}",
        new="new",
        changed="changed",
        others="… and {number} others",
    ),
}

MEMBER_TEXTS: Final[Mapping[str, Mapping[NoticeKind, MailText]]] = {
    "de": {
        _K.MAILBOX_ASKED: MailText(
            "Dürfen wir Ihnen an diese Adresse schreiben?",
            "Ein Mitglied des Netzwerks hat diese Adresse für Nachrichten zu gespeicherten Suchen angegeben.",
        ),
        _K.SEARCH_NEWS: MailText(
            "Neues zu Ihren gespeicherten Suchen",
            "Zu Ihren gespeicherten Suchen gibt es neue oder geänderte Angebote.",
        ),
    },
    "en": {
        _K.MAILBOX_ASKED: MailText(
            "May we write to you at this address?",
            "A member of the network has named this address for messages about saved searches.",
        ),
        _K.SEARCH_NEWS: MailText(
            "News of your saved searches",
            "There are new or changed services for your saved searches.",
        ),
    },
}
"""What members are told themselves, at their own address."""


def language_for(wanted: str) -> str:
    """Return the language that a mail is written in: the wanted one, else its main language, else German.

    >>> language_for("en-GB"), language_for("ti")
    ('en', 'de')
    """
    for tag in (wanted, wanted.partition("-")[0]):
        if tag in TEXTS:
            return tag
    return FALLBACK


def day_for(day: date, language: str) -> str:
    """Return a day as people of the language write it.

    >>> day_for(date(2026, 3, 9), "de"), day_for(date(2026, 3, 9), "en")
    ('09.03.2026', '9 March 2026')
    """
    if language == "en":
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    return f"{day:%d.%m.%Y}"


_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def one_line(name: str, longest: int = 200) -> str:
    r"""Return a name as it may stand in a text: on one line, without characters that are not shown.

    >>> one_line("Träger\r\nBcc: x@example.org")
    'Träger Bcc: x@example.org'
    """
    shown = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(shown.split())[:longest]


def write(
    kind: NoticeKind,
    language: str,
    *,
    reference: str,
    asking: str | None,
    due: date | None,
    link: str,
    answer_link: str | None = None,
    keeps: bool = False,
    addressee: Addressee = Addressee.ORGANISATION,
) -> MailText:
    """Return subject and body of a mail in the language, or in the one it falls back to."""
    language = language_for(language)
    frame, text = FRAMES[language], TEXTS[language][kind]
    named = one_line(asking) if asking else frame.exchange
    # Replaced, not formatted: a name with braces in it stays what it is.
    said = text.body.replace("{reference}", reference).replace("{asking}", named)
    parts = [frame.greeting, said[:1].upper() + said[1:]]
    if addressee is Addressee.SUPERIOR:
        parts.insert(1, frame.superior)
    if due is not None:
        parts.append(frame.due.replace("{day}", day_for(due, language)))
    if answer_link is not None:
        parts.append((frame.keep if keeps else frame.answer).replace("{url}", answer_link))
    parts.append(frame.link.replace("{url}", link))
    parts.append(f"-- \n{frame.foot}")
    return MailText(text.subject.replace("{reference}", reference), "\n\n".join(parts) + "\n")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A service that a mail to a member names, with its page; ``new``: else it has changed."""

    title: str
    partner: str
    link: str
    new: bool


class FoundBy(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved search has found; ``others``: how many more."""

    name: str
    services: tuple[Found, ...]
    others: int


def write_to_member(
    kind: NoticeKind, language: str, *, page: str, searches: tuple[FoundBy, ...] = ()
) -> MailText:
    """Return a mail to a member: the question for a mailbox, or what their saved searches have found."""
    language = language_for(language)
    frame, said, text = FRAMES[language], MEMBER_FRAMES[language], MEMBER_TEXTS[language][kind]
    parts = [frame.greeting, text.body]
    for search in searches:
        lines = [one_line(search.name)]
        for one in search.services:
            what = said.new if one.new else said.changed
            lines.append(f"- {one_line(one.title)} ({one_line(one.partner)}) [{what}]\n  {one.link}")
        if search.others:
            lines.append(said.others.replace("{number}", str(search.others)))
        parts.append("\n".join(lines))
    ends = said.yes if kind is NoticeKind.MAILBOX_ASKED else said.stop
    parts += [ends.replace("{url}", page), f"-- \n{frame.foot}"]
    return MailText(text.subject, "\n\n".join(parts) + "\n")
