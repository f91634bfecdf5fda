-- What a job in the queue does, for figures of the queue; absent of jobs that were queued before.
ALTER TABLE job_queue ADD COLUMN kind TEXT;
-- The process that runs it: whoever takes the job over ends what is left of that process on the server.
ALTER TABLE job_queue ADD COLUMN process TEXT;
