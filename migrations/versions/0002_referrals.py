"""Clients, consents, referrals: tables, the keystore, and row-level security on every one of them.

Who acts is said by settings of the transaction (``app.role``, ``app.member``, ``app.partner``,
``app.municipality``, ``app.code_hash``, ``app.now``); unset settings see nothing. A person without an account
acts by a one-time code: the SHA-256 of the code in ``app.code_hash`` opens the code's own row, its referral
and adding feedback, and nothing else. No SECURITY DEFINER function is needed: a policy says it in one place.
"""

from alembic import op

revision = "0002_referrals"
down_revision = "0001_directory"

TABLES = """
CREATE SCHEMA keystore;
CREATE TABLE keystore.client_key (
  client_id UUID NOT NULL,
  wrapped BYTEA NOT NULL,
  master_key TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (client_id)
);
CREATE TABLE keystore.organisation_key (
  partner_id UUID NOT NULL,
  wrapped BYTEA NOT NULL,
  master_key TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (partner_id)
);
CREATE TABLE project_rule (
  id TEXT NOT NULL,
  municipality_id UUID,
  position INTEGER NOT NULL,
  statuses TEXT[] NOT NULL,
  supported_before BOOLEAN,
  answer TEXT NOT NULL,
  advice TEXT NOT NULL,
  reason JSONB NOT NULL,
  legal_basis TEXT,
  valid_from DATE,
  valid_to DATE,
  PRIMARY KEY (id),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id)
);
CREATE TABLE booking (
  id UUID NOT NULL,
  requester_partner_id UUID NOT NULL,
  requester_member_id UUID,
  service_id UUID NOT NULL,
  recipient_partner_id UUID NOT NULL,
  recipient_member_id UUID,
  state TEXT NOT NULL,
  language TEXT NOT NULL,
  variety TEXT,
  mode TEXT NOT NULL,
  starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
  minutes INTEGER NOT NULL,
  place TEXT,
  topic TEXT,
  gender_wish TEXT NOT NULL,
  interpreter TEXT,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(requester_partner_id) REFERENCES partner (id),
  FOREIGN KEY(requester_member_id) REFERENCES member (id),
  FOREIGN KEY(service_id) REFERENCES service (id),
  FOREIGN KEY(recipient_partner_id) REFERENCES partner (id),
  FOREIGN KEY(recipient_member_id) REFERENCES member (id),
  FOREIGN KEY(topic) REFERENCES topic (code)
);
CREATE INDEX booking_recipient ON booking (recipient_partner_id, starts_at);
CREATE INDEX booking_requester ON booking (requester_partner_id, starts_at);
CREATE TABLE client (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  responsible_id UUID,
  deputy_id UUID,
  pseudonym TEXT NOT NULL,
  phase TEXT NOT NULL,
  residence_status TEXT,
  status_valid_until DATE,
  legal_circle TEXT,
  languages TEXT[] NOT NULL,
  needs TEXT[] NOT NULL,
  supported_before BOOLEAN NOT NULL,
  sealed_identity BYTEA,
  sealed_contact BYTEA,
  sealed_profile BYTEA,
  name_index BYTEA[] NOT NULL,
  source_key TEXT,
  erased_at TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(responsible_id) REFERENCES member (id),
  FOREIGN KEY(deputy_id) REFERENCES member (id),
  UNIQUE (pseudonym)
);
CREATE INDEX client_name_index ON client USING gin (name_index);
CREATE INDEX client_order ON client (partner_id, pseudonym);
CREATE INDEX client_phase_order ON client (partner_id, phase, pseudonym);
CREATE INDEX client_responsible ON client (responsible_id);
CREATE TABLE booking_person (
  booking_id UUID NOT NULL,
  client_id UUID NOT NULL,
  sealed_name BYTEA NOT NULL,
  PRIMARY KEY (booking_id),
  FOREIGN KEY(booking_id) REFERENCES booking (id),
  FOREIGN KEY(client_id) REFERENCES client (id)
);
CREATE INDEX booking_person_client ON booking_person (client_id);
CREATE TABLE client_phase_change (
  id UUID NOT NULL,
  client_id UUID NOT NULL,
  from_phase TEXT,
  to_phase TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  member_id UUID,
  PRIMARY KEY (id),
  FOREIGN KEY(client_id) REFERENCES client (id)
);
CREATE INDEX client_phase_change_client ON client_phase_change (client_id, at);
CREATE TABLE consent (
  id UUID NOT NULL,
  client_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL,
  terms JSONB NOT NULL,
  record JSONB,
  sealed_evidence BYTEA,
  decided_at TIMESTAMP WITH TIME ZONE,
  recorded_by UUID,
  valid_from TIMESTAMP WITH TIME ZONE,
  valid_until TIMESTAMP WITH TIME ZONE,
  withdrawal JSONB,
  supersedes_id UUID,
  superseded_by_id UUID,
  receipt UUID,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(recorded_by) REFERENCES member (id),
  FOREIGN KEY(supersedes_id) REFERENCES consent (id),
  FOREIGN KEY(superseded_by_id) REFERENCES consent (id)
);
CREATE INDEX consent_client ON consent (client_id);
CREATE INDEX consent_end ON consent (valid_until) WHERE state = 'GIVEN';
CREATE TABLE exclusion (
  client_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  sealed BYTEA NOT NULL,
  PRIMARY KEY (client_id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id)
);
CREATE TABLE referral (
  id UUID NOT NULL,
  municipality_id UUID NOT NULL,
  sender_partner_id UUID NOT NULL,
  sender_member_id UUID,
  sender_deputy_id UUID,
  sender_file_number TEXT,
  client_id UUID NOT NULL,
  pseudonym TEXT NOT NULL,
  service_id UUID NOT NULL,
  recipient_partner_id UUID NOT NULL,
  recipient_member_id UUID,
  recipient_contact TEXT,
  recipient_file_number TEXT,
  topic TEXT NOT NULL,
  language TEXT,
  area TEXT,
  priority TEXT NOT NULL,
  categories TEXT[] NOT NULL,
  state TEXT NOT NULL,
  state_since TIMESTAMP WITH TIME ZONE NOT NULL,
  consent_id UUID,
  parent_id UUID,
  capacity_reason TEXT,
  sent_at TIMESTAMP WITH TIME ZONE,
  answer_due_at TIMESTAMP WITH TIME ZONE,
  clock_stopped_at TIMESTAMP WITH TIME ZONE,
  question_due_at TIMESTAMP WITH TIME ZONE,
  expected_week DATE,
  first_contact_on DATE,
  first_contact_made_on DATE,
  expected_end DATE,
  resume_on DATE,
  last_sign_of_life DATE,
  place_taken BOOLEAN NOT NULL,
  decline_reason TEXT,
  declined_by TEXT,
  better_service_id UUID,
  reason TEXT,
  outcome TEXT,
  outcome_on DATE,
  outcome_reason TEXT,
  feedback_asked TEXT,
  closed_at TIMESTAMP WITH TIME ZONE,
  revocation_due_at TIMESTAMP WITH TIME ZONE,
  revocation_answer JSONB,
  overdue BOOLEAN NOT NULL,
  appointment_at TIMESTAMP WITH TIME ZONE,
  interim_report_on DATE,
  disputed BOOLEAN NOT NULL,
  unconfirmed BOOLEAN NOT NULL,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id),
  FOREIGN KEY(sender_partner_id) REFERENCES partner (id),
  FOREIGN KEY(sender_member_id) REFERENCES member (id),
  FOREIGN KEY(sender_deputy_id) REFERENCES member (id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(service_id) REFERENCES service (id),
  FOREIGN KEY(recipient_partner_id) REFERENCES partner (id),
  FOREIGN KEY(recipient_member_id) REFERENCES member (id),
  FOREIGN KEY(topic) REFERENCES topic (code),
  FOREIGN KEY(consent_id) REFERENCES consent (id),
  FOREIGN KEY(parent_id) REFERENCES referral (id),
  FOREIGN KEY(better_service_id) REFERENCES service (id)
);
CREATE INDEX referral_client ON referral (client_id);
CREATE INDEX referral_consent ON referral (consent_id);
CREATE INDEX referral_inbox ON referral (recipient_partner_id, updated_at, id);
CREATE UNIQUE INDEX referral_one_open ON referral (client_id, service_id)
  WHERE state IN ('ACCEPTED', 'ACKNOWLEDGED', 'AWAITING_CONSENT', 'DRAFT', 'INFO_REQUESTED', 'IN_PROGRESS',
    'ON_HOLD', 'OUTCOME_REPORTED', 'SENT', 'WAITLISTED');
CREATE INDEX referral_outbox ON referral (sender_partner_id, updated_at, id);
CREATE INDEX referral_service ON referral (service_id);
CREATE TABLE approval (
  id UUID NOT NULL,
  referral_id UUID NOT NULL,
  municipality_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  move TEXT NOT NULL,
  reason TEXT NOT NULL,
  state TEXT NOT NULL,
  requested_by UUID NOT NULL,
  requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
  lapses_at TIMESTAMP WITH TIME ZONE NOT NULL,
  decided_by UUID,
  decided_at TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT approval_is_by_another CHECK (decided_by IS NULL OR decided_by <> requested_by),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(requested_by) REFERENCES member (id),
  FOREIGN KEY(decided_by) REFERENCES member (id)
);
CREATE INDEX approval_municipality ON approval (municipality_id, state);
CREATE UNIQUE INDEX approval_one_open ON approval (referral_id, move) WHERE state = 'REQUESTED';
CREATE TABLE feedback_code (
  id UUID NOT NULL,
  code_hash BYTEA NOT NULL,
  referral_id UUID NOT NULL,
  client_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  UNIQUE (code_hash),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id)
);
CREATE INDEX feedback_code_referral ON feedback_code (referral_id);
CREATE TABLE referral_event (
  referral_id UUID NOT NULL,
  ordinal INTEGER NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  move TEXT NOT NULL,
  from_state TEXT,
  to_state TEXT NOT NULL,
  actor TEXT NOT NULL,
  member_id UUID,
  partner_id UUID,
  source TEXT NOT NULL,
  source_on DATE,
  reason TEXT,
  facts JSONB NOT NULL,
  sealed_text BYTEA,
  message_id UUID,
  PRIMARY KEY (referral_id, ordinal),
  CONSTRAINT referral_event_message UNIQUE (referral_id, message_id),
  CONSTRAINT referral_event_ordinal_positive CHECK (ordinal > 0),
  FOREIGN KEY(referral_id) REFERENCES referral (id)
);
CREATE TABLE referral_package (
  referral_id UUID NOT NULL,
  client_id UUID NOT NULL,
  consent_id UUID NOT NULL,
  categories TEXT[] NOT NULL,
  sealed BYTEA NOT NULL,
  made_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (referral_id),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(client_id) REFERENCES client (id),
  FOREIGN KEY(consent_id) REFERENCES consent (id)
);
CREATE INDEX referral_package_client ON referral_package (client_id);
CREATE TABLE feedback (
  id UUID NOT NULL,
  referral_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  code_id UUID,
  answer TEXT NOT NULL,
  sealed_text BYTEA,
  source TEXT NOT NULL,
  language TEXT,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(referral_id) REFERENCES referral (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(code_id) REFERENCES feedback_code (id)
);
CREATE INDEX feedback_referral ON feedback (referral_id)
"""

