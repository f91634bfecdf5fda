DELETE FROM compatible_migrations WHERE version = '20261129020000';
ALTER TABLE score_runs DROP COLUMN assessment_count;
DROP TABLE assessments;
