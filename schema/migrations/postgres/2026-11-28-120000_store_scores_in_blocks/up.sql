DROP TABLE score_facts;
DROP TABLE scores;
-- Runs without their scores are of no use. Not deleted: row-level security would show none of them.
TRUNCATE score_runs, score_inputs;
-- Scores of a run in order of supplier, some hundred a block. What stands in the bytes: schema/src/scores/block.rs.
CREATE TABLE score_blocks (
    tenant_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    first_supplier_id TEXT COLLATE "C" NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, run_id, first_supplier_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES score_runs (tenant_id, id)
);
-- They are compressed already.
ALTER TABLE score_blocks ALTER COLUMN bytes SET STORAGE EXTERNAL;
