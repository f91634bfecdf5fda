ALTER TABLE jobs DROP COLUMN last_done;
ALTER TABLE jobs DROP COLUMN stalled_count;
