//! Records that a buyer registers, kept in versions: the one shape of suppliers, relationships and evidence.
//!
//! A change adds a version and closes the one before; nothing is overwritten. Each version has the number of the commit
//! that recorded it and, unless it is current, of the commit that superseded it. Reading as of a past moment picks the
//! versions that were current after the latest commit up to then.

use std::fmt::Debug;
use std::sync::Arc;

use chrono::NaiveDate;
use diesel::Queryable;

use crate::commits::Commit;
use crate::error::RepoError;
use crate::{ExternalId, Id, Remark, Source, SupplierId, Timestamp, Tx};

/// What every version has in addition to the attributes of its kind.
#[derive(Debug)]
pub struct Meta<R> {
    /// The id of the record, the same in all versions.
    pub id: Id<R>,
    /// The number of the version, from 1.
    pub version: i32,
    /// The source that delivered it.
    pub source: Source,
    /// Its id in that source.
    pub external_id: Option<ExternalId>,
    /// The key by which an import finds it, within its source or within the buyer, depending on the kind.
    pub record_key: String,
    /// Who recorded it, when, and with which import.
    pub recorded: Arc<Commit>,
    /// When the next version replaced it, if one did.
    pub superseded_at: Option<Timestamp>,
    /// Since when it no longer holds, if so: the supplier was archived, or the source no longer has the row.
    pub ended_on: Option<NaiveDate>,
    /// Why it was retracted, if it was: it never held.
    pub retraction_reason: Option<Remark>,
}

impl<R> Clone for Meta<R> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            version: self.version,
            source: self.source.clone(),
            external_id: self.external_id.clone(),
            record_key: self.record_key.clone(),
            recorded: Arc::clone(&self.recorded),
            superseded_at: self.superseded_at,
            ended_on: self.ended_on,
            retraction_reason: self.retraction_reason.clone(),
        }
    }
}

/// What every version has, as stored: with commits by their numbers.
#[derive(Debug, Queryable)]
pub(crate) struct MetaRow<R> {
    id: Id<R>,
    version: i32,
    source: Source,
    external_id: Option<ExternalId>,
    record_key: String,
    recorded_in: i64,
    superseded_in: Option<i64>,
    ended_on: Option<NaiveDate>,
    retraction_reason: Option<Remark>,
}

impl<R> MetaRow<R> {
    pub(crate) fn is_current(&self) -> bool {
        self.superseded_in.is_none()
    }

    pub(crate) fn is_of(&self, source: &Source) -> bool {
        self.source == *source
    }
}

/// A version as stored.
#[derive(Debug, Clone)]
pub struct Stored<R> {
    /// What every kind has.
    pub meta: Meta<R>,
    /// What this kind has.
    pub attributes: R,
}

impl<R: Clone> Stored<R> {
    /// Creates the first version of a record.
    pub fn first(
        id: Id<R>,
        key: String,
        source: Source,
        external_id: Option<ExternalId>,
        recorded: Arc<Commit>,
        attributes: R,
    ) -> Self {
        let meta = Meta {
            id,
            version: 1,
            source,
            external_id,
            record_key: key,
            recorded,
            superseded_at: None,
            ended_on: None,
            retraction_reason: None,
        };
        Self { meta, attributes }
    }

    /// Returns the version that follows this one, with the same attributes.
    #[must_use]
    pub fn next(&self, recorded: Arc<Commit>) -> Self {
        let mut next = self.clone();
        next.meta.version += 1;
        next.meta.recorded = recorded;
        next
    }
}

