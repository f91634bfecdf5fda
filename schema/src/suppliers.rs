//! Suppliers: firms, as the buyer knows them.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::conn::{each_backend, each_row};
use crate::error::RepoError;
use crate::kept::{INSERTED, Kept, insert, padded};
use crate::record::{BATCH, Stored, record};
use crate::search::{anywhere, search_text, without_form};
use crate::tables::{supplier_versions, suppliers};
use crate::{
    CorporateNumber, Count, DataAccess, JsicDivision, Name, NetworkAccess, PositiveCount, PrefectureCode, SupplierCode,
    SupplierId, Timestamp, Tx, Yen, commits, data_states,
};

/// A firm that supplies the buyer, or supplies its suppliers.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = supplier_versions, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct Supplier {
    pub supplier_code: SupplierCode,
    pub name: Option<Name>,
    pub kana: Option<Name>,
    pub corporate_number: Option<CorporateNumber>,
    pub jsic_division: Option<JsicDivision>,
    pub employee_count: Option<Count>,
    pub capital_jpy: Option<Yen>,
    pub prefecture_code: Option<PrefectureCode>,
    pub data_access: Option<DataAccess>,
    pub network_access: Option<NetworkAccess>,
    pub total_endpoints: Option<PositiveCount>,
    pub reports_incidents_since: Option<NaiveDate>,
    /// The supplier to which this one was found to be identical, if any.
    pub merged_into_id: Option<SupplierId>,
    /// Name and kana in the form that `q=` searches. Derived from the two.
    pub search_text: String,
}

/// Filters of the list of suppliers.
#[derive(Debug, Clone, Default)]
pub struct SupplierFilter {
    /// With this number.
    pub corporate_number: Option<CorporateNumber>,
    /// Of this division.
    pub jsic_division: Option<JsicDivision>,
    /// Of this prefecture.
    pub prefecture_code: Option<PrefectureCode>,
    /// With this access to data.
    pub data_access: Option<DataAccess>,
    /// With this access to the network.
    pub network_access: Option<NetworkAccess>,
    /// With this in its name or kana.
    pub name_contains: Option<String>,
    /// Also those merged into others.
    pub with_merged: bool,
}

record! {
    impl Record for Supplier in supplier_versions;
    by_source: false;
    is_scored: true;
    supplier: id;
    filter: SupplierFilter |query, given| {
        if let Some(number) = &given.corporate_number {
            query = query.filter(supplier_versions::corporate_number.eq(number));
        }
        if let Some(division) = &given.jsic_division {
            query = query.filter(supplier_versions::jsic_division.eq(division));
        }
        if let Some(prefecture) = &given.prefecture_code {
            query = query.filter(supplier_versions::prefecture_code.eq(prefecture));
        }
        if let Some(access) = given.data_access {
            query = query.filter(supplier_versions::data_access.eq(access));
        }
        if let Some(access) = given.network_access {
            query = query.filter(supplier_versions::network_access.eq(access));
        }
        if let Some(text) = &given.name_contains {
            let pattern = anywhere(&search_text(text));
            query = query.filter(supplier_versions::search_text.like(pattern).escape('\\'));
        }
        if !given.with_merged {
            query = query.filter(supplier_versions::merged_into_id.is_null());
        }
        query
    }
    sort: SupplierSort {
        /// The buyer's code.
        SupplierCode = "supplier_code" / "取引先コード": record_key as String, |row| row.meta.record_key;
        /// The name, by code points.
        Name = "name" / "取引先名": search_text as String, |row| row.attributes.search_text;
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
    fn complete(&mut self) {
        let text = |name: &Option<Name>| name.as_ref().map_or_else(String::new, |name| search_text(name.as_str()));
        self.search_text = format!("{}\n{}", text(&self.name), text(&self.kana));
    }
}

/// Registers ids, in the transaction that adds the suppliers' first versions.
///
/// # Errors
/// Database errors.
pub fn register(tx: &mut Tx, ids: &[SupplierId]) -> Result<(), RepoError> {
    for ids in ids.chunks(INSERTED) {
        let rows = ids.iter().map(|id| (suppliers::tenant_id.eq(tx.tenant), suppliers::id.eq(*id)));
        let rows: Vec<_> = rows.collect();
        insert!(tx.conn, suppliers::table, rows)?;
        tx.conn.analyze_grown("suppliers", ids.len())?;
    }
    Ok(())
}

/// Deletes a supplier and its versions.
///
/// # Errors
/// [`RepoError::Reference`] while anything refers to it, and those of the database.
pub fn delete(tx: &mut Tx, id: SupplierId) -> Result<(), RepoError> {
    let versions = supplier_versions::table
        .filter(supplier_versions::tenant_id.eq(tx.tenant))
        .filter(supplier_versions::id.eq(id));
    let supplier = suppliers::table.filter(suppliers::tenant_id.eq(tx.tenant)).filter(suppliers::id.eq(id));
    each_backend!(tx.conn, c => diesel::delete(versions).execute(c))?;
    each_backend!(tx.conn, c => diesel::delete(supplier).execute(c))?;
    data_states::touch(tx)
}

/// A supplier as referred to by others: the canonical record, if it was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The canonical record.
    pub id: SupplierId,
    /// Its code.
    pub code: SupplierCode,
    /// Its 法人番号, if known.
    pub corporate_number: Option<CorporateNumber>,
    /// Whether it was archived.
    pub is_archived: bool,
}

