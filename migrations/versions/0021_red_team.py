"""What an attack on the database found, and the proof of what was shown before data were entered.

A request for four eyes lets a LEAD see a referral: only its sender asks, and a LEAD of its own town. A link
is made for the organisation that received the referral. Neither side of a booking becomes another.

The file of a person keeps which notice about § 87 AufenthG was shown before data were entered; it is taken
away with the person only, and never changed.
"""

from alembic import op

revision = "0021_red_team"
down_revision = "0020_importing"

NOTICE = (
    "ALTER TABLE client ADD COLUMN section_87_notice JSONB",
    """
CREATE FUNCTION keep_notice_shown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.section_87_notice IS DISTINCT FROM OLD.section_87_notice
    AND (NEW.section_87_notice IS NOT NULL OR NEW.erased_at IS NULL) THEN
    RAISE EXCEPTION 'What was shown does not change.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER client_notice_shown_stays BEFORE UPDATE OF section_87_notice ON client
FOR EACH ROW EXECUTE FUNCTION keep_notice_shown()""",
)

PARTIES = (
    """
CREATE FUNCTION sends_in(referral_ uuid, municipality uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN acting_partner() IS NOT NULL AND EXISTS (SELECT FROM referral r WHERE r.id = referral_
    AND r.sender_partner_id = acting_partner() AND r.municipality_id = municipality);
END $$""",
    """
CREATE FUNCTION sends_to(referral_ uuid, recipient uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN acting_partner() IS NOT NULL AND EXISTS (SELECT FROM referral r WHERE r.id = referral_
    AND r.sender_partner_id = acting_partner() AND r.recipient_partner_id = recipient);
END $$""",
    """
ALTER POLICY ask ON approval WITH CHECK (partner_id = acting_partner() AND requested_by = acting_member()
  AND sends_in(referral_id, municipality_id))""",
    """
ALTER POLICY issue ON answer_link WITH CHECK (partner_id = acting_partner()
  AND sends_to(referral_id, recipient_partner_id))""",
    """
CREATE FUNCTION keep_booking_parties() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.requester_partner_id <> OLD.requester_partner_id
    OR NEW.recipient_partner_id <> OLD.recipient_partner_id OR NEW.service_id <> OLD.service_id THEN
    RAISE EXCEPTION 'Whose booking this is does not change.' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$""",
    """
CREATE TRIGGER booking_parties_stay BEFORE UPDATE OF requester_partner_id, recipient_partner_id, service_id
ON booking FOR EACH ROW EXECUTE FUNCTION keep_booking_parties()""",
)
BEFORE = (
    "DROP TRIGGER booking_parties_stay ON booking",
    "DROP FUNCTION keep_booking_parties()",
    """
ALTER POLICY issue ON answer_link WITH CHECK (partner_id = acting_partner()
  AND sends_referral(referral_id))""",
    """
ALTER POLICY ask ON approval WITH CHECK (partner_id = acting_partner() AND requested_by = acting_member())""",
    "DROP FUNCTION sends_to(uuid, uuid)",
    "DROP FUNCTION sends_in(uuid, uuid)",
)


def upgrade() -> None:
    for statement in (*NOTICE, *PARTIES):
        op.execute(statement)
    # They are deleted with their record, by the database itself; nobody else has to.
    op.execute("DROP POLICY deletion ON consent_part")
    op.execute("REVOKE DELETE ON consent_part FROM spurwechsel_app")


def downgrade() -> None:
    for statement in BEFORE:
        op.execute(statement)
    op.execute("GRANT DELETE ON consent_part TO spurwechsel_app")
    op.execute("CREATE POLICY deletion ON consent_part FOR DELETE USING (acting_for_deletion())")
    op.execute("DROP TRIGGER client_notice_shown_stays ON client")
    op.execute("DROP FUNCTION keep_notice_shown()")
    op.execute("ALTER TABLE client DROP COLUMN section_87_notice")
