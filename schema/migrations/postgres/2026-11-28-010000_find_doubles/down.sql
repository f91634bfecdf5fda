DROP INDEX supplier_codes_past;
DROP INDEX supplier_versions_name_key;
ALTER TABLE supplier_versions DROP COLUMN name_key;
