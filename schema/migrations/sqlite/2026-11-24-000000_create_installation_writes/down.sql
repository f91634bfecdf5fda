DROP TABLE installation_writes;
