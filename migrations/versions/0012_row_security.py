"""Row-level security completed: who may change which column, which moves exist, what remains, who deletes.

Row policies say which rows an actor reaches. What they cannot say stands in triggers here: a side changes
only its own columns, a state changes only along the move table, nothing is sent without a consent that
covers it, events and audit are append only. Deleting what must remain is the deletion job's alone: SYSTEM,
while ``app.deletion_run`` names a run.
"""

from alembic import op

revision = "0012_row_security"
down_revision = "0011_retention"

# (who, to, from …): referrals.states.TABLE as it is; LEAD are the moves that take four eyes. A test compares.
MOVES = (
    ("CLOCK", "ABANDONED", "AWAITING_CONSENT DRAFT"),
    ("CLOCK", "ACKNOWLEDGED", "INFO_REQUESTED"),
    ("CLOCK", "CLOSED", "OUTCOME_REPORTED"),
    ("CLOCK", "EXPIRED", "ACCEPTED ACKNOWLEDGED SENT WAITLISTED"),
    ("CLOCK", "OUTCOME_REPORTED", "IN_PROGRESS ON_HOLD"),
    (
        "CONSENT",
        "CONSENT_REVOKED",
        "ACCEPTED ACKNOWLEDGED AWAITING_CONSENT DRAFT INFO_REQUESTED IN_PROGRESS ON_HOLD "
        "OUTCOME_REPORTED SENT WAITLISTED",
    ),
    (
        "LEAD",
        "ENTERED_IN_ERROR",
        "ABANDONED ACCEPTED ACKNOWLEDGED CANCELLED CLOSED CONSENT_REVOKED DECLINED EXPIRED "
        "INFO_REQUESTED IN_PROGRESS ON_HOLD OUTCOME_REPORTED SENT WAITLISTED",
    ),
    ("LEAD", "IN_PROGRESS", "CLOSED"),
    ("PERSON", "ABANDONED", "AWAITING_CONSENT DRAFT"),
    (
        "PERSON",
        "CANCELLED",
        "ACCEPTED ACKNOWLEDGED INFO_REQUESTED IN_PROGRESS ON_HOLD OUTCOME_REPORTED SENT WAITLISTED",
    ),
    ("PERSON", "IN_PROGRESS", "OUTCOME_REPORTED"),
    ("RECIPIENT", "ACCEPTED", "ACKNOWLEDGED SENT WAITLISTED"),
    ("RECIPIENT", "ACKNOWLEDGED", "SENT"),
    ("RECIPIENT", "DECLINED", "ACCEPTED ACKNOWLEDGED SENT WAITLISTED"),
    ("RECIPIENT", "INFO_REQUESTED", "ACKNOWLEDGED SENT"),
    ("RECIPIENT", "IN_PROGRESS", "ACCEPTED ON_HOLD"),
    ("RECIPIENT", "ON_HOLD", "IN_PROGRESS"),
    ("RECIPIENT", "OUTCOME_REPORTED", "ACCEPTED IN_PROGRESS ON_HOLD"),
    ("RECIPIENT", "WAITLISTED", "ACKNOWLEDGED SENT"),
    ("SENDER", "ABANDONED", "AWAITING_CONSENT DRAFT"),
    ("SENDER", "ACKNOWLEDGED", "INFO_REQUESTED"),
    ("SENDER", "AWAITING_CONSENT", "DRAFT"),
    (
        "SENDER",
        "CANCELLED",
        "ACCEPTED ACKNOWLEDGED INFO_REQUESTED IN_PROGRESS ON_HOLD OUTCOME_REPORTED SENT WAITLISTED",
    ),
    ("SENDER", "CLOSED", "OUTCOME_REPORTED"),
    ("SENDER", "ENTERED_IN_ERROR", "AWAITING_CONSENT DRAFT"),
    ("SENDER", "IN_PROGRESS", "OUTCOME_REPORTED"),
    ("SENDER", "SENT", "AWAITING_CONSENT DRAFT"),
)

