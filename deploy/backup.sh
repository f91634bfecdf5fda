#!/bin/sh
# Saves the keys and the database of Sonae into a new folder in DIR, which is named after the time, and removes the folders
# that are older than KEEP_DAYS (30 if omitted). The service can keep running.
#
#   backup.sh DIR [KEEP_DAYS]
#
# `sonae backup` copies the keys, and the embedded database; SONAE_DATA or SONAE_CONFIG says where they are.
# For a database on PostgreSQL set BACKUP_DATABASE_URL, as postgres://sonae_backup@localhost/sonae: a superuser or a role with
# BYPASSRLS, because row-level security hides everything from others. Put its password into ~/.pgpass: other users of the
# machine can see command lines.
set -eu
umask 077

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo 'usage: backup.sh DIR [KEEP_DAYS]' >&2
    exit 2
fi
folder=$1
keep_days=${2:-30}
name=$(date -u +%Y-%m-%dT%H%M%SZ)
unfinished=$folder/.unfinished-$name

mkdir -p "$folder"
trap 'rm -rf "$unfinished" "$unfinished.dump"' EXIT

# The keys are saved last, so that no token in the database was signed by a key that is missing.
if [ -n "${BACKUP_DATABASE_URL:-}" ]; then
    pg_dump --format=custom --file="$unfinished.dump" "$BACKUP_DATABASE_URL"
    # Read back, so that a dump that was cut off is noticed now.
    pg_restore --list "$unfinished.dump" >/dev/null
fi
# It would say that pg_dump is needed as well.
said=$(sonae backup "$unfinished" 2>&1) || { echo "$said" >&2; exit 1; }
if [ -n "${BACKUP_DATABASE_URL:-}" ]; then
    mv "$unfinished.dump" "$unfinished/sonae.dump"
elif [ ! -e "$unfinished/sonae.db" ]; then
    echo 'backup.sh: the database is on a server; set BACKUP_DATABASE_URL' >&2
    exit 1
fi
mv "$unfinished" "$folder/$name"
find "$folder" -mindepth 1 -maxdepth 1 -type d -name '20??-??-??T??????Z' -mtime "+$keep_days" -exec rm -rf {} +
echo "$folder/$name"