impl<R> Stored<R> {
    /// Reads versions from rows, with the commits that they name.
    pub(crate) fn of_rows(tx: &mut Tx, rows: Vec<(MetaRow<R>, R)>) -> Result<Vec<Self>, RepoError> {
        let numbers = rows.iter().flat_map(|(meta, _)| [Some(meta.recorded_in), meta.superseded_in]).flatten();
        let commits = tx.find_commits(numbers)?;
        let find =
            |number| commits.get(&number).cloned().ok_or_else(|| RepoError::Failed("a version of no commit".into()));
        let stored = rows.into_iter().map(|(row, attributes)| {
            let superseded = row.superseded_in.map(find).transpose()?;
            let meta = Meta {
                id: row.id,
                version: row.version,
                source: row.source,
                external_id: row.external_id,
                record_key: row.record_key,
                recorded: find(row.recorded_in)?,
                superseded_at: superseded.map(|commit| commit.at()),
                ended_on: row.ended_on,
                retraction_reason: row.retraction_reason,
            };
            Ok(Self { meta, attributes })
        });
        stored.collect()
    }
}

/// Filters that every list has.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// As known at this moment; now if omitted.
    pub known_at: Option<Timestamp>,
    /// Only records of this source.
    pub source: Option<Source>,
    /// Only the record with this id in its source.
    pub external_id: Option<ExternalId>,
    /// Only those recorded at this moment or later.
    pub recorded_since: Option<Timestamp>,
    /// Also those that were retracted.
    pub with_retracted: bool,
    /// Also those that no longer hold.
    pub with_ended: bool,
    /// Only those of these suppliers.
    pub suppliers: Option<Vec<SupplierId>>,
}

/// Which part of a list, and in which order.
#[derive(Debug, Clone)]
pub struct Page<R, S> {
    /// The sort order, ties by id; by id alone if omitted.
    pub sort: Option<S>,
    /// Whether the order is descending.
    pub is_descending: bool,
    /// Only rows after the one with this sort key and this id. The key is empty if there is no sort order.
    pub after: Option<(String, Id<R>)>,
    /// The maximum number of rows.
    pub limit: i64,
}

/// A list's filters and page.
#[derive(Debug, Clone)]
pub struct Listed<R: Record> {
    /// The filters that every list has.
    pub common: Common,
    /// The filters of the kind.
    pub filter: R::Filter,
    /// The part of the list.
    pub page: Page<R, R::Sort>,
}

/// A kind of record with its table, implemented by the macro `record!`.
///
/// Rows are returned as stored. Lists are in the order asked for, ties by id.
pub trait Record: Sized + Clone + PartialEq + Debug + Send + 'static {
    /// The filters of its list.
    type Filter: Default + Clone + Debug + Send;
    /// What its list can be sorted by.
    type Sort: crate::Choice + Debug + Send;

    /// Fills in the attributes that follow from others.
    fn complete(&mut self) {}

    /// Returns the value of a sort key, in the form that a cursor stores.
    fn sort_key(stored: &Stored<Self>, sort: Self::Sort) -> String;

    /// Finds the version that is current, or was current at a moment.
    ///
    /// # Errors
    /// Database errors, as for all methods that follow.
    fn find(tx: &mut Tx, id: Id<Self>, known_at: Option<Timestamp>) -> Result<Option<Stored<Self>>, RepoError>;

    /// Lists the current versions of these records, in no particular order.
    fn with_ids(tx: &mut Tx, ids: &[Id<Self>]) -> Result<Vec<Stored<Self>>, RepoError>;

    /// Lists the current versions, or those that were current at a moment.
    fn list(tx: &mut Tx, listed: &Listed<Self>) -> Result<Vec<Stored<Self>>, RepoError>;

    /// Counts the records that pass the filters.
    fn count(tx: &mut Tx, common: &Common, filter: &Self::Filter) -> Result<i64, RepoError>;

    /// Lists all versions of these records, grouped by record, latest first.
    fn versions(tx: &mut Tx, ids: &[Id<Self>]) -> Result<Vec<Stored<Self>>, RepoError>;

    /// Lists the versions with these keys that are current, or were current at a moment, including retracted ones.
    fn with_keys(
        tx: &mut Tx,
        source: &Source,
        keys: &[impl AsRef<str>],
        known_at: Option<Timestamp>,
    ) -> Result<Vec<Stored<Self>>, RepoError>;

    /// Lists records that a source is likely to deliver next, including retracted ones: among this number of versions
    /// that follow a record in order of id, the current ones.
    ///
    /// The limit counts versions, so that the query costs little even if many of them are old or of other sources.
    fn following(
        tx: &mut Tx,
        source: &Source,
        after: Id<Self>,
        versions: usize,
    ) -> Result<Vec<Stored<Self>>, RepoError>;

    /// Lists the ids of the records that a source has delivered and that still hold.
    fn ids_of_source(tx: &mut Tx, source: &Source) -> Result<Vec<Id<Self>>, RepoError>;

    /// Closes the current versions of these records. Returns their number.
    fn close(tx: &mut Tx, ids: &[Id<Self>]) -> Result<usize, RepoError>;

    /// Adds versions.
    fn insert(tx: &mut Tx, rows: &[Stored<Self>]) -> Result<(), RepoError>;

    /// Replaces the current versions of records, in the caller's transaction.
    fn replace(tx: &mut Tx, rows: &[Stored<Self>]) -> Result<(), RepoError> {
        let ids: Vec<_> = rows.iter().map(|row| row.meta.id).collect();
        Self::close(tx, &ids)?;
        Self::insert(tx, rows)
    }
}

