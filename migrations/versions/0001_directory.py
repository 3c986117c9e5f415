"""The directory: partners, services, documents, the change feed, members, tokens, audit."""

from alembic import op

revision = "0001_directory"
down_revision = None

ROLES = """
DO $$
DECLARE missing text;
BEGIN
  SELECT string_agg(name, ', ') INTO missing
  FROM unnest(ARRAY['spurwechsel_app', 'spurwechsel_reader']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'Missing database roles: %. The README says how to create them.', missing;
  END IF;
END $$
"""

TABLES = """
CREATE TABLE audit (
  id BIGSERIAL NOT NULL,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  role TEXT NOT NULL,
  member_id UUID,
  partner_id UUID,
  action TEXT NOT NULL,
  object_kind TEXT NOT NULL,
  object_id UUID NOT NULL,
  details JSONB NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX audit_object ON audit (object_kind, object_id);
CREATE TABLE change (
  kind TEXT NOT NULL,
  id UUID NOT NULL,
  sequence BIGINT NOT NULL,
  version INTEGER NOT NULL,
  tombstone BOOLEAN NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX change_sequence ON change (sequence);
CREATE TABLE feed (
  singleton BOOLEAN NOT NULL,
  id UUID NOT NULL,
  PRIMARY KEY (singleton),
  CONSTRAINT feed_is_one_row CHECK (singleton)
);
CREATE TABLE idempotency (
  member_id UUID NOT NULL,
  operation TEXT NOT NULL,
  key TEXT NOT NULL,
  input_hash BYTEA NOT NULL,
  result_id UUID NOT NULL,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (member_id, operation, key)
);
CREATE TABLE municipality (
  id UUID NOT NULL,
  ars TEXT NOT NULL,
  name JSONB NOT NULL,
  kind_labels JSONB NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (ars)
);
CREATE TABLE occupation (
  esco TEXT NOT NULL,
  labels JSONB NOT NULL,
  regulated BOOLEAN NOT NULL,
  PRIMARY KEY (esco)
);
CREATE TABLE topic (
  code TEXT NOT NULL,
  labels JSONB NOT NULL,
  synonyms JSONB NOT NULL,
  parent TEXT,
  PRIMARY KEY (code),
  FOREIGN KEY(parent) REFERENCES topic (code)
);
CREATE TABLE partner (
  id UUID NOT NULL,
  municipality_id UUID NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  description JSONB NOT NULL,
  website TEXT,
  contact_points JSONB NOT NULL,
  languages JSONB NOT NULL,
  state TEXT NOT NULL,
  active BOOLEAN NOT NULL,
  coordinates BOOLEAN NOT NULL,
  data_protection_law TEXT NOT NULL,
  professional_secrecy BOOLEAN NOT NULL,
  public_body BOOLEAN NOT NULL,
  school BOOLEAN NOT NULL,
  superior_contact TEXT,
  note TEXT,
  assured_at TIMESTAMP WITH TIME ZONE,
  provenance JSONB,
  version INTEGER NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(municipality_id) REFERENCES municipality (id)
);
CREATE INDEX partner_municipality ON partner (municipality_id);
CREATE UNIQUE INDEX partner_one_coordination ON partner (municipality_id) WHERE coordinates;
CREATE TABLE location (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  name TEXT NOT NULL,
  street TEXT,
  postcode TEXT,
  city TEXT,
  ars TEXT,
  latitude DOUBLE PRECISION,
  longitude DOUBLE PRECISION,
  accessibility JSONB NOT NULL,
  hours JSONB,
  PRIMARY KEY (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id)
);
CREATE INDEX location_partner ON location (partner_id);
CREATE TABLE member (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  administers BOOLEAN NOT NULL,
  deputy_id UUID,
  active BOOLEAN NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(partner_id) REFERENCES partner (id),
  FOREIGN KEY(deputy_id) REFERENCES member (id)
);
CREATE INDEX member_partner ON member (partner_id);
CREATE TABLE partner_document (
  id UUID NOT NULL,
  municipality_id UUID NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  sort_key BYTEA NOT NULL,
  version INTEGER NOT NULL,
  shape INTEGER NOT NULL,
  public TEXT NOT NULL,
  internal TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(id) REFERENCES partner (id) ON DELETE CASCADE
);
CREATE INDEX partner_document_municipality ON partner_document (municipality_id);
CREATE INDEX partner_document_order ON partner_document (sort_key, id);
CREATE TABLE service (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  kind TEXT,
  title JSONB NOT NULL,
  description JSONB NOT NULL,
  website TEXT,
  source_terms JSONB NOT NULL,
  languages JSONB NOT NULL,
  eligibility JSONB NOT NULL,
  area TEXT[] NOT NULL,
  responsibility TEXT NOT NULL,
  contact_points JSONB NOT NULL,
  capacity JSONB NOT NULL,
  course JSONB,
  recognition JSONB,
  interpreting JSONB,
  state TEXT NOT NULL,
  note TEXT,
  assured_at TIMESTAMP WITH TIME ZONE,
  provenance JSONB,
  version INTEGER NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT service_kind_known_or_imported CHECK (kind IS NOT NULL OR provenance IS NOT NULL),
  FOREIGN KEY(partner_id) REFERENCES partner (id)
);
CREATE INDEX service_partner ON service (partner_id);
CREATE TABLE access_token (
  id UUID NOT NULL,
  member_id UUID NOT NULL,
  token_hash BYTEA NOT NULL,
  label TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  revoked_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  FOREIGN KEY(member_id) REFERENCES member (id),
  UNIQUE (token_hash)
);
CREATE TABLE service_document (
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  municipality_id UUID NOT NULL,
  kind TEXT,
  topics TEXT[] NOT NULL,
  state TEXT NOT NULL,
  sort_key BYTEA NOT NULL,
  version INTEGER NOT NULL,
  shape INTEGER NOT NULL,
  public TEXT NOT NULL,
  internal TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(id) REFERENCES service (id) ON DELETE CASCADE
);
CREATE INDEX service_document_municipality ON service_document (municipality_id);
CREATE INDEX service_document_order ON service_document (sort_key, id);
CREATE INDEX service_document_partner ON service_document (partner_id, sort_key, id);
CREATE INDEX service_document_topics ON service_document USING gin (topics);
CREATE TABLE service_location (
  service_id UUID NOT NULL,
  location_id UUID NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (service_id, location_id),
  FOREIGN KEY(service_id) REFERENCES service (id),
  FOREIGN KEY(location_id) REFERENCES location (id)
);
CREATE TABLE service_topic (
  service_id UUID NOT NULL,
  topic_code TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (service_id, topic_code),
  FOREIGN KEY(service_id) REFERENCES service (id),
  FOREIGN KEY(topic_code) REFERENCES topic (code)
)
"""