# Who sends whom where never changes; `parent_id` is only ever cut by the deletion job.
NEVER_CHANGE = (
    "id municipality_id sender_partner_id client_id pseudonym service_id recipient_partner_id parent_id"
    " created_at"
)
# What every move changes, whoever makes it; the clock's own columns among them.
OF_EVERY_MOVE = (
    "state state_since version updated_at sender_updated_at hidden_changes next_tick_at place_taken"
)
# Who on the recipient's side looks after it: the sender who records an answer does not choose that.
OF_RECIPIENT_ONLY = "recipient_member_id recipient_read"
OF_RECIPIENT = (
    "recipient_member_id recipient_contact recipient_file_number answer_due_at clock_stopped_at"
    " question_due_at expected_week first_contact_on first_contact_made_on expected_end resume_on"
    " last_sign_of_life decline_reason declined_by better_service_id reason outcome outcome_on"
    " outcome_reason revocation_due_at revocation_answer overdue appointment_at interim_report_on no_shows"
    " recipient_read"
)
# Four eyes: reopening, and taking back what was entered in error, which erases.
OF_LEAD = (
    "closed_at outcome outcome_on outcome_reason feedback_asked unconfirmed last_sign_of_life reason language"
    " area sender_file_number recipient_contact recipient_file_number expected_week first_contact_on"
    " first_contact_made_on expected_end resume_on answer_due_at clock_stopped_at question_due_at"
    " appointment_at categories"
)
# The person contests, cancels, abandons, withdraws.
OF_PERSON = (
    "reason outcome outcome_on outcome_reason disputed last_sign_of_life answer_due_at clock_stopped_at"
    " question_due_at revocation_due_at consent_id"
)

ENDED = "CLOSED ABANDONED DECLINED EXPIRED CANCELLED CONSENT_REVOKED ENTERED_IN_ERROR"


def _array(words: str) -> str:
    return "ARRAY[" + ", ".join(f"'{word}'" for word in words.split()) + "]"


def _moves() -> str:
    return ",\n    ".join(
        f"('{who}', '{source}', '{target}')" for who, target, sources in MOVES for source in sources.split()
    )


# Who acts, as in 0002, but in plpgsql: functions in SQL are parsed and folded into every statement anew, a
# dozen times where a table has a dozen policies, which took longer than the statement itself.
WHO_ACTS = {
    "acting_partner() RETURNS uuid": """CASE
    WHEN current_setting('app.role', true) IN ('COORDINATOR', 'LEAD', 'PARTNER_MEMBER')
      AND nullif(current_setting('app.member', true), '') IS NOT NULL
    THEN nullif(current_setting('app.partner', true), '')::uuid END""",
    "acting_member() RETURNS uuid": "nullif(current_setting('app.member', true), '')::uuid",
    "leading_partner() RETURNS uuid": """CASE
    WHEN current_setting('app.role', true) = 'LEAD' THEN acting_partner() END""",
    "leading_municipality() RETURNS uuid": """CASE
    WHEN current_setting('app.role', true) = 'LEAD' AND acting_member() IS NOT NULL
    THEN nullif(current_setting('app.municipality', true), '')::uuid END""",
    "acting_for_system() RETURNS boolean": "coalesce(current_setting('app.role', true) = 'SYSTEM', false)",
    "acting_for_deletion() RETURNS boolean": """
    acting_for_system() AND nullif(current_setting('app.deletion_run', true), '') IS NOT NULL""",
    "acting_code() RETURNS bytea": "decode(nullif(current_setting('app.code_hash', true), ''), 'hex')",
    "acting_now() RETURNS timestamptz": """
    coalesce(nullif(current_setting('app.now', true), '')::timestamptz, now())""",
}

