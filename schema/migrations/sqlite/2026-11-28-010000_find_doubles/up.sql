-- What the names of one firm have in common: the part of search_text that is the name, without the form of the company.
-- As `without_form` of search.rs has it.
ALTER TABLE supplier_versions ADD COLUMN name_key TEXT GENERATED ALWAYS AS (
    replace(replace(replace(replace(replace(substr(search_text, 1, instr(search_text, char(10)) - 1), '株式会社', ''), '有限会社', ''), '合同会社', ''), '合資会社', ''), '合名会社', '')
) VIRTUAL;
CREATE INDEX supplier_versions_name_key ON supplier_versions (tenant_id, name_key) WHERE superseded_at IS NULL;

-- Whom a code meant before: one that is given to another firm is told of.
CREATE INDEX supplier_codes_past ON supplier_codes (tenant_id, record_key) WHERE superseded_at IS NOT NULL;
