"""Eligibility: runs of courses, how services want to be referred to."""

from alembic import op

revision = "0016_eligibility"
down_revision = "0015_own_rows"


SERVICES = """
ALTER TABLE service ADD COLUMN referral_facts JSONB;
UPDATE service SET course = (course - 'starts_on' - 'ends_on') || jsonb_build_object('runs',
  jsonb_build_array(jsonb_strip_nulls(
    jsonb_build_object('starts_on', course->'starts_on', 'ends_on', course->'ends_on'))))
  WHERE course ?| ARRAY['starts_on', 'ends_on']
"""


def upgrade() -> None:
    for statement in SERVICES.split(";\n"):
        op.execute(statement)
