-- What a job does: an import, a score run, an export.
ALTER TABLE jobs ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT 'import';

-- What a buyer has set; one without a row has what is usual.
CREATE TABLE settings (
    tenant_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    version INTEGER NOT NULL,
    scores_automatically BOOLEAN NOT NULL,
    buyer_breach_loss_jpy BIGINT,
    keep_daily_days BIGINT NOT NULL,
    keep_monthly_months BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    recorded_by TEXT COLLATE "C" NOT NULL
);

-- How often what scores rest on has changed, and for which state of it an automatic run was asked for.
CREATE TABLE data_states (
    tenant_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    data_version BIGINT NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    asked_version BIGINT,
    asked_for_on DATE
);

-- Models by the hash of their text: the same for all buyers.
CREATE TABLE models (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);

-- What was scored, once for each content.
CREATE TABLE score_inputs (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    input_hash TEXT COLLATE "C" NOT NULL,
    seq INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, input_hash, seq)
);

CREATE TABLE score_runs (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id TEXT COLLATE "C" NOT NULL,
    as_of DATE NOT NULL,
    known_at TIMESTAMP NOT NULL,
    scored_at TIMESTAMP NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    is_automatic BOOLEAN NOT NULL,
    exported_at TIMESTAMP,
    model_version TEXT COLLATE "C" NOT NULL,
    model_hash TEXT COLLATE "C" NOT NULL REFERENCES models (hash),
    engine_version TEXT COLLATE "C" NOT NULL,
    input_hash TEXT COLLATE "C" NOT NULL,
    buyer_breach_loss_jpy BIGINT,
    data_version BIGINT NOT NULL,
    is_trial BOOLEAN NOT NULL,
    supplier_count BIGINT NOT NULL,
    relationship_count BIGINT NOT NULL,
    enrollment_count BIGINT NOT NULL,
    certification_count BIGINT NOT NULL,
    incident_count BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    portfolio TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX score_runs_as_of ON score_runs (tenant_id, as_of, id);
CREATE INDEX score_runs_input_hash ON score_runs (tenant_id, input_hash);

-- A run is written in one go, read by its key and dropped as a whole.
CREATE TABLE scores (
    tenant_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    supplier_id TEXT COLLATE "C" NOT NULL,
    supplier_code TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C",
    tier INTEGER,
    size_class TEXT COLLATE "C" NOT NULL,
    jsic_section TEXT COLLATE "C" NOT NULL,
    base_rate DOUBLE PRECISION NOT NULL,
    discounted_incident_count DOUBLE PRECISION NOT NULL,
    discounted_observed_years DOUBLE PRECISION NOT NULL,
    segment_factor DOUBLE PRECISION NOT NULL,
    own_rate DOUBLE PRECISION NOT NULL,
    own_rate_low DOUBLE PRECISION NOT NULL,
    own_rate_high DOUBLE PRECISION NOT NULL,
    incident_probability DOUBLE PRECISION NOT NULL,
    risk_score DOUBLE PRECISION NOT NULL,
    risk_score_low DOUBLE PRECISION NOT NULL,
    risk_score_high DOUBLE PRECISION NOT NULL,
    grade TEXT COLLATE "C" NOT NULL,
    points_base DOUBLE PRECISION NOT NULL,
    points_segment DOUBLE PRECISION NOT NULL,
    points_monitoring DOUBLE PRECISION NOT NULL,
    points_ladder DOUBLE PRECISION NOT NULL,
    points_isms DOUBLE PRECISION NOT NULL,
    points_history DOUBLE PRECISION NOT NULL,
    disruption_rate DOUBLE PRECISION NOT NULL,
    disruption_probability DOUBLE PRECISION NOT NULL,
    chain_score DOUBLE PRECISION NOT NULL,
    chain_grade TEXT COLLATE "C" NOT NULL,
    points_upstream DOUBLE PRECISION NOT NULL,
    loss_per_disruption_jpy DOUBLE PRECISION NOT NULL,
    systemic_loss_per_disruption_jpy DOUBLE PRECISION NOT NULL,
    expected_annual_loss_direct_jpy DOUBLE PRECISION NOT NULL,
    expected_annual_loss_caused_jpy DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant_id, run_id, supplier_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES score_runs (tenant_id, id)
);
CREATE UNIQUE INDEX scores_supplier_code ON scores (tenant_id, run_id, supplier_code);
-- The two orders that people ask for: the riskiest, and whom to help first.
CREATE INDEX scores_risk_score ON scores (tenant_id, run_id, risk_score, supplier_id);
CREATE INDEX scores_expected_annual_loss_caused_jpy
    ON scores (tenant_id, run_id, expected_annual_loss_caused_jpy, supplier_id);

-- What explains a score beside its numbers, as JSON: apart, so that lists need not read it.
CREATE TABLE score_facts (
    tenant_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    supplier_id TEXT COLLATE "C" NOT NULL,
    facts TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, run_id, supplier_id),
    FOREIGN KEY (tenant_id, run_id, supplier_id) REFERENCES scores (tenant_id, run_id, supplier_id)
);

-- Files that export jobs have written, until they are dropped.
CREATE TABLE export_chunks (
    tenant_id TEXT COLLATE "C" NOT NULL,
    job_id TEXT COLLATE "C" NOT NULL,
    seq INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id)
);
