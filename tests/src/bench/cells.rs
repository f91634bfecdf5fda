//! Rows of any table as they are in the database, without knowing its columns.
//!
//! This keeps the bench right when the schema changes: rows are read from one database and inserted into another one
//! with the columns that the database itself names.

use diesel::backend::Backend;
use diesel::connection::DefaultLoadingMode;
use diesel::deserialize::{self, QueryableByName};
use diesel::pg::{Pg, PgRowByRowLoadingMode, PgTypeMetadata, PgValue};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::row::{Field, NamedRow, Row};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Double, HasSqlType, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteType};

use crate::Failure;

/// A database whose values can be read and bound without knowing their types.
pub(crate) trait Cells: Backend {
    /// A value, or NULL.
    type Cell: 'static;

    /// Reads a value.
    fn read(value: Option<Self::RawValue<'_>>) -> Self::Cell;
    /// Binds a value.
    fn bind<'b>(cell: &'b Self::Cell, out: &mut AstPass<'_, 'b, Self>) -> QueryResult<()>;
    /// Returns the text of a value that a query for texts has given.
    fn text(cell: &Self::Cell) -> String;
    /// Returns a text as a value.
    fn of_text(text: &str) -> Self::Cell;
    /// Returns a double as a value.
    fn of_double(double: f64) -> Self::Cell;
    /// Returns sixteen bytes as the value of a key.
    fn of_key(key: u128) -> Self::Cell;
}

/// A value of SQLite.
#[derive(Debug)]
pub(crate) enum SqliteCell {
    Null,
    Text(String),
    Integer(i64),
    Double(f64),
    Bytes(Vec<u8>),
}

impl Cells for Sqlite {
    type Cell = SqliteCell;

    fn read(value: Option<Self::RawValue<'_>>) -> SqliteCell {
        let Some(mut value) = value else { return SqliteCell::Null };
        match value.value_type() {
            None => SqliteCell::Null,
            Some(SqliteType::Text) => SqliteCell::Text(value.read_text().to_owned()),
            Some(SqliteType::Binary) => SqliteCell::Bytes(value.read_blob().to_vec()),
            Some(SqliteType::Float | SqliteType::Double) => SqliteCell::Double(value.read_double()),
            Some(SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long) => {
                SqliteCell::Integer(value.read_long())
            }
        }
    }

    fn bind<'b>(cell: &'b SqliteCell, out: &mut AstPass<'_, 'b, Self>) -> QueryResult<()> {
        match cell {
            SqliteCell::Null => out.push_bind_param::<Nullable<BigInt>, _>(&None::<i64>),
            SqliteCell::Text(text) => out.push_bind_param::<Text, _>(text),
            SqliteCell::Integer(integer) => out.push_bind_param::<BigInt, _>(integer),
            SqliteCell::Double(double) => out.push_bind_param::<Double, _>(double),
            SqliteCell::Bytes(bytes) => out.push_bind_param::<Binary, _>(bytes),
        }
    }

    fn text(cell: &SqliteCell) -> String {
        match cell {
            SqliteCell::Text(text) => text.clone(),
            SqliteCell::Integer(integer) => integer.to_string(),
            SqliteCell::Double(double) => double.to_string(),
            SqliteCell::Null | SqliteCell::Bytes(_) => String::new(),
        }
    }

    fn of_text(text: &str) -> SqliteCell {
        SqliteCell::Text(text.to_owned())
    }

    fn of_double(double: f64) -> SqliteCell {
        SqliteCell::Double(double)
    }

    fn of_key(key: u128) -> SqliteCell {
        SqliteCell::Bytes(key.to_be_bytes().to_vec())
    }
}

/// The bytes of a value of PostgreSQL in its binary format; `None` for NULL.
#[derive(Debug)]
pub(crate) struct PgCell(Option<Vec<u8>>);

/// The type of a parameter whose type the server derives from the column.
struct Unspecified;