# What a policy asks of another table; each is planned once per connection (see 0005).
ASKED = {
    "asked_as_lead(referral_id uuid)": """SELECT FROM approval a
    WHERE a.referral_id = asked_as_lead.referral_id AND a.municipality_id = leading_municipality()
      AND (a.state = 'REQUESTED' OR a.decided_by = acting_member())""",
    "sees_referral(referral_id uuid)": "SELECT FROM referral r WHERE r.id = sees_referral.referral_id",
    "appends_event(referral_id uuid, actor text)": """SELECT FROM referral r
    WHERE r.id = appends_event.referral_id AND (r.sender_partner_id = acting_partner()
      OR appends_event.actor = 'RECIPIENT' AND r.recipient_partner_id = acting_partner()
      OR r.municipality_id = leading_municipality() OR acting_code() IS NOT NULL)""",
    "names_person_of(booking_id uuid)": """SELECT FROM booking b
    WHERE b.id = names_person_of.booking_id AND b.requester_partner_id = acting_partner()""",
    "reads_person_of(booking_id uuid)": """SELECT FROM booking b
    WHERE b.id = reads_person_of.booking_id AND b.recipient_partner_id = acting_partner()
      AND b.state = 'CONFIRMED'""",
    "coded(code_id uuid, referral_id uuid, partner_id uuid)": """SELECT FROM feedback_code f
    WHERE f.id = coded.code_id AND f.referral_id = coded.referral_id AND f.partner_id = coded.partner_id
      AND f.code_hash = acting_code() AND f.expires_at > acting_now()""",
}


def _plain() -> list[str]:
    who = [
        f"CREATE OR REPLACE FUNCTION {name} LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$\n"
        f"BEGIN\n  RETURN {said};\nEND $$"
        for name, said in WHO_ACTS.items()
    ]
    asked = [
        f"CREATE FUNCTION {name} RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$\n"
        f"BEGIN\n  RETURN EXISTS ({query});\nEND $$"
        for name, query in ASKED.items()
    ]
    return who + asked


