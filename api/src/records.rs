//! What suppliers, relationships and evidence have in common: one way to create, read, list, change and retract them.
//!
//! A kind declares its fields with [`resource!`] and its checks with [`Resource`]. `routes` makes its operations. The
//! functions here do the work, for requests and imports alike. Adding an attribute takes one line in the file of the
//! kind.
//!
//! Invariants:
//!
//! - **Nothing is overwritten.** A change adds a version and closes the one before it (`superseded_at`). An archived
//!   supplier and a row that its source no longer lists have ended (`ended_on`). A row that was never true is
//!   retracted, with a reason.
//! - **`known_at` reads the past.** It returns the versions that were current at that moment, with the supplier codes
//!   of that time. A change is known from the moment of its commit (`recorded_at`), so nothing of a running import is
//!   known. `known_at` is about what was known; the `as_of` of scores is the day for which they are computed. If last
//!   year's data is corrected today, what is known now about that day changes; what was known then does not.
//! - **A change names the version that it changes** (`If-Match`) and is refused if there is a newer one. Sending the
//!   same body twice makes one version.
//! - **Every fault of a body is reported at once.** What looks wrong but is accepted is reported as a warning.
//! - A record belongs to its source. An import finds a record again by its key in that source.

mod change;
mod columns;
mod list;
mod parameters;
mod routes;
mod view;

use schema::{
    CorporateNumber, ExternalId, Id, Name, Record, RecordKind, RepoError, Source, Stored, SupplierCode, SupplierId,
    Timestamp, Tx, suppliers,
};

pub(crate) use change::{
    Key, answer_created, body_fields, change, create, edit, first, put, read_body, read_reason, refuse_retracted,
    remove, restore, retract, store_first, write_after, write_next,
};
pub(crate) use columns::{columns, words_of};
pub(crate) use list::{
    ListQuery, PageQuery, answer_read, find, list, list_some, read_chosen, read_sort, read_word, show_all, sorts,
    versions,
};
pub(crate) use parameters::{IfMatch, IfMatchToReplace, IfNoneMatch, KeyQuery, ReadQuery, if_none_match};
pub(crate) use routes::{common_routes, evidence_routes, link_routes};
pub(crate) use view::{
    ChangeBody, CreateBody, Json, References, ReplaceBody, RetractBody, ShownRecord, View, answer, etag, keys, summary,
};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields, Suppliers};
use crate::base::problem::ApiError;
use crate::base::today::Today;
use crate::providers::assigned::Assigned;

/// A kind of record, as the interfaces use it.
pub(crate) trait Resource: Record {
    const KIND: RecordKind;
    /// The name of one record, as in schemas: `Enrollment`.
    const NAME: &'static str;
    /// The name of one record in Japanese.
    const NAME_JA: &'static str;
    /// The path: `/v1/enrollments`.
    const PATH: &'static str;
    /// The fields that are read and written.
    const FIELDS: &'static [Field];
    /// The fields that are shown, but that no body sets.
    const SHOWN: &'static [Field] = &[];
    /// The filters of its list, in addition to those of every list.
    const FILTERS: &'static [Field];
    /// Whether it has a key in its source.
    const HAS_EXTERNAL_ID: bool;
    /// The field that is reported if the key is taken.
    const KEY_FIELD: &'static str;