/// Returns where references to these suppliers lead, now or at a moment. Takes at most two queries per batch.
///
/// # Errors
/// Database errors.
pub fn references(
    tx: &mut Tx,
    ids: impl IntoIterator<Item = SupplierId>,
    known_at: Option<Timestamp>,
) -> Result<HashMap<SupplierId, Reference>, RepoError> {
    let mut ids: Vec<SupplierId> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let commit = commits::up_to(tx, known_at)?;
    let rows = reference_rows(tx, &ids, commit)?;
    let targets: Vec<SupplierId> = rows.iter().filter_map(|(_, merged_into)| *merged_into).collect();
    let targets = reference_rows(tx, &targets, commit)?.into_iter();
    let targets: HashMap<_, _> = targets.map(|(target, _)| (target.id, target)).collect();
    let lead = |(own, merged_into): (Reference, Option<SupplierId>)| {
        let target = merged_into.and_then(|target| targets.get(&target)).cloned();
        (own.id, target.unwrap_or(own))
    };
    Ok(rows.into_iter().map(lead).collect())
}

type ReferenceRow = (SupplierId, SupplierCode, Option<CorporateNumber>, Option<NaiveDate>, Option<SupplierId>);

/// Returns these suppliers themselves, each with the one that it was merged into, if any.
fn reference_rows(
    tx: &mut Tx,
    ids: &[SupplierId],
    commit: Option<i64>,
) -> Result<Vec<(Reference, Option<SupplierId>)>, RepoError> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(BATCH) {
        let columns = (
            supplier_versions::id,
            supplier_versions::supplier_code,
            supplier_versions::corporate_number,
            supplier_versions::ended_on,
            supplier_versions::merged_into_id,
        );
        let ids = padded(ids);
        let rows: Vec<ReferenceRow> = each_backend!(tx.conn, c => {
            let query = crate::record::current!(supplier_versions, tx.tenant, commit);
            Kept(query.filter(supplier_versions::id.eq_any(&ids)).select(columns)).load(c)
        })?;
        found.extend(rows.into_iter().map(|(id, code, corporate_number, ended_on, merged_into)| {
            (Reference { id, code, corporate_number, is_archived: ended_on.is_some() }, merged_into)
        }));
    }
    Ok(found)
}

/// Finds the supplier that a code of the buyer leads to: the canonical record, if it was merged.
///
/// # Errors
/// Database errors.
pub fn id_of_code(tx: &mut Tx, code: &str, known_at: Option<Timestamp>) -> Result<Option<SupplierId>, RepoError> {
    let commit = commits::up_to(tx, known_at)?;
    let found: Option<(SupplierId, Option<SupplierId>)> = each_backend!(tx.conn, c => crate::record::current!(supplier_versions, tx.tenant, commit)
            .filter(supplier_versions::record_key.eq(code))
            .select((supplier_versions::id, supplier_versions::merged_into_id))
            .first(c)
            .optional())?;
    Ok(found.map(|(id, merged_into)| merged_into.unwrap_or(id)))
}