FUNCTIONS = (
    # The holder of an answer link acts for the recipient, that of a code card for the person.
    """
CREATE FUNCTION code_sides(of_referral uuid) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF acting_code() IS NULL THEN
    RETURN ARRAY[]::text[];
  ELSIF EXISTS (SELECT FROM answer_link l WHERE l.referral_id = of_referral
      AND l.code_hash = acting_code()) THEN
    RETURN ARRAY['RECIPIENT'];
  ELSIF EXISTS (SELECT FROM code_card k WHERE k.code_hash = acting_code()) THEN
    RETURN ARRAY['PERSON', 'CONSENT'];
  END IF;
  RETURN ARRAY[]::text[];
END $$""",
    f"""
CREATE FUNCTION referral_moves() RETURNS TABLE (party text, from_state text, to_state text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  VALUES {_moves()}
$$""",
    # As whom the actor may change this referral; the sender also records what recipient and person said.
    """
CREATE FUNCTION sides_of(r referral) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (CASE WHEN r.sender_partner_id = acting_partner()
        THEN ARRAY['SENDER', 'RECIPIENT', 'PERSON', 'CONSENT'] ELSE ARRAY[]::text[] END)
      || (CASE WHEN r.recipient_partner_id = acting_partner() AND r.sent_at IS NOT NULL
        THEN ARRAY['RECIPIENT'] ELSE ARRAY[]::text[] END)
      || (CASE WHEN r.municipality_id = leading_municipality()
        THEN ARRAY['LEAD'] ELSE ARRAY[]::text[] END)
      || code_sides(r.id);
END $$""",
    f"""
CREATE FUNCTION keep_referral() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  sides text[];
  was jsonb;
  changed text[];
  mine text[] := {_array(OF_EVERY_MOVE)};
BEGIN
  -- The clock's batches make several moves at once, and stand in for others who may not see the row.
  IF acting_for_system() THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'DRAFT' OR NEW.sent_at IS NOT NULL THEN
      RAISE EXCEPTION 'A referral begins as a draft.' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
  END IF;
  sides := sides_of(OLD);
  IF NEW.state <> OLD.state THEN
    IF NOT EXISTS (SELECT FROM referral_moves() m WHERE m.party = ANY (sides)
      AND m.from_state = OLD.state AND m.to_state = NEW.state) THEN
      RAISE EXCEPTION 'No move of this actor leads from % to %.', OLD.state, NEW.state
        USING ERRCODE = 'restrict_violation';
    END IF;
    -- A condition is planned as a whole: what needs a query is a condition of its own.
    IF NEW.state = 'SENT' THEN
      IF NOT EXISTS (SELECT FROM consent c WHERE c.id = NEW.consent_id
        AND c.client_id = NEW.client_id AND c.state = 'GIVEN'
        AND c.valid_from <= acting_now() AND acting_now() < c.valid_until
        AND c.terms -> 'recipients' @> jsonb_build_array(
          jsonb_build_object('partner_id', NEW.recipient_partner_id))
        AND EXISTS (SELECT FROM jsonb_array_elements(c.terms -> 'purposes') p
          WHERE p ->> 'purpose' = 'REFERRAL' AND (p ->> 'granted')::boolean
            AND p -> 'categories' @> to_jsonb(NEW.categories))) THEN
        RAISE EXCEPTION 'No consent in force covers what would be sent.' USING ERRCODE = 'restrict_violation';
      END IF;
    END IF;
  END IF;
  IF NEW.state <> OLD.state AND (OLD.state = 'CLOSED'
      OR NEW.state = 'ENTERED_IN_ERROR' AND OLD.state NOT IN ('DRAFT', 'AWAITING_CONSENT')) THEN
    IF NOT EXISTS (SELECT FROM approval a WHERE a.referral_id = OLD.id AND a.state = 'CONFIRMED'
      AND a.decided_by = acting_member() AND a.requested_by <> acting_member()
      AND a.decided_at = acting_now()
      AND a.move = CASE WHEN NEW.state = 'ENTERED_IN_ERROR' THEN 'ENTERED_IN_ERROR' ELSE 'REOPEN' END)
    THEN
      RAISE EXCEPTION 'This move takes four eyes.' USING ERRCODE = 'insufficient_privilege';
    END IF;
  END IF;
  was := to_jsonb(OLD);
  SELECT array_agg(n.key) INTO changed FROM jsonb_each(to_jsonb(NEW)) n
    WHERE n.value IS DISTINCT FROM was -> n.key;
  IF 'SENDER' = ANY (sides) THEN
    SELECT array_agg(k) INTO mine FROM jsonb_object_keys(was) k
      WHERE k <> ALL ({_array(NEVER_CHANGE)} || {_array(OF_RECIPIENT_ONLY)});
  END IF;
  IF OLD.recipient_partner_id = acting_partner()
    OR 'RECIPIENT' = ANY (sides) AND 'SENDER' <> ALL (sides) THEN
    mine := mine || {_array(OF_RECIPIENT)};
  END IF;
  IF 'LEAD' = ANY (sides) THEN
    mine := mine || {_array(OF_LEAD)};
  END IF;
  IF 'PERSON' = ANY (sides) THEN
    mine := mine || {_array(OF_PERSON)};
  END IF;
  IF NOT coalesce(changed <@ mine, true) THEN
    SELECT array_agg(k) INTO changed FROM unnest(changed) k WHERE k <> ALL (mine);
    RAISE EXCEPTION 'Not this side''s to change: %.', changed USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER referral_kept BEFORE INSERT OR UPDATE ON referral
FOR EACH ROW EXECUTE FUNCTION keep_referral()""",
    # A batch of consents that end, the deletion of what is due: all at once. Returns those that have ended,
    # nothing of the others is touched.
    f"""
CREATE FUNCTION erase_packages(referrals uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  role_before text := current_setting('app.role', true);
  ended uuid[];
BEGIN
  SELECT array_agg(r.id) INTO ended FROM referral r WHERE r.id = ANY (referrals)
    AND r.state = ANY ({_array(ENDED)});
  IF ended IS NULL THEN
    RETURN ARRAY[]::uuid[];
  END IF;
  PERFORM set_config('app.role', 'SYSTEM', true);
  DELETE FROM referral_package p WHERE p.referral_id = ANY (ended);
  UPDATE referral_event e SET sealed_text = NULL
    WHERE e.referral_id = ANY (ended) AND e.sealed_text IS NOT NULL;
  PERFORM set_config('app.role', coalesce(role_before, ''), true);
  RETURN ended;
END $$""",
    """
CREATE OR REPLACE FUNCTION erase_package(ended uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN cardinality(erase_packages(ARRAY[ended])) > 0;
END $$""",
    # What happened stays; only the sealed text of an event is ever erased, with the package.
    """
CREATE FUNCTION keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(NEW) - 'sealed_text' IS DISTINCT FROM to_jsonb(OLD) - 'sealed_text'
    OR NEW.sealed_text IS NOT NULL AND NEW.sealed_text IS DISTINCT FROM OLD.sealed_text THEN
    RAISE EXCEPTION 'Events are append only.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER event_kept BEFORE UPDATE ON referral_event FOR EACH ROW EXECUTE FUNCTION keep_event()""",
    # Erased stays erased: nothing sealed comes back into the row of a person whose key is gone.
    """
CREATE FUNCTION keep_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.erased_at IS NOT NULL AND (NEW.erased_at IS DISTINCT FROM OLD.erased_at
    OR NEW.sealed_identity IS NOT NULL OR NEW.sealed_contact IS NOT NULL
    OR NEW.sealed_profile IS NOT NULL OR NEW.name_index <> '{}') THEN
    RAISE EXCEPTION 'Erased stays erased.' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.partner_id <> OLD.partner_id OR NEW.pseudonym <> OLD.pseudonym THEN
    RAISE EXCEPTION 'Whose client this is does not change.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER client_erased_stays BEFORE UPDATE ON client FOR EACH ROW EXECUTE FUNCTION keep_erased()""",
)

