DELETE FROM compatible_migrations WHERE version = '20261128040000';
ALTER TABLE jobs DROP COLUMN traceparent;