FUNCTIONS = (
    """
CREATE FUNCTION acting_partner() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN current_setting('app.role', true) IN ('COORDINATOR', 'LEAD', 'PARTNER_MEMBER')
    AND nullif(current_setting('app.member', true), '') IS NOT NULL
    THEN nullif(current_setting('app.partner', true), '')::uuid END
$$""",
    """
CREATE FUNCTION acting_member() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT nullif(current_setting('app.member', true), '')::uuid
$$""",
    """
CREATE FUNCTION leading_partner() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN current_setting('app.role', true) = 'LEAD' THEN acting_partner() END
$$""",
    """
CREATE FUNCTION leading_municipality() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN current_setting('app.role', true) = 'LEAD' AND acting_member() IS NOT NULL
    THEN nullif(current_setting('app.municipality', true), '')::uuid END
$$""",
    """
CREATE FUNCTION acting_for_system() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(current_setting('app.role', true) = 'SYSTEM', false)
$$""",
    """
CREATE FUNCTION acting_code() RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT decode(nullif(current_setting('app.code_hash', true), ''), 'hex')
$$""",
    # The service's clock, so that tests and catching up after a stop judge by one moment everywhere.
    """
CREATE FUNCTION acting_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(nullif(current_setting('app.now', true), '')::timestamptz, now())
$$""",
    # The terms of a consent never change once it is given; what is over stays over (DESIGN section 6).
    """
CREATE FUNCTION keep_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state IN ('WITHDRAWN', 'EXPIRED', 'SUPERSEDED', 'REFUSED') AND NEW.state <> OLD.state
    OR OLD.state = 'GIVEN' AND NEW.state NOT IN ('GIVEN', 'WITHDRAWN', 'EXPIRED', 'SUPERSEDED')
    OR OLD.state = 'REQUESTED' AND NEW.state NOT IN ('REQUESTED', 'GIVEN', 'REFUSED')
    OR OLD.withdrawal IS NOT NULL AND NEW.withdrawal IS DISTINCT FROM OLD.withdrawal
    OR OLD.state <> 'REQUESTED' AND
      to_jsonb(OLD) - ARRAY['state', 'withdrawal', 'superseded_by_id', 'version', 'updated_at']
      IS DISTINCT FROM
      to_jsonb(NEW) - ARRAY['state', 'withdrawal', 'superseded_by_id', 'version', 'updated_at']
  THEN
    RAISE EXCEPTION 'A consent that was decided on does not change.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER consent_unchanged BEFORE UPDATE ON consent FOR EACH ROW EXECUTE FUNCTION keep_consent()
""",
    # A lead of another organisation confirms an entry made in error without ever seeing the package.
    """
CREATE FUNCTION erase_package(ended uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE role_before text := current_setting('app.role', true);
BEGIN
  IF NOT EXISTS (SELECT FROM referral r WHERE r.id = ended AND r.state IN (
    'CLOSED', 'ABANDONED', 'DECLINED', 'EXPIRED', 'CANCELLED', 'CONSENT_REVOKED', 'ENTERED_IN_ERROR'))
  THEN
    RETURN false;
  END IF;
  PERFORM set_config('app.role', 'SYSTEM', true);
  DELETE FROM referral_package p WHERE p.referral_id = ended;
  UPDATE referral_event e SET sealed_text = NULL WHERE e.referral_id = ended AND e.sealed_text IS NOT NULL;
  PERFORM set_config('app.role', coalesce(role_before, ''), true);
  RETURN true;
END $$""",
)