/// Finds the supplier that has a code of the buyer, and the canonical record, which is the same if it was not merged.
///
/// # Errors
/// Database errors.
pub fn ids_of_code(tx: &mut Tx, code: &str) -> Result<Option<[SupplierId; 2]>, RepoError> {
    // The text of this statement is built only once: purchasing systems ask it all day.
    let query = supplier_versions::table
        .filter(supplier_versions::tenant_id.eq(tx.tenant))
        .filter(supplier_versions::superseded_in.is_null())
        .filter(supplier_versions::record_key.eq(code))
        .select((supplier_versions::id, supplier_versions::merged_into_id));
    let found: Option<(SupplierId, Option<SupplierId>)> = each_backend!(tx.conn, c => query.first(c).optional())?;
    Ok(found.map(|(id, merged_into)| [id, merged_into.unwrap_or(id)]))
}

/// Finds the suppliers that have these codes of the buyer, each with its canonical record.
///
/// # Errors
/// Database errors.
pub fn ids_of_codes(tx: &mut Tx, codes: &[&str]) -> Result<Vec<(String, [SupplierId; 2])>, RepoError> {
    let mut found = Vec::with_capacity(codes.len());
    for codes in codes.chunks(BATCH) {
        let codes = padded(codes);
        let columns = (supplier_versions::record_key, supplier_versions::id, supplier_versions::merged_into_id);
        let rows: Vec<(String, SupplierId, Option<SupplierId>)> = each_backend!(tx.conn, c => {
            let query = crate::record::current!(supplier_versions, tx.tenant, None::<i64>);
            Kept(query.filter(supplier_versions::record_key.eq_any(&codes)).select(columns)).load(c)
        })?;
        found.extend(rows.into_iter().map(|(code, id, merged_into)| (code, [id, merged_into.unwrap_or(id)])));
    }
    Ok(found)
}

/// All codes of the buyer, for imports of many rows.
#[derive(Debug, Default)]
pub struct Codes {
    /// The supplier that each code leads to.
    pub ids: HashMap<String, SupplierId>,
    /// Those that were archived.
    pub archived: HashSet<SupplierId>,
}

/// Reads all codes of the buyer.
///
/// # Errors
/// Database errors.
pub fn codes(tx: &mut Tx) -> Result<Codes, RepoError> {
    type Row = (String, SupplierId, Option<SupplierId>, Option<NaiveDate>);
    let mut codes = Codes::default();
    let mut add = |(code, id, merged_into, ended_on): Row| {
        codes.ids.insert(code, merged_into.unwrap_or(id));
        if ended_on.is_some() {
            codes.archived.insert(id);
        }
        Ok::<_, RepoError>(())
    };
    each_row!(
        tx.conn,
        crate::record::current!(supplier_versions, tx.tenant, None::<i64>).select((
            supplier_versions::record_key,
            supplier_versions::id,
            supplier_versions::merged_into_id,
            supplier_versions::ended_on,
        )),
        add
    );
    Ok(codes)
}

/// Lists the suppliers that were merged into this one, in order of id.
///
/// # Errors
/// Database errors.
pub fn merged_into(tx: &mut Tx, id: SupplierId, known_at: Option<Timestamp>) -> Result<Vec<SupplierId>, RepoError> {
    let commit = commits::up_to(tx, known_at)?;
    Ok(each_backend!(tx.conn, c => crate::record::current!(supplier_versions, tx.tenant, commit)
        .filter(supplier_versions::merged_into_id.eq(id))
        .order(supplier_versions::id.asc())
        .select(supplier_versions::id)
        .load(c))?)
}

/// Codes of other suppliers that may be the same firm as one, in order.
#[derive(Debug, Default)]
pub struct Doubles {
    /// Those with the same 法人番号.
    pub by_number: Vec<SupplierCode>,
    /// Those with the same name except for its legal form, unless number or prefecture shows that they are other firms.
    pub by_name: Vec<SupplierCode>,
}

/// A supplier that holds a number or a name.
type Holder = (SupplierId, SupplierCode, Option<PrefectureCode>, Option<CorporateNumber>);

/// The number of reported holders of a number or a name, plus one for the supplier itself.
const MAX_HOLDERS: usize = 11;

