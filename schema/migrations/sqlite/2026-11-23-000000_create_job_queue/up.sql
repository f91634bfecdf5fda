-- Jobs that wait or run, for whichever process takes them. The one table that a process reads across buyers: it holds
-- nothing of their business.
CREATE TABLE job_queue (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Until then a running job belongs to the process that took it, where several share the database.
    leased_until TIMESTAMP,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES jobs (tenant_id, id)
);
CREATE INDEX job_queue_id ON job_queue (id);
INSERT INTO job_queue SELECT tenant_id, id, state, NULL FROM jobs WHERE state IN ('queued', 'running');
DROP INDEX jobs_waiting;

-- How far a job is, as its process notes it for others.
ALTER TABLE jobs ADD COLUMN progress_done BIGINT;
ALTER TABLE jobs ADD COLUMN progress_total BIGINT;

-- How often transactions have written rows of a buyer: what a replica has to show before it is read. Kept where a
-- replica is possible.
CREATE TABLE tenant_writes (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
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
