DROP TABLE score_blocks;
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
