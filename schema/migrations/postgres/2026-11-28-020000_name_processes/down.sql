ALTER TABLE job_queue DROP COLUMN process;
ALTER TABLE job_queue DROP COLUMN kind;
