-- Texts compare as bytes, as in the embedded database: cursors and orders are the same.
-- What a buyer registers is kept in versions: the row without superseded_at is the current one. Every key begins with
-- the buyer. Timestamps are UTC, made by the service.

CREATE TABLE tenants (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    time_zone TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    suspended_at TIMESTAMP
);

CREATE TABLE tokens (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    provider_name TEXT COLLATE "C",
    supplier_id TEXT COLLATE "C",
    issued_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

-- Registered services: the same for all buyers, imported by whoever runs the installation.
CREATE TABLE services (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    registration_number TEXT COLLATE "C",
    provider_name TEXT COLLATE "C" NOT NULL,
    service_name TEXT COLLATE "C" NOT NULL,
    service_class TEXT COLLATE "C" NOT NULL,
    monitoring TEXT COLLATE "C",
    recorded_at TIMESTAMP NOT NULL,
    UNIQUE (provider_name, service_name)
);

CREATE TABLE jobs (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    result TEXT COLLATE "C",
    created_at TIMESTAMP NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    attempt_count INTEGER NOT NULL,
    is_cancel_requested BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX jobs_waiting ON jobs (state, id) WHERE state IN ('queued', 'running');

-- The bytes of an upload, until its job has ended.
CREATE TABLE upload_chunks (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    job_id TEXT COLLATE "C" NOT NULL,
    seq INTEGER NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq)
);

-- What an import says of single rows.
CREATE TABLE import_findings (
    tenant_id TEXT COLLATE "C" NOT NULL,
    job_id TEXT COLLATE "C" NOT NULL,
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

-- A supplier as such: what is known of it stands in supplier_versions.
CREATE TABLE suppliers (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Personal data, in a table of its own without versions, so that it can be erased.
CREATE TABLE incident_contacts (
    tenant_id TEXT COLLATE "C" NOT NULL,
    supplier_id TEXT COLLATE "C" NOT NULL,
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
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
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
    merged_into_id TEXT COLLATE "C",
    search_text TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, id) REFERENCES suppliers (tenant_id, id),
    FOREIGN KEY (tenant_id, merged_into_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_versions_current ON supplier_versions (tenant_id, record_key) WHERE superseded_at IS NULL;
CREATE INDEX supplier_versions_corporate_number ON supplier_versions (tenant_id, corporate_number) WHERE superseded_at IS NULL;
CREATE INDEX supplier_versions_merged_into_id ON supplier_versions (tenant_id, merged_into_id, id)
    WHERE superseded_at IS NULL AND merged_into_id IS NOT NULL;

CREATE TABLE supplier_codes (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    system TEXT COLLATE "C" NOT NULL,
    company TEXT COLLATE "C",
    code TEXT COLLATE "C" NOT NULL,
    supplier_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_codes_current ON supplier_codes (tenant_id, record_key) WHERE superseded_at IS NULL;
CREATE INDEX supplier_codes_supplier_id ON supplier_codes (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;

CREATE TABLE relationships (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    upstream_id TEXT COLLATE "C" NOT NULL,
    downstream_id TEXT COLLATE "C",
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
CREATE UNIQUE INDEX relationships_current ON relationships (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX relationships_upstream_id ON relationships (tenant_id, upstream_id, id) WHERE superseded_at IS NULL;
CREATE INDEX relationships_downstream_id ON relationships (tenant_id, downstream_id, id) WHERE superseded_at IS NULL;

CREATE TABLE enrollments (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    supplier_id TEXT COLLATE "C" NOT NULL,
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
CREATE UNIQUE INDEX enrollments_current ON enrollments (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX enrollments_supplier_id ON enrollments (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
CREATE INDEX enrollments_starts_on ON enrollments (tenant_id, starts_on, id) WHERE superseded_at IS NULL;

CREATE TABLE certifications (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    supplier_id TEXT COLLATE "C" NOT NULL,
    scheme TEXT COLLATE "C" NOT NULL,
    issued_on DATE NOT NULL,
    expires_on DATE,
    scope TEXT COLLATE "C",
    evidence_url TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX certifications_current ON certifications (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX certifications_supplier_id ON certifications (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
CREATE INDEX certifications_issued_on ON certifications (tenant_id, issued_on, id) WHERE superseded_at IS NULL;

CREATE TABLE incidents (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    supplier_id TEXT COLLATE "C" NOT NULL,
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
CREATE UNIQUE INDEX incidents_current ON incidents (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX incidents_supplier_id ON incidents (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
CREATE INDEX incidents_occurred_on ON incidents (tenant_id, occurred_on, id) WHERE superseded_at IS NULL;

CREATE TABLE provider_assignments (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    record_key TEXT COLLATE "C" NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT COLLATE "C" NOT NULL,
    import_id TEXT COLLATE "C",
    ended_on DATE,
    retraction_reason TEXT COLLATE "C",
    provider_name TEXT COLLATE "C" NOT NULL,
    supplier_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX provider_assignments_current ON provider_assignments (tenant_id, record_key) WHERE superseded_at IS NULL;
CREATE INDEX provider_assignments_supplier_id ON provider_assignments (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
