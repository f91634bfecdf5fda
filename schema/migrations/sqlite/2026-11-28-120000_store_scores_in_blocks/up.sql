DROP TABLE score_facts;
DROP TABLE scores;
-- Runs without their scores are of no use.
DELETE FROM score_runs;
DELETE FROM score_inputs;
-- Scores of a run in order of supplier, some hundred a block. What stands in the bytes: schema/src/scores/block.rs.
CREATE TABLE score_blocks (
    tenant_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    first_supplier_id TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (tenant_id, run_id, first_supplier_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES score_runs (tenant_id, id)
);