impl HasSqlType<Unspecified> for Pg {
    fn metadata(_: &mut Self::MetadataLookup) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

impl ToSql<Unspecified, Pg> for PgCell {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        std::io::Write::write_all(out, bytes)?;
        Ok(IsNull::No)
    }
}

impl Cells for Pg {
    type Cell = PgCell;

    fn read(value: Option<PgValue<'_>>) -> PgCell {
        PgCell(value.map(|value| value.as_bytes().to_vec()))
    }

    fn bind<'b>(cell: &'b PgCell, out: &mut AstPass<'_, 'b, Self>) -> QueryResult<()> {
        out.push_bind_param::<Unspecified, _>(cell)
    }

    fn text(cell: &PgCell) -> String {
        cell.0.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }

    fn of_text(text: &str) -> PgCell {
        PgCell(Some(text.as_bytes().to_vec()))
    }

    fn of_double(double: f64) -> PgCell {
        PgCell(Some(double.to_be_bytes().to_vec()))
    }

    fn of_key(key: u128) -> PgCell {
        PgCell(Some(key.to_be_bytes().to_vec()))
    }
}

/// A row of any table.
#[derive(Debug)]
pub(crate) struct AnyRow<DB: Cells>(pub(crate) Vec<DB::Cell>);

impl<DB: Cells> QueryableByName<DB> for AnyRow<DB> {
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        let cells = (0..row.field_count()).map(|place| {
            let field = Row::get(row, place);
            DB::read(field.as_ref().and_then(Field::value))
        });
        Ok(Self(cells.collect()))
    }
}

/// `INSERT` of several rows, which diesel prepares once for each number of rows.
pub(crate) struct Batch<'r, DB: Cells> {
    /// `INSERT INTO … VALUES `
    pub(crate) head: &'r str,
    pub(crate) rows: &'r [AnyRow<DB>],
    /// The text after the rows, such as ` ON CONFLICT DO NOTHING`.
    pub(crate) tail: &'r str,
}

impl<DB: Cells> QueryFragment<DB> for Batch<'_, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.head);
        for (place, row) in self.rows.iter().enumerate() {
            out.push_sql(if place == 0 { "(" } else { "), (" });
            for (place, cell) in row.0.iter().enumerate() {
                if place > 0 {
                    out.push_sql(", ");
                }
                DB::bind(cell, &mut out)?;
            }
        }
        out.push_sql(")");
        out.push_sql(self.tail);
        Ok(())
    }
}

impl<DB: Cells> QueryId for Batch<'_, DB> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Cells, Conn> RunQueryDsl<Conn> for Batch<'_, DB> {}

/// A connection whose rows can be taken one at a time.
pub(crate) trait Scan: Connection<Backend: Cells> {
    /// Calls `with` with each row of a query.
    fn each(
        &mut self,
        query: &str,
        with: impl FnMut(AnyRow<Self::Backend>) -> Result<(), Failure>,
    ) -> Result<(), Failure>;
}

impl Scan for SqliteConnection {
    fn each(
        &mut self,
        query: &str,
        mut with: impl FnMut(AnyRow<Sqlite>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for row in diesel::sql_query(query).load_iter::<AnyRow<Sqlite>, DefaultLoadingMode>(self)? {
            with(row?)?;
        }
        Ok(())
    }
}

impl Scan for PgConnection {
    fn each(&mut self, query: &str, mut with: impl FnMut(AnyRow<Pg>) -> Result<(), Failure>) -> Result<(), Failure> {
        for row in diesel::sql_query(query).load_iter::<AnyRow<Pg>, PgRowByRowLoadingMode>(self)? {
            with(row?)?;
        }
        Ok(())
    }
}

/// Returns the rows of a query for texts.
pub(crate) fn texts<C: Scan>(conn: &mut C, query: &str) -> Result<Vec<Vec<String>>, Failure> {
    let mut rows = Vec::new();
    conn.each(query, |row| {
        rows.push(row.0.iter().map(C::Backend::text).collect());
        Ok(())
    })?;
    Ok(rows)
}
