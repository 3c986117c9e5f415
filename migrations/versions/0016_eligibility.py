"""Eligibility: runs of courses, how services want to be referred to, and the project's rule as versions.

The lines of the project's rule become one version of it: the project's own, and one more for each
municipality that had lines of its own. A decided version never changes any more, for its LEAD neither.
"""

from alembic import op

revision = "0016_eligibility"
down_revision = "0015_own_rows"


SERVICES = """
ALTER TABLE service ADD COLUMN referral_facts JSONB;
UPDATE service SET course = (course - 'starts_on' - 'ends_on') || jsonb_build_object('runs',
  jsonb_build_array(jsonb_strip_nulls(
    jsonb_build_object('starts_on', course->'starts_on', 'ends_on', course->'ends_on'))))
  WHERE course ?| ARRAY['starts_on', 'ends_on'];
ALTER TABLE service_document ADD COLUMN course JSONB;
UPDATE service_document d SET course = s.course FROM service s WHERE s.id = d.id AND s.course IS NOT NULL;
GRANT SELECT (course) ON service_document TO spurwechsel_reader
"""

RULE_SETS = """
CREATE TABLE rule_set (
  id UUID NOT NULL,
  municipality_id UUID,
  state TEXT NOT NULL,
  valid_from DATE,
  rules JSONB NOT NULL,
  remark TEXT,
  drafted_at TIMESTAMP WITH TIME ZONE NOT NULL,
  decided_at TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT rule_set_decided CHECK ((state = 'DRAFT') = (decided_at IS NULL)),
  CONSTRAINT rule_set_not_backwards
    CHECK (valid_from IS NULL OR valid_from > (decided_at AT TIME ZONE 'Europe/Berlin')::date),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id)
);
CREATE INDEX rule_set_municipality ON rule_set (municipality_id, valid_from);
INSERT INTO rule_set (id, municipality_id, state, rules, drafted_at, decided_at, version)
  SELECT gen_random_uuid(), keeper.id, 'DECIDED',
    (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', line.id, 'statuses', to_jsonb(line.statuses),
        'supported_before', line.supported_before, 'answer', line.answer, 'advice', line.advice,
        'legal_basis', line.legal_basis, 'valid_from', line.valid_from, 'valid_to', line.valid_to))
        || jsonb_build_object('reason', line.reason)
        ORDER BY line.municipality_id IS NULL, line.position, line.id)
      FROM project_rule line WHERE line.municipality_id IS NULL OR line.municipality_id = keeper.id),
    now(), now(), 1
  FROM (SELECT DISTINCT municipality_id AS id FROM project_rule) keeper;
DROP TABLE project_rule;
ALTER TABLE rule_set ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE (rules, remark, state, valid_from, decided_at, version)
  ON rule_set TO spurwechsel_app;
CREATE POLICY decided ON rule_set FOR SELECT TO spurwechsel_app USING (state = 'DECIDED');
CREATE POLICY lead ON rule_set FOR SELECT TO spurwechsel_app
  USING (municipality_id = (SELECT leading_municipality()));
CREATE POLICY draft ON rule_set FOR INSERT TO spurwechsel_app
  WITH CHECK (municipality_id = (SELECT leading_municipality()) AND state = 'DRAFT');
CREATE POLICY change ON rule_set FOR UPDATE TO spurwechsel_app
  USING (municipality_id = (SELECT leading_municipality()) AND state = 'DRAFT')
  WITH CHECK (municipality_id = (SELECT leading_municipality()));
CREATE POLICY system ON rule_set FOR SELECT TO spurwechsel_app USING ((SELECT acting_for_system()));
ALTER TABLE client ADD COLUMN applied_in_time BOOLEAN;
ALTER TABLE client ADD COLUMN judged JSONB
"""


def upgrade() -> None:
    for block in (SERVICES, RULE_SETS):
        for statement in block.split(";\n"):
            op.execute(statement)
