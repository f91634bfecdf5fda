//! Further codes of suppliers: which supplier a code of a purchasing system means.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::SupplierCode;
use crate::conn::each_backend;
use crate::error::RepoError;
use crate::record::{BATCH, record};
use crate::tables::supplier_codes;
use crate::{SupplierId, SystemName, Tx};

/// A code by which a purchasing system, or a company in it, knows a supplier.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = supplier_codes, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct SystemCode {
    pub system: SystemName,
    pub company: Option<SystemName>,
    pub code: SupplierCode,
    pub supplier_id: SupplierId,
}

impl SystemCode {
    /// Returns the key by which it is found. There is one supplier for a code of a company in a system.
    pub fn key(system: &SystemName, company: Option<&SystemName>, code: &SupplierCode) -> String {
        // Codes have no control characters, so the parts stay separate.
        format!("{system}\u{1f}{}\u{1f}{code}", company.map_or("", SystemName::as_str))
    }
}

/// Filters of the list of codes.
#[derive(Debug, Clone, Default)]
pub struct SystemCodeFilter {
    /// Only those of this system.
    pub system: Option<SystemName>,
    /// Only those of this company.
    pub company: Option<SystemName>,
    /// Only this one.
    pub code: Option<SupplierCode>,
}

record! {
    impl Record for SystemCode in supplier_codes;
    by_source: false;
    is_scored: false;
    supplier: supplier_id;
    filter: SystemCodeFilter |query, given| {
        if let Some(system) = &given.system {
            query = query.filter(supplier_codes::system.eq(system));
        }
        if let Some(company) = &given.company {
            query = query.filter(supplier_codes::company.eq(company));
        }
        if let Some(code) = &given.code {
            query = query.filter(supplier_codes::code.eq(code));
        }
        query
    }
    sort: SupplierCodeSort {
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}

/// Returns the supplier that each of these keys led to before its current one, if there was one.
///
/// # Errors
/// Database errors.
pub fn former_suppliers(tx: &mut Tx, keys: &[String]) -> Result<HashMap<String, SupplierId>, RepoError> {
    let mut former = HashMap::new();
    for keys in keys.chunks(BATCH) {
        let rows: Vec<(String, SupplierId)> = each_backend!(tx.conn, c => supplier_codes::table
            .filter(supplier_codes::tenant_id.eq(tx.tenant))
            .filter(supplier_codes::superseded_in.is_not_null())
            .filter(supplier_codes::record_key.eq_any(keys))
            .order((supplier_codes::superseded_in.asc(), supplier_codes::version.asc()))
            .select((supplier_codes::record_key, supplier_codes::supplier_id))
            .load(c))?;
        // The last one of each key.
        former.extend(rows);
    }
    Ok(former)
}
