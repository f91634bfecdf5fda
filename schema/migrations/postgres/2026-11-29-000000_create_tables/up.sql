-- What a buyer registers is kept in versions: the row without superseded_in is the current one. Every key begins with
-- the buyer. Timestamps are UTC, made by the service; keys are UUIDs of version 7.
-- Texts compare as bytes, as in the embedded database: cursors and orders are the same.

CREATE TABLE tenants (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    time_zone TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    suspended_at TIMESTAMP
);

CREATE TABLE tokens (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    provider_name TEXT COLLATE "C",
    supplier_id UUID,
    issued_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

-- Registered services: the same for all buyers, imported by whoever runs the installation.
CREATE TABLE services (
    id UUID NOT NULL PRIMARY KEY,
    registration_number TEXT COLLATE "C",
    provider_name TEXT COLLATE "C" NOT NULL,
    service_name TEXT COLLATE "C" NOT NULL,
    service_class TEXT COLLATE "C" NOT NULL,
    monitoring TEXT COLLATE "C",
    recorded_at TIMESTAMP NOT NULL,
    UNIQUE (provider_name, service_name)
);

CREATE TABLE jobs (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    -- What it does: an import, a score run, an export.
    kind TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    result TEXT COLLATE "C",
    created_at TIMESTAMP NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    attempt_count INTEGER NOT NULL,
    is_cancel_requested BOOLEAN NOT NULL,
    -- How far it is, as its process notes it for others.
    progress_done BIGINT,
    progress_total BIGINT,
    -- A job is given up after attempts that got no further than the one before, not after any that a restart ended.
    stalled_count INTEGER NOT NULL,
    -- How far the attempt before got.
    last_done BIGINT,
    -- The trace of the request that asked for the job, so that the job goes on with it.
    traceparent TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id)
);

-- Jobs that wait or run, for whichever process takes them. The one table that a process reads across buyers: it holds
-- nothing of their business.
CREATE TABLE job_queue (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    queued_at TIMESTAMP NOT NULL,
    -- Until then a running job belongs to the process that took it, where several share the database.
    leased_until TIMESTAMP,
    -- The process that runs it: whoever takes the job over ends what is left of that process on the server.
    process TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES jobs (tenant_id, id)
);
CREATE INDEX job_queue_id ON job_queue (id);

-- The bytes of an upload, until its job has ended.
CREATE TABLE upload_chunks (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    job_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq)
);

-- What an import says of single rows.
CREATE TABLE import_findings (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    is_warning BOOLEAN NOT NULL,
    sheet TEXT COLLATE "C",
    row_number BIGINT,
    column_name TEXT COLLATE "C",
    value TEXT COLLATE "C",
    code TEXT COLLATE "C" NOT NULL,
    detail_ja TEXT COLLATE "C" NOT NULL,
    detail_en TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id)
);

-- Files that export jobs have written, until they are dropped.
CREATE TABLE export_chunks (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id)
);

