//! The tables are the same on both databases, however they were made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use diesel::prelude::*;
use diesel::sql_types::Text;
use tests::sql::Sql;

use crate::support::{Data, command};

/// The facts of a catalogue, one sentence each.
type Facts = BTreeSet<String>;

/// Returns a folder and a database, both with all tables, made by the command as everywhere.
fn migrated() -> Data {
    let data = Data::new();
    for is_embedded in [true, false] {
        let mut command = command(&data, &["tenant", "list"]);
        if is_embedded {
            command.env_remove("DATABASE_URL").env("SONAE_DATA", embedded_folder(&data));
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    data
}

/// Returns the data folder of the embedded database: each database has its own.
fn embedded_folder(data: &Data) -> PathBuf {
    data.path().join("embedded")
}

/// Returns the tables with columns, keys and indexes of the embedded database.
fn sqlite_facts(data: &Data) -> Facts {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let mut conn = SqliteConnection::establish(embedded_folder(data).join("sonae.db").to_str().unwrap()).unwrap();
    // Tables of SQLite and of diesel do not count.
    let tables = "SELECT name FROM sqlite_schema \
                  WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_~_diesel%' ESCAPE '~'";
    let columns =
        |of: &str, order: &str| format!("(SELECT group_concat(name, ', ') FROM (SELECT {of} ORDER BY {order}))");
    let of_index = columns("name FROM pragma_index_info(i.name)", "seqno");
    let queries = [
        format!("SELECT 'table ' || name AS value FROM ({tables})"),
        format!(
            "SELECT 'column ' || t.name || '.' || c.name || ' ' || c.type || iif(c.\"notnull\", ' NOT NULL', '') \
             || coalesce(' DEFAULT ' || c.dflt_value, '') AS value FROM ({tables}) t, pragma_table_info(t.name) c"
        ),
        format!(
            "SELECT 'primary key ' || t.name || ' (' || {} || ')' AS value FROM ({tables}) t",
            columns("name FROM pragma_table_info(t.name) WHERE pk > 0", "pk")
        ),
        format!(
            "SELECT 'unique ' || t.name || ' (' || {of_index} || ')' AS value \
             FROM ({tables}) t, pragma_index_list(t.name) i WHERE i.origin = 'u'"
        ),
        format!(
            "SELECT iif(i.\"unique\", 'unique ', '') || 'index ' || i.name || ' on ' || t.name || ' (' || {of_index} || ')' \
             || iif(i.partial, ' ' || substr(s.sql, instr(s.sql, 'WHERE ')), '') AS value \
             FROM ({tables}) t, pragma_index_list(t.name) i, sqlite_schema s WHERE i.origin = 'c' AND s.name = i.name"
        ),
        format!(
            "SELECT 'foreign key ' || t.name || ' (' || group_concat(f.\"from\", ', ' ORDER BY f.seq) || ') to ' || f.\"table\" \
             || ' (' || group_concat(f.\"to\", ', ' ORDER BY f.seq) || ') ' || f.on_delete || ', ' || f.on_update AS value \
             FROM ({tables}) t, pragma_foreign_key_list(t.name) f GROUP BY t.name, f.id"
        ),
    ];
    let mut all = Facts::new();
    for query in queries {
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut conn).unwrap();
        assert!(!rows.is_empty());
        all.extend(rows.into_iter().map(|row| row.value));
    }
    all
}

/// Returns the tables with columns, keys and indexes of the server, in the words of the embedded database.
fn postgres_facts(sql: &mut Sql) -> Facts {
    let tables = "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                  AND relkind NOT IN ('i', 'I') AND left(relname, 8) <> '__diesel'";
    let names = |of: &str, table: &str| {
        format!(
            "(SELECT string_agg(attname, ', ' ORDER BY place) FROM unnest({of}) WITH ORDINALITY AS k (number, place) \
             JOIN pg_attribute ON attnum = number AND attrelid = {table})"
        )
    };
    let of_index = names("i.indkey", "i.indrelid");
    let columns = format!(
        "SELECT 'column ' || t.relname || '.' || attname || ' ' || CASE format_type(atttypid, atttypmod) \
         WHEN 'text' THEN 'TEXT' WHEN 'bigint' THEN 'BIGINT' WHEN 'integer' THEN 'INTEGER' WHEN 'date' THEN 'DATE' \
         WHEN 'double precision' THEN 'DOUBLE PRECISION' WHEN 'boolean' THEN 'BOOLEAN' WHEN 'bytea' THEN 'BLOB' WHEN 'uuid' THEN 'BLOB' \
         WHEN 'timestamp without time zone' THEN 'TIMESTAMP' ELSE 'another type' END \
         || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END \
         || coalesce(' DEFAULT ' || replace(pg_get_expr(adbin, adrelid), '::text', ''), '') \
         FROM ({tables}) t JOIN pg_attribute ON attrelid = t.oid LEFT JOIN pg_attrdef ON adrelid = t.oid AND adnum = attnum \
         WHERE attnum > 0 AND NOT attisdropped AND attgenerated = ''"
    );
    let keys = format!(
        "SELECT CASE contype WHEN 'p' THEN 'primary key ' ELSE 'unique ' END || t.relname || ' (' || {} || ')' \
         FROM ({tables}) t JOIN pg_constraint c ON conrelid = t.oid WHERE contype IN ('p', 'u')",
        names("c.conkey", "c.conrelid")
    );
    // The parentheses that PostgreSQL adds do not count: there are none in ours.
    let indexes = format!(
        "SELECT CASE WHEN indisunique THEN 'unique ' ELSE '' END || 'index ' || r.relname || ' on ' || t.relname \
         || ' (' || {of_index} || ')' || coalesce(' WHERE ' || translate(pg_get_expr(indpred, indrelid), '()', ''), '') \
         FROM ({tables}) t JOIN pg_index i ON indrelid = t.oid JOIN pg_class r ON r.oid = indexrelid \
         WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')"
    );
    let action = |of: &str| format!("CASE {of} WHEN 'a' THEN 'NO ACTION' ELSE 'another action' END");
    let references = format!(
        "SELECT 'foreign key ' || t.relname || ' (' || {} || ') to ' || f.relname || ' (' || {} || ') ' || {} || ', ' || {} \
         FROM ({tables}) t JOIN pg_constraint c ON conrelid = t.oid JOIN pg_class f ON f.oid = confrelid \
         WHERE contype = 'f'",
        names("c.conkey", "c.conrelid"),
        names("c.confkey", "c.confrelid"),
        action("confdeltype"),
        action("confupdtype"),
    );
    let mut all = Facts::new();
    for query in [format!("SELECT 'table ' || relname FROM ({tables}) t"), columns, keys, indexes, references] {
        let rows = sql.texts(&query).unwrap();
        assert!(!rows.is_empty());
        all.extend(rows);
    }
    all
}

#[test]
fn both_databases_have_the_same_tables() {
    let data = migrated();
    let (ours, theirs) = (sqlite_facts(&data), postgres_facts(&mut Sql::open(&data.url().unwrap()).unwrap()));

    let only = |some: &Facts, others: &Facts| some.difference(others).cloned().collect::<Vec<_>>();
    let none: Vec<String> = Vec::new();
    assert_eq!(
        (only(&ours, &theirs), only(&theirs, &ours)),
        (none.clone(), none),
        "only in SQLite, only in PostgreSQL"
    );
    for kind in ["table", "column", "primary key", "unique", "index", "unique index", "foreign key"] {
        assert!(ours.iter().filter(|fact| fact.starts_with(&format!("{kind} "))).count() > 2, "{kind}: {ours:?}");
    }
}

#[test]
fn texts_of_the_server_compare_as_bytes() {
    let data = migrated();
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let texts = "FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid \
                 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND left(relname, 8) <> '__diesel' \
                 AND attnum > 0 AND NOT attisdropped AND attcollation <> 0";

    let others = format!("SELECT relname || '.' || attname {texts} AND attcollation <> '\"C\"'::regcollation");
    assert_eq!(sql.texts(&others).unwrap(), Vec::<String>::new());
    let count: u32 = sql.text(&format!("SELECT count(*) {texts}")).unwrap().parse().unwrap();
    assert!(count > 100, "{count}");
}
