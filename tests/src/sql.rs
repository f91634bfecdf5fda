//! SQL statements by hand, for what no interface of the service shows.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// Why a statement has no result.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The server cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server refuses the statement.
    #[error(transparent)]
    Statement(#[from] diesel::result::Error),
}

/// A connection to a PostgreSQL database.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub struct Sql(PgConnection);

impl Sql {
    /// Connects.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn open(url: &str) -> Result<Self, SqlError> {
        Ok(Self(PgConnection::establish(url)?))
    }

    /// Runs statements.
    ///
    /// # Errors
    /// The server refuses one of them, as for all that follow.
    pub fn run(&mut self, statements: &str) -> Result<(), SqlError> {
        Ok(self.0.batch_execute(statements)?)
    }

    /// Returns the first column of a query as texts.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn texts(&mut self, query: &str) -> Result<Vec<String>, SqlError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            value: String,
        }
        let query = format!("SELECT value::text AS value FROM ({query}) AS known (value)");
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut self.0)?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// Returns the first column of the first row of a query as text, or an empty text if there is no row.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn text(&mut self, query: &str) -> Result<String, SqlError> {
        Ok(self.texts(query)?.into_iter().next().unwrap_or_default())
    }
}
