"""What HSDS lists filter by, beside the documents; the next rebuild of the documents fills it."""

from alembic import op

revision = "0019_hsds"
down_revision = "0018_history"

COLUMNS = """
ALTER TABLE partner_document
  ADD COLUMN modified_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT '-infinity',
  ADD COLUMN terms TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN words TEXT NOT NULL DEFAULT '',
  ADD COLUMN postcodes TEXT[] NOT NULL DEFAULT '{}';
ALTER TABLE service_document
  ADD COLUMN modified_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT '-infinity',
  ADD COLUMN terms TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN foreign_terms TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN area TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN at_locations TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN postcodes TEXT[] NOT NULL DEFAULT '{}',
  ADD COLUMN latitudes FLOAT[] NOT NULL DEFAULT '{}',
  ADD COLUMN longitudes FLOAT[] NOT NULL DEFAULT '{}'
"""

INDEXES = """
CREATE INDEX partner_document_modified ON partner_document (modified_at, id);
CREATE INDEX partner_document_postcodes ON partner_document USING gin (postcodes);
CREATE INDEX service_document_modified ON service_document (modified_at, id);
CREATE INDEX service_document_terms ON service_document USING gin (terms);
CREATE INDEX service_document_at_locations ON service_document USING gin (at_locations);
CREATE INDEX service_document_postcodes ON service_document USING gin (postcodes)
"""

GRANTS = """
GRANT SELECT (modified_at, terms, words, postcodes) ON partner_document TO spurwechsel_reader;
GRANT SELECT (modified_at, terms, foreign_terms, area, at_locations, postcodes, latitudes, longitudes)
  ON service_document TO spurwechsel_reader
"""


def upgrade() -> None:
    for block in (COLUMNS, INDEXES, GRANTS):
        for statement in block.split(";\n"):
            op.execute(statement)