-- The transactions that recorded something of a buyer, in the order in which others came to see them: said once here,
-- and by its number in each version that one has recorded or superseded. Moments never fall from one to the next. Versions
-- have no foreign key to it: they are written together, and it would cost a look-up for each.
CREATE TABLE commits (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    number BIGINT NOT NULL,
    committed_at TIMESTAMP NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    -- The role of the actor's token; none of the command line, the service and jobs.
    role TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    operation TEXT COLLATE "C" NOT NULL,
    import_id UUID,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX commits_committed_at ON commits (tenant_id, committed_at, number);

-- A supplier as such: what is known of it stands in supplier_versions.
CREATE TABLE suppliers (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Personal data, in a table of its own without versions, so that it can be erased.
CREATE TABLE incident_contacts (
    tenant_id UUID NOT NULL,
    supplier_id UUID NOT NULL,
    name TEXT COLLATE "C",
    department TEXT COLLATE "C",
    mail_address TEXT COLLATE "C",
    phone_number TEXT COLLATE "C",
    verified_on DATE,
    recorded_at TIMESTAMP NOT NULL,
    recorded_by TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, supplier_id),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);

CREATE TABLE supplier_versions (
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
    supplier_code TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C",
    kana TEXT COLLATE "C",
    corporate_number TEXT COLLATE "C",
    jsic_division TEXT COLLATE "C",
    employee_count BIGINT,
    capital_jpy BIGINT,
    prefecture_code TEXT COLLATE "C",
    data_access TEXT COLLATE "C",
    network_access TEXT COLLATE "C",
    total_endpoints BIGINT,
    reports_incidents_since DATE,
    merged_into_id UUID,
    -- Name and kana, as they are searched.
    search_text TEXT COLLATE "C" NOT NULL,
    -- What the names of one firm have in common: the part of search_text that is the name, without the form of the company.
    -- As `without_form` of search.rs has it.
    name_key TEXT COLLATE "C" GENERATED ALWAYS AS (
        replace(replace(replace(replace(replace(split_part(search_text, chr(10), 1), '株式会社', ''), '有限会社', ''), '合同会社', ''), '合資会社', ''), '合名会社', '')
    ) STORED,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, id) REFERENCES suppliers (tenant_id, id),
    FOREIGN KEY (tenant_id, merged_into_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_versions_current ON supplier_versions (tenant_id, record_key) WHERE superseded_in IS NULL;
CREATE INDEX supplier_versions_corporate_number ON supplier_versions (tenant_id, corporate_number)
    WHERE superseded_in IS NULL AND corporate_number IS NOT NULL;
CREATE INDEX supplier_versions_merged_into_id ON supplier_versions (tenant_id, merged_into_id, id)
    WHERE superseded_in IS NULL AND merged_into_id IS NOT NULL;
CREATE INDEX supplier_versions_name_key ON supplier_versions (tenant_id, name_key) WHERE superseded_in IS NULL;
CREATE INDEX supplier_versions_search_text ON supplier_versions (tenant_id, search_text, id) WHERE superseded_in IS NULL;
CREATE INDEX supplier_versions_recorded_in ON supplier_versions (tenant_id, recorded_in, id);

CREATE TABLE supplier_codes (
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
    system TEXT COLLATE "C" NOT NULL,
    company TEXT COLLATE "C",
    code TEXT COLLATE "C" NOT NULL,
    supplier_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_codes_current ON supplier_codes (tenant_id, record_key) WHERE superseded_in IS NULL;
CREATE INDEX supplier_codes_supplier_id ON supplier_codes (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX supplier_codes_recorded_in ON supplier_codes (tenant_id, recorded_in, id);
-- Whom a code meant before: one that is given to another firm is told of.
CREATE INDEX supplier_codes_past ON supplier_codes (tenant_id, record_key) WHERE superseded_in IS NOT NULL;

CREATE TABLE relationships (
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
    upstream_id UUID NOT NULL,
    downstream_id UUID,
    item TEXT COLLATE "C",
    annual_spend_jpy BIGINT,
    criticality TEXT COLLATE "C" NOT NULL,
    substitutability TEXT COLLATE "C" NOT NULL,
    stock_cover_days DOUBLE PRECISION,
    valid_from_on DATE,
    valid_to_on DATE,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, upstream_id) REFERENCES suppliers (tenant_id, id),
    FOREIGN KEY (tenant_id, downstream_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX relationships_current ON relationships (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX relationships_upstream_id ON relationships (tenant_id, upstream_id, id) WHERE superseded_in IS NULL;
CREATE INDEX relationships_downstream_id ON relationships (tenant_id, downstream_id, id) WHERE superseded_in IS NULL;
CREATE INDEX relationships_recorded_in ON relationships (tenant_id, recorded_in, id);

CREATE TABLE enrollments (
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
    service_name TEXT COLLATE "C",
    provider_name TEXT COLLATE "C",
    service_class TEXT COLLATE "C" NOT NULL,
    monitoring TEXT COLLATE "C",
    coverage_share DOUBLE PRECISION,
    covered_endpoints BIGINT,
    starts_on DATE NOT NULL,
    ends_on DATE,
    onsite_response BOOLEAN NOT NULL,
    insured_limit_jpy BIGINT,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX enrollments_current ON enrollments (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX enrollments_supplier_id ON enrollments (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX enrollments_starts_on ON enrollments (tenant_id, starts_on, id) WHERE superseded_in IS NULL;
CREATE INDEX enrollments_recorded_in ON enrollments (tenant_id, recorded_in, id);

CREATE TABLE certifications (
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
    scheme TEXT COLLATE "C" NOT NULL,
    issued_on DATE NOT NULL,
    expires_on DATE,
    scope TEXT COLLATE "C",
    evidence_url TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX certifications_current ON certifications (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX certifications_supplier_id ON certifications (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX certifications_issued_on ON certifications (tenant_id, issued_on, id) WHERE superseded_in IS NULL;
CREATE INDEX certifications_recorded_in ON certifications (tenant_id, recorded_in, id);

CREATE TABLE incidents (
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
    occurred_on DATE NOT NULL,
    category TEXT COLLATE "C",
    outcome TEXT COLLATE "C" NOT NULL,
    count BIGINT,
    loss_jpy BIGINT,
    downtime_days DOUBLE PRECISION,
    detected_at TIMESTAMP,
    reported_at TIMESTAMP,
    partners_affected BIGINT,
    indicators TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX incidents_current ON incidents (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX incidents_supplier_id ON incidents (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX incidents_occurred_on ON incidents (tenant_id, occurred_on, id) WHERE superseded_in IS NULL;
CREATE INDEX incidents_recorded_in ON incidents (tenant_id, recorded_in, id);

CREATE TABLE provider_assignments (
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
    provider_name TEXT COLLATE "C" NOT NULL,
    supplier_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX provider_assignments_current ON provider_assignments (tenant_id, record_key) WHERE superseded_in IS NULL;
CREATE INDEX provider_assignments_supplier_id ON provider_assignments (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX provider_assignments_recorded_in ON provider_assignments (tenant_id, recorded_in, id);

-- What a buyer has set; one without a row has the defaults.
CREATE TABLE settings (
    tenant_id UUID NOT NULL PRIMARY KEY REFERENCES tenants (id),
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
    tenant_id UUID NOT NULL PRIMARY KEY REFERENCES tenants (id),
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
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    input_hash TEXT COLLATE "C" NOT NULL,
    seq INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, input_hash, seq)
);

CREATE TABLE score_runs (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    id UUID NOT NULL,
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
-- The latest one, and the one before it: asked for with each score.
CREATE INDEX score_runs_latest ON score_runs (tenant_id, is_trial, as_of DESC, scored_at DESC, id DESC);

-- Scores of a run in order of supplier, some hundred a block. What stands in the bytes: schema/src/scores/block.rs.
CREATE TABLE score_blocks (
    tenant_id UUID NOT NULL,
    run_id UUID NOT NULL,
    first_supplier_id UUID NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, run_id, first_supplier_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES score_runs (tenant_id, id)
);

-- How often transactions have written rows of a buyer: what a replica has to show before it is read. Kept where a
-- replica is possible.
CREATE TABLE tenant_writes (
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    role TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, role)
);

-- The same for what all buyers share. One row.
CREATE TABLE installation_writes (
    id INTEGER NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL
);
INSERT INTO installation_writes (id, count) VALUES (1, 0);

-- They are compressed already, or gone soon.
ALTER TABLE upload_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE export_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE score_inputs ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE score_blocks ALTER COLUMN bytes SET STORAGE EXTERNAL;
