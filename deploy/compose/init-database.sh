#!/bin/sh
# Runs once, when PostgreSQL creates its data folder. Creates the role and the database of Sonae.
set -eu
psql --username postgres --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$(cat /run/secrets/sonae_password)" <<'SQL'
CREATE ROLE sonae LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE sonae OWNER sonae ENCODING 'UTF8' TEMPLATE template0;
SQL