SENDS = "sends_referral(referral_id)"
OWN_CLIENT = "sees_client(client_id)"

# The policies of 0002 that look at other tables, with the functions above. What acts as the system has
# policies of its own, and is not asked these. What a recipient reads of consent and package is in 0015.
SIMPLIFIED = (
    ("client_phase_change", "read", "SELECT", OWN_CLIENT),
    ("client_phase_change", "append", "INSERT", OWN_CLIENT),
    ("exclusion", "lead", "ALL", "partner_id = leading_partner() AND " + OWN_CLIENT),
    ("consent", "ask", "INSERT", "(partner_id = acting_partner() OR acting_for_system()) AND " + OWN_CLIENT),
    ("referral", "send", "INSERT", "sender_partner_id = acting_partner() AND " + OWN_CLIENT),
    ("referral", "lead_select", "SELECT", "leading_municipality() IS NOT NULL AND asked_as_lead(id)"),
    ("referral", "lead_update", "UPDATE", "leading_municipality() IS NOT NULL AND asked_as_lead(id)"),
    ("referral_package", "sender", "ALL", "acting_partner() IS NOT NULL AND " + SENDS),
    ("referral_event", "read", "SELECT", "acting_for_system() OR sees_referral(referral_id)"),
    ("referral_event", "append", "INSERT", "acting_for_system() OR appends_event(referral_id, actor)"),
    ("referral_event", "erase", "UPDATE", "acting_for_system() OR " + SENDS),
    (
        "booking_person",
        "requester",
        "ALL",
        "acting_partner() IS NOT NULL AND names_person_of(booking_id) AND " + OWN_CLIENT,
    ),
    ("booking_person", "recipient", "SELECT", "acting_partner() IS NOT NULL AND reads_person_of(booking_id)"),
    ("feedback_code", "issue", "INSERT", "partner_id = acting_partner() AND " + SENDS),
    ("feedback", "record", "INSERT", "partner_id = acting_partner() AND " + SENDS),
    *(
        (
            "feedback",
            f"person_{verb.lower()}",
            verb,
            "acting_code() IS NOT NULL AND coded(code_id, referral_id, partner_id)",
        )
        for verb in ("SELECT", "INSERT")
    ),
)


