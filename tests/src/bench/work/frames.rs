//! Reading many incidents for a score run, against a bare scan of the same rows.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::cells::{Scan, texts};
use crate::installation::Installation;
use crate::observation::Observation;
use crate::service::Service;
use crate::stage::Stage;
use crate::{Failure, bare};

/// How many rows are read for each row that was imported.
const COPIES: u32 = 10;

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let installation = stage.imported()?.copy()?;
    if installation.is_on_server() {
        multiply(&mut PgConnection::establish(&installation.address())?, &POSTGRES)?;
    } else {
        multiply(&mut SqliteConnection::establish(&installation.address())?, &SQLITE)?;
    }
    let mut frames = Observation::of("frames");
    for _ in 0..stage.runs {
        read(&installation, &mut frames)?;
    }
    Ok(vec![frames])
}

fn read(installation: &Installation<'_>, frames: &mut Observation) -> Result<(), Failure> {
    let service = Service::start(installation)?;
    let took = service.score()?;
    let read_s = service.logged_seconds("read_ms")?;
    frames.peaks_bytes.push(service.stop()?);
    let bare = bare::scan(installation)?;
    frames.values.push(bare.rows as f64 / read_s);
    frames.limits.push(bare.rows as f64 / bare.seconds);
    frames.note("read_s", read_s);
    frames.note("run_s", took.as_secs_f64());
    frames.note("bare_peak_bytes", bare.peak_bytes);
    Ok(())
}

/// The differences between the databases.
struct Dialect {
    /// The statements before rows are added: fast rather than safe, because a failure ends the bench.
    begin: &'static str,
    /// The query for names and types of the columns that are not computed.
    columns: &'static str,
    /// The query for names of unique columns, except those that refer to other tables.
    unique: &'static str,
    /// The query for names of indexes that can be created later, with the statements that create them.
    indexes: &'static str,
    /// Another value in place of one that no two rows share, by column, type and the number of the copy. Ids rise with the
    /// rows, as those of records that were made one after the other do.
    another: fn(&str, &str, u32) -> String,
    end: &'static str,
}

const SQLITE: Dialect = Dialect {
    begin: "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -524288",
    columns: "SELECT name, '' FROM pragma_table_xinfo('incidents') WHERE hidden = 0",
    unique: "SELECT DISTINCT c.name FROM pragma_index_list('incidents') i, pragma_index_info(i.name) c \
             WHERE i.\"unique\" AND c.name NOT IN (SELECT \"from\" FROM pragma_foreign_key_list('incidents'))",
    indexes: "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'incidents' AND sql IS NOT NULL",
    another: |column, _, copy| {
        format!(
            "CASE typeof({column}) WHEN 'text' THEN iif(length({column}) = 36, '{copy}' || substr({column}, 2), \
             'x{copy}' || {column}) WHEN 'blob' THEN CAST(x'{copy}1' || substr({column}, 2) AS BLOB) \
             ELSE {column} + {copy} * 1000000000 END"
        )
    },
    end: "PRAGMA optimize",
};

const POSTGRES: Dialect = Dialect {
    begin: "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'",
    columns: "SELECT column_name::text, data_type::text FROM information_schema.columns \
              WHERE table_schema = 'public' AND table_name = 'incidents' AND is_generated = 'NEVER'",
    unique: "SELECT DISTINCT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid \
             AND a.attnum = ANY (i.indkey) WHERE i.indrelid = 'incidents'::regclass AND i.indisunique \
             AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = i.indrelid AND c.contype = 'f' \
             AND a.attnum = ANY (c.conkey))",
    indexes: "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' \
              AND tablename = 'incidents' AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    another: |column, data_type, copy| match data_type {
        "uuid" => format!("overlay({column}::text placing '{copy}' from 1 for 1)::uuid"),
        "bytea" => format!("substr({column}, 2) || '\\x1{copy}'::bytea"),
        "text" => format!(
            "CASE length({column}) WHEN 36 THEN overlay({column} placing '{copy}' from 1 for 1) \
             ELSE 'x{copy}' || {column} END"
        ),
        _ => format!("{column} + {copy} * 1000000000"),
    },
    end: "VACUUM ANALYZE",
};

/// Adds copies of all incidents, which differ only in the unique columns.
fn multiply<C: Scan + SimpleConnection>(conn: &mut C, dialect: &Dialect) -> Result<(), Failure> {
    conn.batch_execute(dialect.begin)?;
    let columns = pairs(conn, dialect.columns)?;
    let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    conn.batch_execute(&format!("CREATE TEMP TABLE originals AS SELECT {names} FROM incidents"))?;
    let mut unique = Vec::new();
    for row in texts(conn, dialect.unique)? {
        let name = row.into_iter().next().unwrap_or_default();
        let several =
            format!("SELECT CAST(count(*) AS TEXT) FROM (SELECT DISTINCT {name} FROM originals LIMIT 2) AS d");
        if texts(conn, &several)?.concat() == ["2"] {
            unique.push(name);
        }
    }
    let indexes = pairs(conn, dialect.indexes)?;
    for (name, _) in &indexes {
        conn.batch_execute(&format!("DROP INDEX {name}"))?;
    }
    for copy in 1..COPIES {
        let values = columns.iter().map(|(name, data_type)| match unique.contains(name) {
            true => (dialect.another)(name, data_type, copy),
            false => name.clone(),
        });
        let values = values.collect::<Vec<_>>().join(", ");
        conn.batch_execute(&format!("INSERT INTO incidents ({names}) SELECT {values} FROM originals"))?;
    }
    conn.batch_execute("DROP TABLE originals")?;
    for (_, create) in &indexes {
        conn.batch_execute(create)?;
    }
    Ok(conn.batch_execute(dialect.end)?)
}

fn pairs<C: Scan>(conn: &mut C, query: &str) -> Result<Vec<(String, String)>, Failure> {
    let pair = |row: Vec<String>| {
        let mut fields = row.into_iter();
        (fields.next().unwrap_or_default(), fields.next().unwrap_or_default())
    };
    Ok(texts(conn, query)?.into_iter().map(pair).collect())
}