GRANTS = """
REVOKE ALL ON SCHEMA keystore FROM PUBLIC;
GRANT USAGE ON SCHEMA keystore TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON keystore.client_key TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE ON keystore.organisation_key TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE ON project_rule, client, consent, booking, approval TO spurwechsel_app;
GRANT SELECT, INSERT ON client_phase_change, feedback TO spurwechsel_app;
GRANT SELECT, INSERT, DELETE ON exclusion, booking_person TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON referral_package TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (sealed_text) ON referral_event TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (used_at) ON feedback_code TO spurwechsel_app;
GRANT SELECT, INSERT, UPDATE (sender_member_id, sender_deputy_id, sender_file_number, recipient_member_id,
  recipient_contact, recipient_file_number, topic, language, area, priority, categories, state, state_since,
  consent_id, capacity_reason, sent_at, answer_due_at, clock_stopped_at, question_due_at, expected_week,
  first_contact_on, first_contact_made_on, expected_end, resume_on, last_sign_of_life, place_taken,
  decline_reason, declined_by, better_service_id, reason, outcome, outcome_on, outcome_reason,
  feedback_asked, closed_at, revocation_due_at, revocation_answer, overdue, appointment_at,
  interim_report_on, disputed, unconfirmed, version, updated_at) ON referral TO spurwechsel_app
"""

