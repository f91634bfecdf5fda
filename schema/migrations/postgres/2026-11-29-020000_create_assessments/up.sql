CREATE TABLE assessments (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    supplier_id UUID NOT NULL,
    control TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C",
    total_score BIGINT,
    assessed_on DATE NOT NULL,
    expires_on DATE,
    assurance TEXT COLLATE "C" NOT NULL,
    assessor_name TEXT COLLATE "C",
    evidence_url TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX assessments_current ON assessments (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX assessments_supplier_id ON assessments (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX assessments_assessed_on ON assessments (tenant_id, assessed_on, id) WHERE superseded_in IS NULL;
CREATE INDEX assessments_recorded_in ON assessments (tenant_id, recorded_in, id);

-- Runs of earlier releases read none.
ALTER TABLE score_runs ADD COLUMN assessment_count BIGINT NOT NULL DEFAULT 0;

-- A release from before it neither reads nor writes the table, and stores runs with the default.
INSERT INTO compatible_migrations (version) VALUES ('20261129020000');