/// The number of rows in one statement: databases limit the number of values in one.
pub(crate) const BATCH: usize = 500;

/// The columns of [`Meta`].
macro_rules! meta_columns {
    ($table:ident) => {
        (
            $table::id,
            $table::version,
            $table::source,
            $table::external_id,
            $table::record_key,
            $table::recorded_in,
            $table::superseded_in,
            $table::ended_on,
            $table::retraction_reason,
        )
    };
}
pub(crate) use meta_columns;

/// Returns the latest commit and the first one that a list asks for.
pub(crate) fn commits_of(tx: &mut Tx, common: &Common) -> Result<[Option<i64>; 2], RepoError> {
    Ok([crate::commits::up_to(tx, common.known_at)?, crate::commits::since(tx, common.recorded_since)?])
}

/// The values of a record, for inserting it.
macro_rules! values {
    ($table:ident, $tenant:expr, $row:expr) => {{
        let meta = &$row.meta;
        (
            (
                $table::tenant_id.eq($tenant),
                $table::id.eq(meta.id),
                $table::version.eq(meta.version),
                $table::source.eq(&meta.source),
                $table::external_id.eq(&meta.external_id),
                $table::record_key.eq(&meta.record_key),
                $table::recorded_in.eq(meta.recorded.number),
                $table::superseded_in.eq(None::<i64>),
                $table::ended_on.eq(meta.ended_on),
                $table::retraction_reason.eq(&meta.retraction_reason),
            ),
            &$row.attributes,
        )
    }};
}
pub(crate) use values;

/// Rows of one buyer that are current, or were current when a commit was the latest.
macro_rules! current {
    ($table:ident, $tenant:expr, $commit:expr) => {{
        let query = $table::table.filter($table::tenant_id.eq($tenant)).into_boxed();
        match $commit {
            None => query.filter($table::superseded_in.is_null()),
            Some(commit) => query
                .filter($table::recorded_in.le(commit))
                .filter($table::superseded_in.is_null().or($table::superseded_in.gt(commit))),
        }
    }};
}
pub(crate) use current;

/// The rows that pass a list's filters, as a query of one backend.
macro_rules! filtered {
    ($table:ident, $tenant:expr, $common:expr, $commits:expr, $supplier:ident, $filter:expr, |$query:ident, $given:ident| $add:block) => {{
        let common: &$crate::Common = $common;
        let [latest, since]: [Option<i64>; 2] = $commits;
        let mut $query = $crate::record::current!($table, $tenant, latest);
        if let Some(source) = &common.source {
            $query = $query.filter($table::source.eq(source));
        }
        if let Some(external_id) = &common.external_id {
            $query = $query.filter($table::external_id.eq(external_id));
        }
        if let Some(since) = since {
            $query = $query.filter($table::recorded_in.ge(since));
        }
        if !common.with_retracted {
            $query = $query.filter($table::retraction_reason.is_null());
        }
        if !common.with_ended {
            $query = $query.filter($table::ended_on.is_null());
        }
        if let Some(suppliers) = &common.suppliers {
            $query = $query.filter($table::$supplier.eq_any(suppliers));
        }
        let $given = $filter;
        $add
    }};
}
pub(crate) use filtered;

