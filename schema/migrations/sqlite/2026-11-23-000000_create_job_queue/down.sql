DROP TABLE installation_writes;
DROP TABLE tenant_writes;
ALTER TABLE jobs DROP COLUMN progress_total;
ALTER TABLE jobs DROP COLUMN progress_done;
CREATE INDEX jobs_waiting ON jobs (state, id) WHERE state IN ('queued', 'running');
DROP TABLE job_queue;