OWN_CLIENT = "EXISTS (SELECT FROM client c WHERE c.id = {table}.client_id)"
SENDS = """EXISTS (SELECT FROM referral r
  WHERE r.id = {table}.referral_id AND r.sender_partner_id = acting_partner())"""

# Per table: what is done, and which rows that is allowed for. Each reads as a sentence about the actor.
POLICIES = (
    ("client", "own", "ALL", "partner_id = acting_partner()"),
    ("client", "system", "ALL", "acting_for_system()"),
    ("client_phase_change", "read", "SELECT", OWN_CLIENT),
    ("client_phase_change", "append", "INSERT", OWN_CLIENT),
    ("exclusion", "lead", "ALL", "partner_id = leading_partner() AND " + OWN_CLIENT),
    ("keystore.organisation_key", "own", "ALL", "partner_id = acting_partner() OR acting_for_system()"),
    ("keystore.client_key", "own", "ALL", OWN_CLIENT),
    # Whoever may read something sealed about the person just now may open it.
    (
        "keystore.client_key",
        "recipient",
        "SELECT",
        "EXISTS (SELECT FROM referral_package p WHERE p.client_id = {table}.client_id)",
    ),
    (
        "keystore.client_key",
        "mediator",
        "SELECT",
        "EXISTS (SELECT FROM booking_person p WHERE p.client_id = {table}.client_id)",
    ),
    (
        "keystore.client_key",
        "person",
        "SELECT",
        "EXISTS (SELECT FROM feedback_code f WHERE f.client_id = {table}.client_id"
        " AND f.code_hash = acting_code())",
    ),
    ("consent", "own", "SELECT", "partner_id = acting_partner()"),
    ("consent", "ask", "INSERT", "(partner_id = acting_partner() OR acting_for_system()) AND " + OWN_CLIENT),
    ("consent", "decide", "UPDATE", "partner_id = acting_partner() OR acting_for_system()"),
    ("consent", "system", "SELECT", "acting_for_system()"),
    (
        "consent",
        "recipient",
        "SELECT",
        "EXISTS (SELECT FROM referral r WHERE r.consent_id = {table}.id"
        " AND r.recipient_partner_id = acting_partner() AND r.sent_at IS NOT NULL)",
    ),
    ("referral", "sender", "SELECT", "sender_partner_id = acting_partner()"),
    ("referral", "send", "INSERT", "sender_partner_id = acting_partner() AND " + OWN_CLIENT),
    ("referral", "sender_moves", "UPDATE", "sender_partner_id = acting_partner()"),
    ("referral", "recipient", "SELECT", "recipient_partner_id = acting_partner() AND sent_at IS NOT NULL"),
    (
        "referral",
        "recipient_moves",
        "UPDATE",
        "recipient_partner_id = acting_partner() AND sent_at IS NOT NULL",
    ),
    ("referral", "system", "ALL", "acting_for_system()"),
    *(
        (
            "referral",
            f"{actor}_{verb.lower()}",
            verb,
            condition,
        )
        for verb in ("SELECT", "UPDATE")
        for actor, condition in (
            (
                "lead",
                "leading_municipality() IS NOT NULL AND EXISTS (SELECT FROM approval a"
                " WHERE a.referral_id = {table}.id AND a.municipality_id = leading_municipality()"
                " AND (a.state = 'REQUESTED' OR a.decided_by = acting_member()))",
            ),
            (
                "person",
                "acting_code() IS NOT NULL AND EXISTS (SELECT FROM feedback_code f"
                " WHERE f.referral_id = {table}.id AND f.code_hash = acting_code()"
                " AND f.expires_at > acting_now())",
            ),
        )
    ),
    ("referral_package", "sender", "ALL", SENDS),
    ("referral_package", "system", "ALL", "acting_for_system()"),
    (
        "referral_package",
        "recipient",
        "SELECT",
        """EXISTS (SELECT FROM referral r JOIN consent c ON c.id = r.consent_id
  WHERE r.id = {table}.referral_id AND r.recipient_partner_id = acting_partner() AND r.sent_at IS NOT NULL
    AND r.state IN ('SENT', 'ACKNOWLEDGED', 'INFO_REQUESTED', 'WAITLISTED', 'ACCEPTED', 'IN_PROGRESS',
      'ON_HOLD', 'OUTCOME_REPORTED')
    AND c.state = 'GIVEN' AND c.valid_from <= acting_now() AND acting_now() < c.valid_until)""",
    ),
    ("referral_event", "read", "SELECT", "EXISTS (SELECT FROM referral r WHERE r.id = {table}.referral_id)"),
    (
        "referral_event",
        "append",
        "INSERT",
        "EXISTS (SELECT FROM referral r WHERE r.id = {table}.referral_id)",
    ),
    ("referral_event", "erase", "UPDATE", "acting_for_system() OR " + SENDS),
    ("booking", "requester", "ALL", "requester_partner_id = acting_partner()"),
    ("booking", "recipient", "SELECT", "recipient_partner_id = acting_partner()"),
    ("booking", "answer", "UPDATE", "recipient_partner_id = acting_partner()"),
    ("booking", "system", "ALL", "acting_for_system()"),
    (
        "booking_person",
        "requester",
        "ALL",
        "EXISTS (SELECT FROM booking b WHERE b.id = {table}.booking_id"
        " AND b.requester_partner_id = acting_partner()) AND " + OWN_CLIENT,
    ),
    (
        "booking_person",
        "recipient",
        "SELECT",
        "EXISTS (SELECT FROM booking b WHERE b.id = {table}.booking_id"
        " AND b.recipient_partner_id = acting_partner() AND b.state = 'CONFIRMED')",
    ),
    ("booking_person", "system", "ALL", "acting_for_system()"),
    ("feedback_code", "sender", "SELECT", "partner_id = acting_partner()"),
    ("feedback_code", "issue", "INSERT", "partner_id = acting_partner() AND " + SENDS),
    ("feedback_code", "sender_uses", "UPDATE", "partner_id = acting_partner()"),
    ("feedback_code", "system", "ALL", "acting_for_system()"),
    ("feedback_code", "person", "SELECT", "code_hash = acting_code()"),
    ("feedback_code", "person_uses", "UPDATE", "code_hash = acting_code()"),
    ("feedback", "sender", "SELECT", "partner_id = acting_partner()"),
    ("feedback", "record", "INSERT", "partner_id = acting_partner() AND " + SENDS),
    ("feedback", "system", "ALL", "acting_for_system()"),
    *(
        (
            "feedback",
            f"person_{verb.lower()}",
            verb,
            "EXISTS (SELECT FROM feedback_code f WHERE f.id = {table}.code_id"
            " AND f.referral_id = {table}.referral_id AND f.partner_id = {table}.partner_id"
            " AND f.code_hash = acting_code() AND f.expires_at > acting_now())",
        )
        for verb in ("SELECT", "INSERT")
    ),
    ("approval", "sender", "SELECT", "partner_id = acting_partner()"),
    ("approval", "ask", "INSERT", "partner_id = acting_partner() AND requested_by = acting_member()"),
    ("approval", "lead", "SELECT", "municipality_id = leading_municipality()"),
    ("approval", "decide", "UPDATE", "municipality_id = leading_municipality()"),
    ("approval", "system", "ALL", "acting_for_system()"),
)

