-- What a buyer registers is kept in versions: the row without superseded_in is the current one. Every key begins with
-- the buyer. Timestamps are UTC, made by the service; keys are UUIDs of version 7, as sixteen bytes. Tables of
-- versions have row ids: without them a look-up of some hundred keys would read all rows of a buyer, since the planner
-- takes a buyer for a few hundred rows of the primary key, which it would read for less than those.

CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    time_zone TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    suspended_at TIMESTAMP
);

CREATE TABLE tokens (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    provider_name TEXT,
    supplier_id BLOB,
    issued_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) WITHOUT ROWID;

-- Registered services: the same for all buyers, imported by whoever runs the installation.
CREATE TABLE services (
    id BLOB NOT NULL PRIMARY KEY,
    registration_number TEXT,
    provider_name TEXT NOT NULL,
    service_name TEXT NOT NULL,
    service_class TEXT NOT NULL,
    monitoring TEXT,
    recorded_at TIMESTAMP NOT NULL,
    UNIQUE (provider_name, service_name)
);

CREATE TABLE jobs (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    -- What it does: an import, a score run, an export.
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    result TEXT,
    created_at TIMESTAMP NOT NULL,
    created_by TEXT NOT NULL,
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
    traceparent TEXT,
    PRIMARY KEY (tenant_id, id)
);

-- Jobs that wait or run, for whichever process takes them. The one table that a process reads across buyers: it holds
-- nothing of their business.
CREATE TABLE job_queue (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    queued_at TIMESTAMP NOT NULL,
    -- Until then a running job belongs to the process that took it, where several share the database.
    leased_until TIMESTAMP,
    -- The process that runs it: whoever takes the job over ends what is left of that process on the server.
    process TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES jobs (tenant_id, id)
);
CREATE INDEX job_queue_id ON job_queue (id);

-- The bytes of an upload, until its job has ended.
CREATE TABLE upload_chunks (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    job_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq)
);

-- What an import says of single rows.
CREATE TABLE import_findings (
    tenant_id BLOB NOT NULL,
    job_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    is_warning BOOLEAN NOT NULL,
    sheet TEXT,
    row_number BIGINT,
    column_name TEXT,
    value TEXT,
    code TEXT NOT NULL,
    detail_ja TEXT NOT NULL,
    detail_en TEXT NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id)
) WITHOUT ROWID;

-- Files that export jobs have written, until they are dropped.
CREATE TABLE export_chunks (
    tenant_id BLOB NOT NULL,
    job_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id)
);

-- The transactions that recorded something of a buyer, in the order in which others came to see them: said once here,
-- and by its number in each version that one has recorded or superseded. Moments never fall from one to the next. Versions
-- have no foreign key to it: they are written together, and it would cost a look-up for each.
CREATE TABLE commits (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    number BIGINT NOT NULL,
    committed_at TIMESTAMP NOT NULL,
    actor TEXT NOT NULL,
    -- The role of the actor's token; none of the command line, the service and jobs.
    role TEXT,
    request_id TEXT,
    operation TEXT NOT NULL,
    import_id BLOB,
    PRIMARY KEY (tenant_id, number)
) WITHOUT ROWID;
CREATE INDEX commits_committed_at ON commits (tenant_id, committed_at, number);

