-- A job is given up after attempts that got no further than the one before, not after any that a restart ended.
ALTER TABLE jobs ADD COLUMN stalled_count INTEGER NOT NULL DEFAULT 0;
-- How far the attempt before got.
ALTER TABLE jobs ADD COLUMN last_done BIGINT;
