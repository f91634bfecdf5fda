DROP TABLE export_chunks;
DROP TABLE score_facts;
DROP TABLE scores;
DROP TABLE score_runs;
DROP TABLE score_inputs;
DROP TABLE models;
DROP TABLE data_states;
DROP TABLE settings;
ALTER TABLE jobs DROP COLUMN kind;