/// The part of a sorted list after a row, with one arm for each column that it may be sorted by.
macro_rules! sorted {
    ($query:ident, $table:ident by $id:ident, $page:expr, $($sort:pat => $column:ident as $ty:ty),*) => {{
        let after = $page.after.as_ref();
        match ($page.sort, $page.is_descending) {
            (None, false) => {
                if let Some((_, id)) = after { $query = $query.filter($table::$id.gt(id)); }
                $query.order($table::$id.asc())
            }
            (None, true) => {
                if let Some((_, id)) = after { $query = $query.filter($table::$id.lt(id)); }
                $query.order($table::$id.desc())
            }
            $((Some($sort), false) => {
                if let Some((key, id)) = after {
                    let key: $ty = $crate::record::from_key(key)?;
                    $query = $query
                        .filter($table::$column.ge(key.clone()))
                        .filter($table::$column.gt(key).or($table::$id.gt(id)));
                }
                $query.order(($table::$column.asc(), $table::$id.asc()))
            })*
            $((Some($sort), true) => {
                if let Some((key, id)) = after {
                    let key: $ty = $crate::record::from_key(key)?;
                    $query = $query
                        .filter($table::$column.le(key.clone()))
                        .filter($table::$column.lt(key).or($table::$id.lt(id)));
                }
                $query.order(($table::$column.desc(), $table::$id.desc()))
            })*
        }
    }};
}
pub(crate) use sorted;

/// Values that a list can be sorted by, in the form that a cursor stores.
pub(crate) trait SortKey: Sized {
    fn parse(key: &str) -> Option<Self>;
    fn key(&self) -> String;
}

impl SortKey for String {
    fn parse(key: &str) -> Option<Self> {
        Some(key.to_owned())
    }

    fn key(&self) -> String {
        self.clone()
    }
}

impl SortKey for f64 {
    fn parse(key: &str) -> Option<Self> {
        key.parse().ok()
    }

    fn key(&self) -> String {
        self.to_string()
    }
}

impl SortKey for NaiveDate {
    fn parse(key: &str) -> Option<Self> {
        key.parse().ok()
    }

    fn key(&self) -> String {
        self.to_string()
    }
}

impl SortKey for i64 {
    fn parse(key: &str) -> Option<Self> {
        key.parse().ok()
    }

    fn key(&self) -> String {
        self.to_string()
    }
}

/// Reads a sort key back. Cursors are authenticated, so one that cannot be read is a bug.
pub(crate) fn from_key<K: SortKey>(key: &str) -> Result<K, RepoError> {
    K::parse(key).ok_or_else(|| RepoError::Failed(format!("the sort key {key:?} cannot be read").into()))
}

