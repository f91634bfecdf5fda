//! Statements over many rows, prepared once.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// The number of rows in an insert statement: more do not make it faster.
pub(crate) const INSERTED: usize = 100;

/// Inserts up to [`INSERTED`] rows.
macro_rules! insert {
    ($conn:expr, $table:expr, $rows:expr) => {{
        let rows: Vec<_> = $rows;
        let is_full = rows.len() == $crate::kept::INSERTED;
        let statement = diesel::insert_into($table).values(rows);
        match &mut *$conn {
            // Row by row, with a statement that is cached anyway.
            $crate::conn::Conn::Sqlite(c) => statement.execute(c),
            $crate::conn::Conn::Postgres(c, _) if is_full => $crate::kept::Kept(statement).execute(c),
            $crate::conn::Conn::Postgres(c, _) => statement.execute(c),
        }
    }};
}
pub(crate) use insert;

/// Repeats the last value of a list until its length is a power of two. This is for look-ups, where it makes no
/// difference, so that few statements are kept.
pub(crate) fn padded<T: Copy>(list: &[T]) -> Vec<T> {
    let mut padded = list.to_vec();
    if let Some(last) = list.last() {
        padded.resize(list.len().next_power_of_two(), *last);
    }
    padded
}

/// A statement that stays prepared on its connection, although diesel does not cache statements with lists of values.
/// Only for lists of few different lengths: each length is one more statement to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<Q>(pub(crate) Q);

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Kept<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

/// Looked up by its text.
impl<Q> QueryId for Kept<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Kept<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> diesel::RunQueryDsl<C> for Kept<Q> {}
