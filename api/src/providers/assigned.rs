//! The suppliers for which a provider may send evidence.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use schema::provider_assignments::{ProviderAssignment, ProviderAssignmentFilter};
use schema::supplier_codes::{SystemCode, SystemCodeFilter};
use schema::suppliers::{self, Supplier, SupplierFilter};
use schema::{
    Common, CorporateNumber, Listed, Name, Page, Record, RepoError, Source, Stored, SupplierCode, SupplierId,
    SystemName, Tx,
};

use crate::base::fields::{CORPORATE_NUMBER, Field, Suppliers};

/// The 法人番号 by which a provider may name a supplier.
pub(crate) const CORPORATE_NUMBER_FIELD: Field = Field::of::<Supplier, _>(
    |row| &row.corporate_number,
    CORPORATE_NUMBER,
    (
        "法人番号",
        "取引先の13桁の法人番号。取引先コードがないときに書く",
        "The corporate number of the supplier, 13 digits. Names the supplier if its code is omitted",
        "7010401022916",
    ),
);

/// The suppliers for which a provider may send evidence, by its assignments in force. They are found by the buyer's own
/// codes, by the codes that the buyer gave the provider (further codes whose system is the provider's name), and by
/// 法人番号.
///
/// Each is a canonical record: the assignment of a merged supplier applies to the record that it was merged into. The
/// buyer's own codes of merged suppliers and all codes of archived ones lead nowhere, and so does a name that leads
/// to several suppliers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Assigned {
    ids: HashSet<SupplierId>,
    codes: HashMap<SupplierCode, Option<SupplierId>>,
    numbers: HashMap<CorporateNumber, Option<SupplierId>>,
}

impl Assigned {
    /// Returns all suppliers assigned to a provider.
    pub(crate) fn all(tx: &mut Tx, provider: &Name) -> Result<Self, RepoError> {
        Self::load(tx, provider, None)
    }

    /// Returns the assigned suppliers to which a code may lead.
    pub(crate) fn with_code(tx: &mut Tx, provider: &Name, code: &SupplierCode) -> Result<Self, RepoError> {
        let nowhere = Source::manual();
        let own = Supplier::with_keys(tx, &nowhere, &[code.to_string()], None)?;
        let mut ids: Vec<SupplierId> = own.into_iter().map(|own| own.meta.id).collect();
        if let Some(system) = system_of(provider) {
            let given = SystemCode::with_keys(tx, &nowhere, &[SystemCode::key(&system, None, code)], None)?;
            ids.extend(given.into_iter().map(|given| given.attributes.supplier_id));
        }
        Self::among(tx, provider, ids)
    }

    /// Returns the assigned suppliers to which a 法人番号 may lead.
    pub(crate) fn with_number(tx: &mut Tx, provider: &Name, number: &CorporateNumber) -> Result<Self, RepoError> {
        let filter = SupplierFilter { corporate_number: Some(number.clone()), ..SupplierFilter::default() };
        let known = list_all::<Supplier>(tx, None, filter)?;
        Self::among(tx, provider, known.into_iter().map(|known| known.meta.id))
    }

    /// Returns the assigned suppliers that are the same firms as these.
    pub(crate) fn among(
        tx: &mut Tx,
        provider: &Name,
        ids: impl IntoIterator<Item = SupplierId>,
    ) -> Result<Self, RepoError> {
        let standing: HashSet<_> = suppliers::references(tx, ids, None)?.into_values().map(|known| known.id).collect();
        let mut family = Vec::new();
        for id in standing {
            family.extend(suppliers::merged_into(tx, id, None)?);
            family.push(id);
        }
        Self::load(tx, provider, Some(family))
    }

    fn load(tx: &mut Tx, provider: &Name, among: Option<Vec<SupplierId>>) -> Result<Self, RepoError> {
        let filter = ProviderAssignmentFilter { provider_name: Some(provider.clone()) };
        let assignments = list_all::<ProviderAssignment>(tx, among.clone(), filter)?;
        let ids = assignments.iter().map(|assignment| assignment.attributes.supplier_id);
        let mut assigned = Self::default();
        for (_, known) in suppliers::references(tx, ids, None)? {
            if known.is_archived {
                continue;
            }
            assigned.ids.insert(known.id);
            note_name(&mut assigned.codes, known.code, known.id);
            if let Some(number) = known.corporate_number {
                note_name(&mut assigned.numbers, number, known.id);
            }
        }
        let Some(system) = system_of(provider) else { return Ok(assigned) };
        let filter = SystemCodeFilter { system: Some(system), ..SystemCodeFilter::default() };
        let given: Vec<_> = list_all::<SystemCode>(tx, among, filter)?
            .into_iter()
            .filter(|given| given.attributes.company.is_none())
            .collect();
        let ids = given.iter().map(|given| given.attributes.supplier_id);
        let standing = suppliers::references(tx, ids, None)?;
        for given in &given {
            let known = standing.get(&given.attributes.supplier_id).map(|known| known.id);
            if let Some(id) = known.filter(|id| assigned.ids.contains(id)) {
                note_name(&mut assigned.codes, given.attributes.code.clone(), id);
            }
        }
        Ok(assigned)
    }

    /// Whether it contains no supplier.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Suppliers for Assigned {
    fn by_code(&mut self, code: &SupplierCode) -> Option<SupplierId> {
        self.codes.get(code).copied().flatten()
    }

    fn family(&mut self, id: SupplierId) -> Vec<SupplierId> {
        vec![id]
    }

    fn are_assigned(&self) -> bool {
        true
    }

    fn by_number(&mut self, number: &CorporateNumber) -> Option<SupplierId> {
        self.numbers.get(number).copied().flatten()
    }

    fn holds(&self, id: SupplierId) -> bool {
        self.ids.contains(&id)
    }
}

/// Notes the supplier to which a name leads. If it leads to another one too, it leads nowhere.
fn note_name<N: Eq + Hash>(names: &mut HashMap<N, Option<SupplierId>>, name: N, id: SupplierId) {
    let known = names.entry(name).or_insert(Some(id));
    if *known != Some(id) {
        *known = None;
    }
}

/// Returns the system of the codes that the buyer gave a provider: the provider's name, if that is a valid system name.
fn system_of(provider: &Name) -> Option<SystemName> {
    SystemName::parse(provider.as_str()).ok()
}

/// Returns all records in force, of some suppliers or of all.
fn list_all<R: Record>(
    tx: &mut Tx,
    suppliers: Option<Vec<SupplierId>>,
    filter: R::Filter,
) -> Result<Vec<Stored<R>>, RepoError> {
    let page = Page { sort: None, is_descending: false, after: None, limit: i64::MAX };
    R::list(tx, &Listed { common: Common { suppliers, ..Common::default() }, filter, page })
}
