-- What a buyer registers is kept in versions: the row without superseded_at is the current one. Every key begins with
-- the buyer. Timestamps are UTC, made by the service.

CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    time_zone TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    suspended_at TIMESTAMP
);

CREATE TABLE tokens (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    provider_name TEXT,
    supplier_id TEXT,
    issued_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

-- Registered services: the same for all buyers, imported by whoever runs the installation.
CREATE TABLE services (
    id TEXT NOT NULL PRIMARY KEY,
    registration_number TEXT,
    provider_name TEXT NOT NULL,
    service_name TEXT NOT NULL,
    service_class TEXT NOT NULL,
    monitoring TEXT,
    recorded_at TIMESTAMP NOT NULL,
    UNIQUE (provider_name, service_name)
);

CREATE TABLE jobs (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    result TEXT,
    created_at TIMESTAMP NOT NULL,
    created_by TEXT NOT NULL,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    attempt_count INTEGER NOT NULL,
    is_cancel_requested BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX jobs_waiting ON jobs (state, id) WHERE state IN ('queued', 'running');

-- The bytes of an upload, until its job has ended.
CREATE TABLE upload_chunks (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    job_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, job_id, seq)
);

-- What an import says of single rows.
CREATE TABLE import_findings (
    tenant_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
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
);

-- A supplier as such: what is known of it stands in supplier_versions.
CREATE TABLE suppliers (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Personal data, in a table of its own without versions, so that it can be erased.
CREATE TABLE incident_contacts (
    tenant_id TEXT NOT NULL,
    supplier_id TEXT NOT NULL,
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
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
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
    merged_into_id TEXT,
    search_text TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, id) REFERENCES suppliers (tenant_id, id),
    FOREIGN KEY (tenant_id, merged_into_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_versions_current ON supplier_versions (tenant_id, record_key) WHERE superseded_at IS NULL;
CREATE INDEX supplier_versions_corporate_number ON supplier_versions (tenant_id, corporate_number) WHERE superseded_at IS NULL;
CREATE INDEX supplier_versions_merged_into_id ON supplier_versions (tenant_id, merged_into_id, id)
    WHERE superseded_at IS NULL AND merged_into_id IS NOT NULL;

CREATE TABLE supplier_codes (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
    ended_on DATE,
    retraction_reason TEXT,
    system TEXT NOT NULL,
    company TEXT,
    code TEXT NOT NULL,
    supplier_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX supplier_codes_current ON supplier_codes (tenant_id, record_key) WHERE superseded_at IS NULL;
CREATE INDEX supplier_codes_supplier_id ON supplier_codes (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;

CREATE TABLE relationships (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
    ended_on DATE,
    retraction_reason TEXT,
    upstream_id TEXT NOT NULL,
    downstream_id TEXT,
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
CREATE UNIQUE INDEX relationships_current ON relationships (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX relationships_upstream_id ON relationships (tenant_id, upstream_id, id) WHERE superseded_at IS NULL;
CREATE INDEX relationships_downstream_id ON relationships (tenant_id, downstream_id, id) WHERE superseded_at IS NULL;

CREATE TABLE enrollments (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_id TEXT NOT NULL,
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
CREATE UNIQUE INDEX enrollments_current ON enrollments (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX enrollments_supplier_id ON enrollments (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
CREATE INDEX enrollments_starts_on ON enrollments (tenant_id, starts_on, id) WHERE superseded_at IS NULL;

CREATE TABLE certifications (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_id TEXT NOT NULL,
    scheme TEXT NOT NULL,
    issued_on DATE NOT NULL,
    expires_on DATE,
    scope TEXT,
    evidence_url TEXT,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX certifications_current ON certifications (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX certifications_supplier_id ON certifications (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
CREATE INDEX certifications_issued_on ON certifications (tenant_id, issued_on, id) WHERE superseded_at IS NULL;

CREATE TABLE incidents (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
    ended_on DATE,
    retraction_reason TEXT,
    supplier_id TEXT NOT NULL,
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
CREATE UNIQUE INDEX incidents_current ON incidents (tenant_id, source, record_key) WHERE superseded_at IS NULL;
CREATE INDEX incidents_supplier_id ON incidents (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
CREATE INDEX incidents_occurred_on ON incidents (tenant_id, occurred_on, id) WHERE superseded_at IS NULL;

CREATE TABLE provider_assignments (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    external_id TEXT,
    record_key TEXT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    superseded_at TIMESTAMP,
    recorded_by TEXT NOT NULL,
    import_id TEXT,
    ended_on DATE,
    retraction_reason TEXT,
    provider_name TEXT NOT NULL,
    supplier_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES suppliers (tenant_id, id)
);
CREATE UNIQUE INDEX provider_assignments_current ON provider_assignments (tenant_id, record_key) WHERE superseded_at IS NULL;
CREATE INDEX provider_assignments_supplier_id ON provider_assignments (tenant_id, supplier_id, id) WHERE superseded_at IS NULL;