-- A supplier as such: what is known of it stands in supplier_versions.
CREATE TABLE suppliers (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

-- Personal data, in a table of its own without versions, so that it can be erased.
CREATE TABLE incident_contacts (
    tenant_id BLOB NOT NULL,
    supplier_id BLOB NOT NULL,
    name TEXT,
    department TEXT,
    mail_address TEXT,
    phone_number TEXT,
    verified_on DATE,
    recorded_at TIMESTAMP NOT NULL,
    recorded_by TEXT NOT NULL,
    PRIMARY KEY (tenant_id, supplier_id),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);

CREATE TABLE supplier_versions (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_code TEXT NOT NULL,
    name TEXT,
    kana TEXT,
    corporate_number TEXT,
    jsic_division TEXT,
    employee_count BIGINT,
    capital_jpy BIGINT,
    prefecture_code TEXT,
    data_access TEXT,
    network_access TEXT,
    total_endpoints BIGINT,
    reports_incidents_since DATE,
    merged_into_id BLOB,
    -- Name and kana, as they are searched.
    search_text TEXT NOT NULL,
    -- What the names of one firm have in common: the part of search_text that is the name, without the form of the company.
    -- As `without_form` of search.rs has it.
    name_key TEXT GENERATED ALWAYS AS (
        replace(replace(replace(replace(replace(substr(search_text, 1, instr(search_text, char(10)) - 1), '株式会社', ''), '有限会社', ''), '合同会社', ''), '合資会社', ''), '合名会社', '')
    ) VIRTUAL,
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
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    system TEXT NOT NULL,
    company TEXT,
    code TEXT NOT NULL,
    supplier_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_codes_current ON supplier_codes (tenant_id, record_key) WHERE superseded_in IS NULL;
CREATE INDEX supplier_codes_supplier_id ON supplier_codes (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX supplier_codes_recorded_in ON supplier_codes (tenant_id, recorded_in, id);
-- Whom a code meant before: one that is given to another firm is told of.
CREATE INDEX supplier_codes_past ON supplier_codes (tenant_id, record_key) WHERE superseded_in IS NOT NULL;

CREATE TABLE relationships (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    upstream_id BLOB NOT NULL,
    downstream_id BLOB,
    item TEXT,
    annual_spend_jpy BIGINT,
    criticality TEXT NOT NULL,
    substitutability TEXT NOT NULL,
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
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_id BLOB NOT NULL,
    service_name TEXT,
    provider_name TEXT,
    service_class TEXT NOT NULL,
    monitoring TEXT,
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
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_id BLOB NOT NULL,
    scheme TEXT NOT NULL,
    issued_on DATE NOT NULL,
    expires_on DATE,
    scope TEXT,
    evidence_url TEXT,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX certifications_current ON certifications (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX certifications_supplier_id ON certifications (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX certifications_issued_on ON certifications (tenant_id, issued_on, id) WHERE superseded_in IS NULL;
CREATE INDEX certifications_recorded_in ON certifications (tenant_id, recorded_in, id);

CREATE TABLE incidents (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_id BLOB NOT NULL,
    occurred_on DATE NOT NULL,
    category TEXT,
    outcome TEXT NOT NULL,
    count BIGINT,
    loss_jpy BIGINT,
    downtime_days DOUBLE PRECISION,
    detected_at TIMESTAMP,
    reported_at TIMESTAMP,
    partners_affected BIGINT,
    indicators TEXT,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX incidents_current ON incidents (tenant_id, source, record_key) WHERE superseded_in IS NULL;
CREATE INDEX incidents_supplier_id ON incidents (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX incidents_occurred_on ON incidents (tenant_id, occurred_on, id) WHERE superseded_in IS NULL;
CREATE INDEX incidents_recorded_in ON incidents (tenant_id, recorded_in, id);

CREATE TABLE provider_assignments (
    tenant_id BLOB NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_in BIGINT NOT NULL,
    superseded_in BIGINT,
    ended_on DATE,
    retraction_reason TEXT,
    provider_name TEXT NOT NULL,
    supplier_id BLOB NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX provider_assignments_current ON provider_assignments (tenant_id, record_key) WHERE superseded_in IS NULL;
CREATE INDEX provider_assignments_supplier_id ON provider_assignments (tenant_id, supplier_id, id) WHERE superseded_in IS NULL;
CREATE INDEX provider_assignments_recorded_in ON provider_assignments (tenant_id, recorded_in, id);

-- What a buyer has set; one without a row has the defaults.
CREATE TABLE settings (
    tenant_id BLOB NOT NULL PRIMARY KEY REFERENCES tenants (id),
    version INTEGER NOT NULL,
    scores_automatically BOOLEAN NOT NULL,
    buyer_breach_loss_jpy BIGINT,
    keep_daily_days BIGINT NOT NULL,
    keep_monthly_months BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    recorded_by TEXT NOT NULL
);

-- How often what scores rest on has changed, and for which state of it an automatic run was asked for.
CREATE TABLE data_states (
    tenant_id BLOB NOT NULL PRIMARY KEY REFERENCES tenants (id),
    data_version BIGINT NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    asked_version BIGINT,
    asked_for_on DATE
);

-- Models by the hash of their text: the same for all buyers.
CREATE TABLE models (
    hash TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);

-- What was scored, once for each content.
CREATE TABLE score_inputs (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    input_hash TEXT NOT NULL,
    seq INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, input_hash, seq)
);

CREATE TABLE score_runs (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    id BLOB NOT NULL,
    as_of DATE NOT NULL,
    known_at TIMESTAMP NOT NULL,
    scored_at TIMESTAMP NOT NULL,
    created_by TEXT NOT NULL,
    is_automatic BOOLEAN NOT NULL,
    exported_at TIMESTAMP,
    model_version TEXT NOT NULL,
    model_hash TEXT NOT NULL REFERENCES models (hash),
    engine_version TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    buyer_breach_loss_jpy BIGINT,
    data_version BIGINT NOT NULL,
    is_trial BOOLEAN NOT NULL,
    supplier_count BIGINT NOT NULL,
    relationship_count BIGINT NOT NULL,
    enrollment_count BIGINT NOT NULL,
    certification_count BIGINT NOT NULL,
    incident_count BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    portfolio TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX score_runs_as_of ON score_runs (tenant_id, as_of, id);
CREATE INDEX score_runs_input_hash ON score_runs (tenant_id, input_hash);
-- The latest one, and the one before it: asked for with each score.
CREATE INDEX score_runs_latest ON score_runs (tenant_id, is_trial, as_of DESC, scored_at DESC, id DESC);

-- Scores of a run in order of supplier, some hundred a block. What stands in the bytes: schema/src/scores/block.rs.
CREATE TABLE score_blocks (
    tenant_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    first_supplier_id BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, run_id, first_supplier_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES score_runs (tenant_id, id)
);

-- How often transactions have written rows of a buyer: what a replica has to show before it is read. Kept where a
-- replica is possible.
CREATE TABLE tenant_writes (
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    role TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, role)
);

-- The same for what all buyers share. One row.
CREATE TABLE installation_writes (
    id INTEGER NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL
);
INSERT INTO installation_writes (id, count) VALUES (1, 0);
