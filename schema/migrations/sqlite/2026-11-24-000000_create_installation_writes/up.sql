-- How often transactions have written what all buyers share: what a replica has to show before it is read, beside
-- tenant_writes. One row. Kept where a replica is possible.
CREATE TABLE installation_writes (
    id INTEGER PRIMARY KEY,
    count BIGINT NOT NULL
);
INSERT INTO installation_writes (id, count) VALUES (1, 0);
