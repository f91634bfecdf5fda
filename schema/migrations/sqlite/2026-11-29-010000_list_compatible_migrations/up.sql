-- Migrations that a release from before them can live with: it goes on beside processes of the release that brought them,
-- and can be started again. A migration that keeps to the rules in docs/operate/upgrade.md inserts its version here.
CREATE TABLE compatible_migrations (
    version TEXT NOT NULL PRIMARY KEY
);
-- This one.
INSERT INTO compatible_migrations (version) VALUES ('20261129010000');