def _simplified() -> list[str]:
    clauses = {
        "ALL": "USING ({0}) WITH CHECK ({0})",
        "SELECT": "USING ({0})",
        "INSERT": "WITH CHECK ({0})",
        "UPDATE": "USING ({0}) WITH CHECK ({0})",
    }
    return [
        f"ALTER POLICY {name} ON {table} {clauses[verb].format(rows)}"
        for table, name, verb, rows in SIMPLIFIED
    ]


STATEMENTS = (
    *_simplified(),
    # A feedback code opens the feedback, and nothing of the referral.
    "DROP POLICY person_select ON referral",
    "DROP POLICY person_update ON referral",
    # A request for four eyes begins as a request, and only its decision changes.
    """ALTER POLICY ask ON approval WITH CHECK (partner_id = acting_partner()
      AND requested_by = acting_member() AND state = 'REQUESTED' AND decided_by IS NULL)""",
    """ALTER POLICY decide ON approval USING (municipality_id = leading_municipality())
      WITH CHECK (municipality_id = leading_municipality() AND decided_by = acting_member())""",
    "REVOKE UPDATE ON approval FROM spurwechsel_app",
    "GRANT UPDATE (state, decided_by, decided_at, remind_at, version) ON approval TO spurwechsel_app",
    # Whoever acts writes the audit in their own name.
    """ALTER POLICY append ON audit WITH CHECK (acting_for_system()
      OR role = nullif(current_setting('app.role', true), '')
        AND member_id IS NOT DISTINCT FROM acting_member()
      OR acting_code() IS NOT NULL AND role = 'ANONYMOUS' AND member_id IS NULL)""",
    # The person's card sees appointments, and sets none.
    "CREATE POLICY no_card ON appointment AS RESTRICTIVE FOR INSERT TO spurwechsel_app"
    " WITH CHECK (acting_code() IS NULL OR 'RECIPIENT' = ANY (code_sides(referral_id)))",
    "CREATE POLICY no_card_changes ON appointment AS RESTRICTIVE FOR UPDATE TO spurwechsel_app"
    " USING (acting_code() IS NULL OR 'RECIPIENT' = ANY (code_sides(referral_id)))",
    "ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE idempotency FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own ON idempotency FOR ALL TO spurwechsel_app USING (member_id = acting_member())"
    " WITH CHECK (member_id = acting_member())",
    # Who signs in is looked up before anybody acts; so tokens are guarded by their hash, and only deleting is
    # the job's alone.
    "ALTER TABLE access_token ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY service ON access_token FOR ALL TO spurwechsel_app USING (true) WITH CHECK (true)",
    "CREATE POLICY only_when_due ON access_token AS RESTRICTIVE FOR DELETE TO spurwechsel_app"
    " USING (acting_for_deletion())",
    "GRANT DELETE ON access_token TO spurwechsel_app",
    # What outlives its parent lets go of it.
    "GRANT UPDATE (sealed_text, code_id) ON feedback TO spurwechsel_app",
    "GRANT UPDATE (parent_id) ON referral TO spurwechsel_app",
)

PERSONAL_TABLES = """SELECT c.relname FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
    AND c.relforcerowsecurity
  ORDER BY c.relname"""


def upgrade() -> None:
    bind = op.get_bind()
    for statement in (*_plain(), *FUNCTIONS, *STATEMENTS):
        op.execute(statement)
    for (table,) in bind.exec_driver_sql(PERSONAL_TABLES).fetchall():
        deletes = f"SELECT has_table_privilege('spurwechsel_app', 'public.{table}', 'DELETE')"
        if not bind.exec_driver_sql(deletes).scalar():
            op.execute(f"GRANT DELETE ON {table} TO spurwechsel_app")
            op.execute(
                f"CREATE POLICY only_when_due ON {table} AS RESTRICTIVE FOR DELETE TO spurwechsel_app"
                " USING (acting_for_deletion())"
            )
        op.execute(
            f"CREATE POLICY deletion ON {table} FOR ALL TO spurwechsel_app"
            " USING (acting_for_deletion()) WITH CHECK (acting_for_deletion())"
        )