FEED = """
CREATE SEQUENCE change_sequence_seq AS bigint OWNED BY change.sequence;
INSERT INTO feed (singleton, id) VALUES (true, gen_random_uuid())
"""

GRANTS = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO spurwechsel_app, spurwechsel_reader;
GRANT SELECT, INSERT, UPDATE ON municipality, topic, occupation, partner, location, service, service_topic,
  service_location, partner_document, service_document, change, member, access_token, idempotency
  TO spurwechsel_app;
GRANT DELETE ON location, service_topic, service_location, idempotency TO spurwechsel_app;
GRANT SELECT ON feed TO spurwechsel_app;
GRANT SELECT ON schema_version TO spurwechsel_app, spurwechsel_reader;
GRANT SELECT, INSERT ON audit TO spurwechsel_app;
GRANT USAGE ON SEQUENCE change_sequence_seq, audit_id_seq TO spurwechsel_app;
GRANT SELECT ON municipality, topic, occupation, change, feed TO spurwechsel_reader;
GRANT SELECT (id, municipality_id, kind, state, sort_key, version, shape, public)
  ON partner_document TO spurwechsel_reader;
GRANT SELECT (id, partner_id, municipality_id, kind, topics, state, sort_key, version, shape, public)
  ON service_document TO spurwechsel_reader
"""

# The reader sees the published directory only. Whoever writes sees all documents; the sources filter them.
# Nobody but the clock and the data protection officer's tools (SYSTEM) reads the audit; nobody changes it.
ROW_LEVEL_SECURITY = """
ALTER TABLE partner_document ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_document ENABLE ROW LEVEL SECURITY;
CREATE POLICY published ON partner_document FOR SELECT TO spurwechsel_reader USING (state = 'PUBLISHED');
CREATE POLICY published ON service_document FOR SELECT TO spurwechsel_reader USING (state = 'PUBLISHED');
CREATE POLICY writer ON partner_document TO spurwechsel_app USING (true);
CREATE POLICY writer ON service_document TO spurwechsel_app USING (true);
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON audit FOR INSERT TO spurwechsel_app WITH CHECK (true);
CREATE POLICY read_by_system ON audit FOR SELECT TO spurwechsel_app
  USING (current_setting('app.role', true) = 'SYSTEM')
"""


def upgrade() -> None:
    op.execute(ROLES)
    for block in (TABLES, FEED, GRANTS, ROW_LEVEL_SECURITY):
        for statement in block.split(";\n"):
            op.execute(statement)