/// Implements a kind of record: its table, how imports find it, and the filters and sort orders of its list.
///
/// `by_source` says whether a key belongs to its source or to the buyer. `filter` adds the conditions of the kind's own
/// filters to the query. `supplier` is the column that [`Common::suppliers`] filters by. `is_scored` says whether
/// scores depend on the records. If so, a change makes the latest scores stale.
macro_rules! record {
    (
        impl Record for $record:ident in $table:ident;
        by_source: $by_source:literal;
        is_scored: $is_scored:literal;
        supplier: $supplier:ident;
        filter: $filter:ident |$query:ident, $given:ident| $add:block
        sort: $sort:ident { $($(#[$sort_doc:meta])* $variant:ident = $key:literal / $ja:literal : $column:ident as $ty:ty, |$row:ident| $value:expr;)* }
        $($extra:item)*
    ) => {
        /// What the list can be sorted by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $sort { $($(#[$sort_doc])* $variant,)* }

        impl $crate::Choice for $sort {
            const ALL: &'static [(Self, &'static str, &'static str)] = &[$((Self::$variant, $key, $ja),)*];
        }

        impl $crate::Record for $record {
            type Filter = $filter;
            type Sort = $sort;

            $($extra)*

            fn sort_key(stored: &$crate::Stored<Self>, sort: $sort) -> String {
                match sort { $($sort::$variant => { let $row = stored; $crate::record::SortKey::key(&$value) })* }
            }

            fn find(
                tx: &mut $crate::Tx,
                id: $crate::Id<Self>,
                known_at: Option<$crate::Timestamp>,
            ) -> Result<Option<$crate::Stored<Self>>, $crate::RepoError> {
                let commit = $crate::commits::up_to(tx, known_at)?;
                let row = $crate::conn::each_backend!(tx.conn, c => $crate::record::current!($table, tx.tenant, commit)
                    .filter($table::id.eq(id))
                    .select(($crate::record::meta_columns!($table), Self::as_select()))
                    .first(c)
                    .optional())?;
                Ok($crate::Stored::of_rows(tx, row.into_iter().collect())?.pop())
            }

            fn list(
                tx: &mut $crate::Tx,
                listed: &$crate::Listed<Self>,
            ) -> Result<Vec<$crate::Stored<Self>>, $crate::RepoError> {
                let commits = $crate::record::commits_of(tx, &listed.common)?;
                let rows = $crate::conn::each_backend!(tx.conn, c => {
                    let mut query = $crate::record::filtered!($table, tx.tenant, &listed.common, commits, $supplier, &listed.filter, |$query, $given| $add);
                    query = $crate::record::sorted!(query, $table by id, listed.page, $($sort::$variant => $column as $ty),*);
                    query
                        .limit(listed.page.limit)
                        .select(($crate::record::meta_columns!($table), Self::as_select()))
                        .load(c)
                })?;
                $crate::Stored::of_rows(tx, rows)
            }

            fn count(
                tx: &mut $crate::Tx,
                common: &$crate::Common,
                filter: &$filter,
            ) -> Result<i64, $crate::RepoError> {
                let commits = $crate::record::commits_of(tx, common)?;
                Ok($crate::conn::each_backend!(tx.conn, c => $crate::record::filtered!($table, tx.tenant, common, commits, $supplier, filter, |$query, $given| $add)
                    .count().get_result(c))?)
            }

            fn with_ids(
                tx: &mut $crate::Tx,
                ids: &[$crate::Id<Self>],
            ) -> Result<Vec<$crate::Stored<Self>>, $crate::RepoError> {
                let mut found = Vec::with_capacity(ids.len());
                for ids in ids.chunks($crate::record::BATCH) {
                    let ids = $crate::kept::padded(ids);
                    let rows = $crate::conn::each_backend!(tx.conn, c => {
                        let query = $crate::record::current!($table, tx.tenant, None::<i64>)
                            .filter($table::id.eq_any(&ids))
                            .select(($crate::record::meta_columns!($table), Self::as_select()));
                        $crate::kept::Kept(query).load(c)
                    })?;
                    found.extend($crate::Stored::of_rows(tx, rows)?);
                }
                Ok(found)
            }

            fn versions(
                tx: &mut $crate::Tx,
                ids: &[$crate::Id<Self>],
            ) -> Result<Vec<$crate::Stored<Self>>, $crate::RepoError> {
                let mut found = Vec::with_capacity(ids.len());
                for ids in ids.chunks($crate::record::BATCH) {
                    let rows = $crate::conn::each_backend!(tx.conn, c => $table::table
                        .filter($table::tenant_id.eq(tx.tenant).and($table::id.eq_any(ids)))
                        .order(($table::id.asc(), $table::version.desc()))
                        .select(($crate::record::meta_columns!($table), Self::as_select()))
                        .load(c))?;
                    found.extend($crate::Stored::of_rows(tx, rows)?);
                }
                Ok(found)
            }

            fn with_keys(
                tx: &mut $crate::Tx,
                source: &$crate::Source,
                keys: &[impl AsRef<str>],
                known_at: Option<$crate::Timestamp>,
            ) -> Result<Vec<$crate::Stored<Self>>, $crate::RepoError> {
                let commit = $crate::commits::up_to(tx, known_at)?;
                let mut found = Vec::with_capacity(keys.len());
                for keys in keys.chunks($crate::record::BATCH) {
                    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
                    let keys = $crate::kept::padded(&keys);
                    let rows = $crate::conn::each_backend!(tx.conn, c => {
                        let mut query = $crate::record::current!($table, tx.tenant, commit);
                        if $by_source {
                            query = query.filter($table::source.eq(source));
                        }
                        let query = query
                            .filter($table::record_key.eq_any(&keys))
                            .select(($crate::record::meta_columns!($table), Self::as_select()));
                        $crate::kept::Kept(query).load(c)
                    })?;
                    found.extend($crate::Stored::of_rows(tx, rows)?);
                }
                Ok(found)
            }

            fn following(
                tx: &mut $crate::Tx,
                source: &$crate::Source,
                after: $crate::Id<Self>,
                versions: usize,
            ) -> Result<Vec<$crate::Stored<Self>>, $crate::RepoError> {
                let limit = i64::try_from(versions).unwrap_or(i64::MAX);
                let mut rows: Vec<($crate::record::MetaRow<Self>, Self)> = $crate::conn::each_backend!(tx.conn, c => $table::table
                    .filter($table::tenant_id.eq(tx.tenant).and($table::id.gt(after)))
                    .order(($table::id.asc(), $table::version.asc()))
                    .limit(limit)
                    .select(($crate::record::meta_columns!($table), Self::as_select()))
                    .load(c))?;
                rows.retain(|(meta, _)| meta.is_current() && (!$by_source || meta.is_of(source)));
                $crate::Stored::of_rows(tx, rows)
            }

            fn ids_of_source(
                tx: &mut $crate::Tx,
                source: &$crate::Source,
            ) -> Result<Vec<$crate::Id<Self>>, $crate::RepoError> {
                Ok($crate::conn::each_backend!(tx.conn, c => $crate::record::current!($table, tx.tenant, None::<i64>)
                    .filter($table::source.eq(source))
                    .filter($table::retraction_reason.is_null())
                    .filter($table::ended_on.is_null())
                    .order($table::id.asc())
                    .select($table::id)
                    .load(c))?)
            }

            fn close(
                tx: &mut $crate::Tx,
                ids: &[$crate::Id<Self>],
            ) -> Result<usize, $crate::RepoError> {
                let commit = tx.own_commit()?.number;
                let mut count = 0;
                for ids in ids.chunks($crate::record::BATCH) {
                    let rows = $table::table
                        .filter($table::tenant_id.eq(tx.tenant))
                        .filter($table::id.eq_any(ids))
                        .filter($table::superseded_in.is_null());
                    count += $crate::conn::each_backend!(tx.conn, c => diesel::update(rows)
                        .set($table::superseded_in.eq(commit))
                        .execute(c))?;
                }
                if count > 0 {
                    tx.note_recorded();
                    if $is_scored {
                        $crate::data_states::touch(tx)?;
                    }
                }
                Ok(count)
            }

            fn insert(
                tx: &mut $crate::Tx,
                rows: &[$crate::Stored<Self>],
            ) -> Result<(), $crate::RepoError> {
                for rows in rows.chunks($crate::kept::INSERTED) {
                    let values: Vec<_> = rows.iter().map(|row| $crate::record::values!($table, tx.tenant, row)).collect();
                    $crate::kept::insert!(tx.conn, $table::table, values)?;
                    tx.conn.analyze_grown(stringify!($table), rows.len())?;
                }
                if !rows.is_empty() {
                    tx.note_recorded();
                }
                if $is_scored && !rows.is_empty() { $crate::data_states::touch(tx) } else { Ok(()) }
            }
        }
    };
}
pub(crate) use record;
