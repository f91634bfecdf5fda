-- The trace of the request that asked for a job, so that the job goes on with it.
ALTER TABLE jobs ADD COLUMN traceparent TEXT COLLATE "C";
