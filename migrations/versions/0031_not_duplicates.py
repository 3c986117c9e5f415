"""Pairs of entries that look alike, of which the coordination has said that they are different ones."""

from alembic import op

revision = "0031_not_duplicates"
down_revision = "0030_unmet_marks"

TABLES = """
CREATE TABLE not_duplicates (
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  one UUID NOT NULL,
  other UUID NOT NULL,
  municipality_id UUID NOT NULL,
  member_id UUID,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT not_duplicates_ordered CHECK (one < other),
  CONSTRAINT not_duplicates_once UNIQUE (one, other),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id)
);
CREATE INDEX not_duplicates_other ON not_duplicates (other);
CREATE INDEX not_duplicates_latest ON not_duplicates (municipality_id, at, id);
GRANT SELECT, INSERT, DELETE ON not_duplicates TO spurwechsel_app
"""

# Whoever asks stands in this municipality with both entries, so that nobody makes a row about another's.
FUNCTION = """
CREATE FUNCTION stands_in(of_kind text, entry uuid, municipality uuid) RETURNS boolean LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN CASE of_kind
    WHEN 'PARTNER' THEN EXISTS (SELECT FROM partner p WHERE p.id = entry AND p.municipality_id = municipality)
    ELSE EXISTS (SELECT FROM service s JOIN partner p ON p.id = s.partner_id
      WHERE s.id = entry AND p.municipality_id = municipality) END;
END $$
"""

SECURITY = """
ALTER TABLE not_duplicates ENABLE ROW LEVEL SECURITY;
ALTER TABLE not_duplicates FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON not_duplicates FOR ALL TO spurwechsel_app USING ((SELECT acting_for_system()));
CREATE POLICY coordination ON not_duplicates FOR ALL TO spurwechsel_app
  USING (municipality_id = (SELECT coordinated_municipality()))
  WITH CHECK (municipality_id = (SELECT coordinated_municipality()) AND member_id = acting_member()
    AND stands_in(kind, one, municipality_id) AND stands_in(kind, other, municipality_id))
"""


def upgrade() -> None:
    """Make the table, for the coordination of the municipality only."""
    for statement in (*TABLES.split(";\n"), FUNCTION, *SECURITY.split(";\n")):
        op.execute(statement)