# The project's rule for its own support (DESIGN section 1); other services have rules of their own.
RULES = """
INSERT INTO project_rule (id, position, statuses, supported_before, answer, advice, reason, legal_basis)
VALUES
('supported-statuses', 10,
 ARRAY['SECTION_104C', 'SECTION_25_5', 'SECTION_23_1_ADMISSION', 'SECTION_60A', 'SECTION_55_ASYLG'], NULL,
 'FITS', 'SUPPORT',
 jsonb_build_object('de', 'Mit diesem Status kann Spurwechsel begleiten.',
   'en', 'Spurwechsel can support people with this status.'),
 'Projektregel Spurwechsel'),
('other-admission', 20, ARRAY['SECTION_23_1_OTHER'], NULL, 'ASK', 'ASK',
 jsonb_build_object('de', 'Nur die Landesaufnahme Syrien/Jordanien ist sicher umfasst; bitte nachfragen.',
   'en', 'Only the state admission programme Syria/Jordan is covered for certain; please ask.'),
 '§ 23 Abs. 1 AufenthG'),
('other-suspensions', 30, ARRAY['SECTION_60B', 'SECTION_60C', 'SECTION_60D'], NULL, 'ASK', 'ASK',
 jsonb_build_object('de', 'Diese Form der Duldung wird im Einzelfall geprüft; bitte nachfragen.',
   'en', 'This form of suspension is decided case by case; please ask.'),
 '§§ 60b, 60c, 60d AufenthG'),
('provisional-supported', 40, ARRAY['SECTION_81'], true, 'FITS', 'SUPPORT',
 jsonb_build_object('de', 'Wer schon begleitet wurde und rechtzeitig beantragt hat, wird weiter begleitet.',
   'en', 'Whoever was supported before and applied in time is supported further.'),
 '§ 81 AufenthG'),
('provisional-new', 50, ARRAY['SECTION_81'], false, 'ASK', 'CLEARING',
 jsonb_build_object('de', 'Neue gehen durch das Clearing; nach der Erteilung ist Begleitung möglich.',
   'en', 'Newcomers go through clearing; support is possible after the grant.'),
 '§ 81 AufenthG'),
('any-other', 90, ARRAY[]::text[], NULL, 'ASK', 'SIGNPOSTING',
 jsonb_build_object('de', 'Verweisberatung, wo sie hilft; für Begleitung bitte nachfragen.',
   'en', 'Signposting advice where it helps; please ask about support.'),
 NULL)
"""


def upgrade() -> None:
    for block in (TABLES, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
    for function in FUNCTIONS:
        op.execute(function)
    for table in dict.fromkeys(table for table, _, _, _ in POLICIES):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, name, verb, condition in POLICIES:
        rows = condition.format(table=table.rpartition(".")[2])
        clause = {
            "ALL": f"USING ({rows}) WITH CHECK ({rows})",
            "SELECT": f"USING ({rows})",
            "INSERT": f"WITH CHECK ({rows})",
            "UPDATE": f"USING ({rows}) WITH CHECK ({rows})",
        }[verb]
        op.execute(f"CREATE POLICY {name} ON {table} FOR {verb} TO spurwechsel_app {clause}")
    op.execute(RULES)
