-- The trace of the request that asked for a job, so that the job goes on with it.
ALTER TABLE jobs ADD COLUMN traceparent TEXT COLLATE "C";
INSERT INTO compatible_migrations (version) VALUES ('20261128040000');