    /// Reads the attributes. Those that are omitted keep the value of `now`.
    fn read(fields: &mut Fields<'_>, now: Option<&Self>) -> Option<Self>;

    /// Writes the attributes.
    fn write(&self, references: &References, out: &mut Json);

    /// Returns the suppliers that it refers to.
    fn suppliers(&self) -> impl Iterator<Item = SupplierId>;

    /// Reads the filters.
    fn read_filter(fields: &mut Fields<'_>) -> Option<Self::Filter>;

    /// Returns the key by which imports find it. `None` if it needs a key of its source and has none.
    fn key(&self, external_id: Option<&ExternalId>) -> Option<Key>;

    /// Copies the attributes from `now` that were not given.
    fn keep_omitted(&mut self, now: &Self, given: &[&'static str]);

    /// Copies the attributes from `now` that no body sets.
    fn keep_unset(&mut self, now: &Self);

    /// Notes the provider that submitted it, if the kind records that, and refuses what a provider may not send.
    fn sent_by(&mut self, _provider: &Name, _faults: &mut Vec<Fault>) {}

    /// Registers the ids of first versions, if other records refer to them.
    fn register(_tx: &mut Tx, _rows: &[Stored<Self>]) -> Result<(), RepoError> {
        Ok(())
    }

    /// Returns why an import leaves the record unchanged, if it does.
    fn left_alone(now: &Stored<Self>) -> Option<Reason> {
        now.meta.retraction_reason.as_ref().map(|_| Reason::StaysRetracted)
    }

    /// Refuses changes that the state of the record does not allow.
    fn refuse_change(now: &Stored<Self>) -> Result<(), ApiError> {
        refuse_retracted(now)
    }

    /// Checks conditions between fields.
    fn check(&self, _today: Today, _faults: &mut Vec<Fault>) {}

    /// Returns the suppliers that it refers to, with the fields that name them.
    fn references(&self) -> Vec<(&'static str, SupplierId)>;

    /// Returns the warnings of each record: what looks wrong but was accepted. It needs as few queries for many records
    /// as for one.
    fn warnings(_tx: &mut Tx, rows: &[&Stored<Self>]) -> Result<Vec<Vec<Fault>>, RepoError> {
        Ok(vec![Vec::new(); rows.len()])
    }

    /// Returns the warnings about a write that was made: for each record, compared with the version before it, if any.
    fn changes(_tx: &mut Tx, rows: &[(Option<&Self>, &Stored<Self>)]) -> Result<Vec<Vec<Fault>>, RepoError> {
        Ok(vec![Vec::new(); rows.len()])
    }
}

/// Finds suppliers of a buyer in the database: all of them, or those assigned to a provider.
pub(crate) struct StoredSuppliers<'a> {
    tx: &'a mut Tx,
    provider: Option<&'a Name>,
    failed: Option<RepoError>,
}

impl<'a> StoredSuppliers<'a> {
    pub(crate) fn new(tx: &'a mut Tx) -> Self {
        Self { tx, provider: None, failed: None }
    }

    pub(crate) fn assigned_to(tx: &'a mut Tx, provider: &'a Name) -> Self {
        Self { tx, provider: Some(provider), failed: None }
    }

    /// Returns `read`, unless the database failed meanwhile.
    pub(crate) fn finish<T>(self, read: T) -> Result<T, ApiError> {
        self.failed.map_or(Ok(read), |error| Err(error.into()))
    }

    fn or_default<T: Default>(&mut self, found: Result<T, RepoError>) -> T {
        found.unwrap_or_else(|error| {
            self.failed = Some(error);
            T::default()
        })
    }
}

impl Suppliers for StoredSuppliers<'_> {
    fn by_code(&mut self, code: &SupplierCode) -> Option<SupplierId> {
        let found = match self.provider {
            None => suppliers::id_of_code(self.tx, code.as_str(), None),
            Some(provider) => Assigned::with_code(self.tx, provider, code).map(|mut assigned| assigned.by_code(code)),
        };
        self.or_default(found)
    }

    fn family(&mut self, id: SupplierId) -> Vec<SupplierId> {
        let merged = suppliers::merged_into(self.tx, id, None);
        let mut family = self.or_default(merged);
        family.push(id);
        family
    }

    fn are_assigned(&self) -> bool {
        self.provider.is_some()
    }

    fn by_number(&mut self, number: &CorporateNumber) -> Option<SupplierId> {
        let provider = self.provider?;
        let found = Assigned::with_number(self.tx, provider, number).map(|mut assigned| assigned.by_number(number));
        self.or_default(found)
    }
}

/// Reads the source and the key in it from a body.
pub(crate) fn read_origin<R: Resource>(fields: &mut Fields<'_>) -> Option<(Source, Option<ExternalId>)> {
    let source = fields.source();
    let external_id = if R::HAS_EXTERNAL_ID { fields.value("external_id", None) } else { Some(None) };
    Some((source?, external_id?))
}

/// Prepares a record to be shown, with the supplier codes that it refers to as they are, or were at `known_at`.
pub(crate) fn show<R: Resource>(
    tx: &mut Tx,
    stored: &Stored<R>,
    known_at: Option<Timestamp>,
) -> Result<ShownRecord, ApiError> {
    let mut warnings = R::warnings(tx, &[stored])?.into_iter().flatten().collect::<Vec<_>>();
    let references = suppliers::references(tx, stored.attributes.suppliers(), known_at)?;
    let is_archived = |id: &SupplierId| references.get(id).is_some_and(|known| known.is_archived);
    let archived = stored.attributes.references().into_iter().filter(|(_, id)| is_archived(id));
    warnings.extend(archived.map(|(name, _)| Fault::new(name, Reason::SupplierArchived)));
    Ok(ShownRecord::new(stored, &References(references), Some(&warnings)))
}

/// Prepares a record that was just written, with the warnings about the change.
pub(crate) fn show_written<R: Resource>(
    tx: &mut Tx,
    before: Option<&R>,
    stored: &Stored<R>,
) -> Result<ShownRecord, ApiError> {
    let changes = R::changes(tx, &[(before, stored)])?.into_iter().flatten();
    Ok(show(tx, stored, None)?.with(changes))
}

/// Finds the current version, or fails with "not found".
pub(crate) fn current<R: Resource>(tx: &mut Tx, id: Id<R>) -> Result<Stored<R>, ApiError> {
    R::find(tx, id, None)?.ok_or_else(|| crate::base::problem::ProblemKind::NotFound.into())
}

/// Declares the fields of a kind, and how they are read and written.
///
/// `suppliers` are references: stored by id, written and read by code. `shown` and `kept` are attributes that no body
/// sets; `kept` ones are not shown either.
macro_rules! resource {
    (
        $record:ty {
            $(suppliers { $($id:ident = $code:literal by $method:ident $required:literal: $code_text:expr;)* })?
            fields { $($field:ident: $text:expr;)* }
            $(shown { $($shown:ident: $shown_default:expr;)* })?
            $(kept { $($kept:ident: $default:expr;)* })?
        }
    ) => {
        const FIELDS: &'static [$crate::base::fields::Field] = &[
            $($({
                let (heading, ja, en, example) = $code_text;
                let kind = <schema::SupplierCode as $crate::base::fields::FieldValue>::KIND;
                let read = <schema::SupplierCode as $crate::base::fields::FieldValue>::read_scalar;
                $crate::base::fields::Field { name: $code, heading, ja, en, kind, is_required: $required, example, read }
            },)*)?
            $($crate::base::fields::Field::of::<$record, _>(|row| &row.$field, stringify!($field), $text),)*
        ];

        fn read(fields: &mut $crate::base::fields::Fields<'_>, now: Option<&Self>) -> Option<Self> {
            // All fields are read before any is used, so that all faults are found.
            $($(let $id = fields.$method($code, now.map(|now| now.$id));)*)?
            $(let $field = fields.value(stringify!($field), now.map(|now| now.$field.clone()));)*
            // A bad value of an optional field counts as none, so that faults between fields are found as well.
            Some(Self {
                $($($id: $id?,)*)?
                $($field: $field.or_else($crate::base::fields::FieldValue::null)?,)*
                $($($shown: now.map_or_else(|| $shown_default, |now| now.$shown.clone()),)*)?
                $($($kept: now.map_or_else(|| $default, |now| now.$kept.clone()),)*)?
            })
        }

        fn write(&self, references: &$crate::records::References, out: &mut $crate::records::Json) {
            $($(references.write(stringify!($id), $code, self.$id.into(), out);)*)?
            $(out.set(stringify!($field), &self.$field);)*
            $($(out.set(stringify!($shown), &self.$shown);)*)?
            let _ = references;
        }

        fn keep_omitted(&mut self, now: &Self, given: &[&'static str]) {
            $($(if !given.contains(&$code) {
                self.$id = now.$id;
            })*)?
            $(if !given.contains(&stringify!($field)) {
                self.$field = now.$field.clone();
            })*
        }

        fn keep_unset(&mut self, now: &Self) {
            $($(self.$shown = now.$shown.clone();)*)?
            $($(self.$kept = now.$kept.clone();)*)?
            schema::Record::complete(self);
            let _ = now;
        }

        fn suppliers(&self) -> impl Iterator<Item = schema::SupplierId> {
            let ids: &[Option<schema::SupplierId>] = &[$($(self.$id.into(),)*)?];
            ids.iter().flatten().copied().collect::<Vec<_>>().into_iter()
        }

        fn references(&self) -> Vec<(&'static str, schema::SupplierId)> {
            let named: &[(&'static str, Option<schema::SupplierId>)] = &[$($(($code, self.$id.into()),)*)?];
            named.iter().filter_map(|(name, id)| Some((*name, (*id)?))).collect()
        }
    };
}
pub(crate) use resource;

/// Evaluates an expression with the record type of a kind. This is the only place where kinds become types.
macro_rules! of_kind {
    ($kind:expr, $record:ident => $body:expr) => {{
        macro_rules! of {
            ($known:ty) => {{
                type $record = $known;
                $body
            }};
        }
        match $kind {
            schema::RecordKind::Suppliers => of!(schema::suppliers::Supplier),
            schema::RecordKind::SupplierCodes => of!(schema::supplier_codes::SystemCode),
            schema::RecordKind::Relationships => of!(schema::relationships::Relationship),
            schema::RecordKind::Enrollments => of!(schema::enrollments::Enrollment),
            schema::RecordKind::Certifications => of!(schema::certifications::Certification),
            schema::RecordKind::Assessments => of!(schema::assessments::Assessment),
            schema::RecordKind::Incidents => of!(schema::incidents::Incident),
            schema::RecordKind::ProviderAssignments => of!(schema::provider_assignments::ProviderAssignment),
        }
    }};
}
pub(crate) use of_kind;