/// Finds other suppliers, neither merged nor archived, that may be the same firm as each of these: at most ten by
/// number and ten by name. Takes two queries, and at most one more for each number or name that very many share.
///
/// # Errors
/// Database errors.
pub fn doubles(tx: &mut Tx, suppliers: &[&Stored<Supplier>]) -> Result<Vec<Doubles>, RepoError> {
    macro_rules! holders_by {
        ($column:ident, $known:expr) => {
            |tx: &mut Tx, keys: &[String], limit: i64| {
                let columns = (
                    $known,
                    (
                        supplier_versions::id,
                        supplier_versions::supplier_code,
                        supplier_versions::prefecture_code,
                        supplier_versions::corporate_number,
                    ),
                );
                // Not sorted: SQLite would walk all suppliers in order of code instead of the few that are asked for.
                Ok(each_backend!(tx.conn, c => crate::record::current!(supplier_versions, tx.tenant, None::<i64>)
                    .filter(supplier_versions::$column.eq_any(keys))
                    .filter(supplier_versions::merged_into_id.is_null())
                    .filter(supplier_versions::ended_on.is_null())
                    .limit(limit)
                    .select(columns)
                    .load(c))?)
            }
        };
    }
    let number = |supplier: &Stored<Supplier>| supplier.attributes.corporate_number.as_ref().map(ToString::to_string);
    let name = |supplier: &Stored<Supplier>| {
        let name = supplier.attributes.search_text.split('\n').next().unwrap_or_default();
        (!name.is_empty()).then(|| without_form(name))
    };
    let numbers = suppliers.iter().filter_map(|supplier| number(supplier));
    let by_number =
        holders(tx, numbers, holders_by!(corporate_number, supplier_versions::corporate_number.assume_not_null()))?;
    let names = suppliers.iter().filter_map(|supplier| name(supplier)).filter(|name| !name.is_empty());
    let by_name = holders(tx, names, holders_by!(name_key, supplier_versions::name_key))?;
    let codes = |found: Option<&Vec<Holder>>, own: &Stored<Supplier>, is_same: &dyn Fn(&Holder) -> bool| {
        let others = found.into_iter().flatten().filter(|holder| holder.0 != own.meta.id && is_same(holder));
        let mut codes: Vec<_> = others.map(|holder| holder.1.clone()).collect();
        codes.sort();
        codes.truncate(MAX_HOLDERS - 1);
        codes
    };
    let doubles = suppliers.iter().map(|own| {
        let may_be_same = |(_, _, prefecture, number): &Holder| {
            let known = &own.attributes;
            (number.is_none() || known.corporate_number.is_none())
                && (prefecture.is_none() || known.prefecture_code.is_none() || *prefecture == known.prefecture_code)
        };
        Doubles {
            by_number: codes(number(own).and_then(|number| by_number.get(&number)), own, &|_| true),
            by_name: codes(name(own).and_then(|name| by_name.get(&name)), own, &may_be_same),
        }
    });
    Ok(doubles.collect())
}

/// Finds the holders of each of these keys; only some of them if there are very many.
fn holders(
    tx: &mut Tx,
    keys: impl Iterator<Item = String>,
    query: impl Fn(&mut Tx, &[String], i64) -> Result<Vec<(String, Holder)>, RepoError>,
) -> Result<HashMap<String, Vec<Holder>>, RepoError> {
    let mut keys: Vec<String> = keys.collect::<HashSet<_>>().into_iter().collect();
    let mut found: HashMap<String, Vec<Holder>> = HashMap::new();
    while !keys.is_empty() {
        let most = (MAX_HOLDERS + 1) * keys.len();
        let rows = query(tx, &keys, most as i64)?;
        let is_whole = rows.len() < most;
        let mut groups: HashMap<String, Vec<Holder>> = HashMap::new();
        for (key, holder) in rows {
            groups.entry(key).or_default().push(holder);
        }
        if is_whole {
            found.extend(groups);
            break;
        }
        // Some key has more holders than are reported, and crowds out the others.
        groups.retain(|_, holders| holders.len() > MAX_HOLDERS);
        keys.retain(|key| !groups.contains_key(key));
        found.extend(groups);
    }
    Ok(found)
}
