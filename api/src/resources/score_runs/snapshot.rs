//! The input of a run: the buyer's data as known at a moment, straight from rows to frames.
//!
//! A run stores exactly these frames as Parquet. Scored again, they give the same bits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::mpsc;
use std::thread;

use chrono::NaiveDate;
use schema::portfolio::{
    self, AssessmentRow, CertificationRow, EnrollmentRow, IncidentRow, RelationshipRow, Rows, RowsById, SupplierRow,
    contacts_verified,
};
use schema::{Choice, Day, Name, SupplierId, Timestamp, Tx};
use scoring::{Portfolio, PortfolioError, Table, Tables};
use tempfile::tempfile;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::frames::DataFrame;
use crate::frames::portfolio::{
    self as columns, AssessmentColumns, CertificationColumns, EnrollmentColumns, IncidentColumns, QuickMap,
    RelationshipColumns, SupplierColumns,
};
use crate::queue::outcome::Interrupted;

/// The buyer's data as known at a moment.
pub(super) struct Snapshot {
    /// The data in order of record id, except that the suppliers are in order of code.
    pub(super) portfolio: Portfolio,
    buyer_breach_loss_jpy: Option<i64>,
    /// The ids of the suppliers by code.
    pub(super) suppliers: HashMap<String, SupplierId>,
    /// The number of active enrollments by provider. `None` has those whose provider is unknown.
    pub(super) operators: BTreeMap<Option<String>, usize>,
    /// The number of suppliers whose present incident contact was verified in the twelve months up to the day.
    pub(super) verified_contact_count: usize,
}

impl From<PortfolioError> for Interrupted {
    fn from(error: PortfolioError) -> Self {
        // Everything was checked when it was registered, so this is a bug of Sonae.
        Self::Failed(match error {
            PortfolioError::Faults(faults) => {
                let first = faults.first().first();
                format!("{} faults in what is stored, the first: {first:?}", faults.count()).into()
            }
            PortfolioError::Frame(error) => error.into(),
        })
    }
}

/// Maps each supplier to the row in which its evidence counts: that of its canonical record, unless that is archived.
struct EvidenceOwners(QuickMap<SupplierId, u32>);

impl EvidenceOwners {
    fn of(&self, id: SupplierId) -> Option<u32> {
        self.0.get(&id).copied()
    }
}

impl Snapshot {
    /// Reads the data of a buyer as known at a moment, or now, for scores as of a day. `rows` are rows of now that are
    /// kept in memory: they are used instead of reading them again, with the same result.
    pub(super) fn take(
        tx: &mut Tx,
        rows: Option<&Rows>,
        known_at: Option<Timestamp>,
        as_of: NaiveDate,
        buyer_breach_loss_jpy: Option<i64>,
    ) -> Result<Self, Interrupted> {
        let day = Day::from(as_of);
        let (suppliers, ids, owners) = read_suppliers(tx, rows, known_at, day)?;
        let mut relationships = RelationshipColumns::new();
        each(
            rows.map(|rows| &rows.relationships),
            |with| portfolio::each_relationship(tx, known_at, with),
            |row| relationship(&mut relationships, &owners, day, row),
        )?;
        let mut operators = BTreeMap::new();
        let mut enrollments = EnrollmentColumns::new();
        each(
            rows.map(|rows| &rows.enrollments),
            |with| portfolio::each_enrollment(tx, known_at, with),
            |row| enrollment(&mut enrollments, &owners, day, &mut operators, row),
        )?;
        let mut certifications = CertificationColumns::new();
        each(
            rows.map(|rows| &rows.certifications),
            |with| portfolio::each_certification(tx, known_at, with),
            |row| certification(&mut certifications, &owners, row),
        )?;
        let mut assessments = AssessmentColumns::new();
        each(
            rows.map(|rows| &rows.assessments),
            |with| portfolio::each_assessment(tx, known_at, with),
            |row| assessment(&mut assessments, &owners, row),
        )?;
        let mut incidents = IncidentColumns::new();
        each(
            rows.map(|rows| &rows.incidents),
            |with| portfolio::each_incident(tx, known_at, with),
            |row| incident(&mut incidents, &owners, row),
        )?;
        let year_ago = as_of.checked_sub_months(chrono::Months::new(12)).unwrap_or(as_of);
        let verified = contacts_verified(tx, year_ago, as_of)?;
        let verified: BTreeSet<_> = verified.into_iter().filter_map(|id| owners.of(id)).collect();
        let tables = Tables {
            suppliers,
            relationships: relationships.finish()?,
            enrollments: enrollments.finish()?,
            certifications: certifications.finish()?,
            assessments: assessments.finish()?,
            incidents: incidents.finish()?,
        };
        Ok(Self {
            portfolio: of_tables(tables, buyer_breach_loss_jpy)?,
            buyer_breach_loss_jpy,
            suppliers: ids,
            operators,
            verified_contact_count: verified.len(),
        })
    }

    /// Returns the SHA-256 of its content.
    pub(super) fn hash(&self) -> Result<String, Interrupted> {
        Ok(columns::hash(&self.portfolio, self.buyer_breach_loss_jpy)?)
    }

    /// Returns the number of rows of each table, in order of [`Table::ALL`].
    pub(super) fn row_counts(&self) -> [i64; 6] {
        Table::ALL.map(|table| i64::try_from(self.portfolio.row_count(table)).unwrap_or(i64::MAX))
    }

    /// Writes the tables to a ZIP archive of Parquet files, which are compressed by themselves.
    pub(super) fn archive(&self) -> Result<File, Interrupted> {
        let tables = self.portfolio.tables()?;
        let mut zip = ZipWriter::new(tempfile()?);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        for table in Table::ALL {
            zip.start_file(file_name(table), options).map_err(io::Error::from)?;
            columns::write_table(tables.table(table), &mut zip)?;
        }
        let mut file = zip.finish().map_err(io::Error::from)?;
        file.rewind()?;
        Ok(file)
    }
}

/// Reads the portfolio of an archive and checks that its content has this SHA-256.
pub(super) fn unpack(archive: File, buyer_breach_loss_jpy: Option<i64>, hash: &str) -> Result<Portfolio, Interrupted> {
    let mut zip = ZipArchive::new(archive).map_err(io::Error::from)?;
    let mut tables = Tables::of_suppliers(Table::Suppliers.empty());
    for table in Table::ALL {
        let mut bytes = Vec::new();
        *tables.table_mut(table) = match zip.by_name(&file_name(table)) {
            Ok(mut file) => {
                file.read_to_end(&mut bytes)?;
                columns::read_table(bytes)?
            }
            // Inputs of earlier releases have no assessments.
            Err(ZipError::FileNotFound) if table == Table::Assessments => table.empty_of_rows(),
            Err(error) => return Err(io::Error::from(error).into()),
        };
    }
    let portfolio = of_tables(tables, buyer_breach_loss_jpy)?;
    if columns::hash(&portfolio, buyer_breach_loss_jpy)? != hash {
        return Err(Interrupted::Failed("what is kept is not what was scored: it has another hash".into()));
    }
    Ok(portfolio)
}

fn file_name(table: Table) -> String {
    format!("{}.parquet", table.name())
}

fn of_tables(tables: Tables, buyer_breach_loss_jpy: Option<i64>) -> Result<Portfolio, Interrupted> {
    Ok(Portfolio::of_rows(tables)?.with_buyer_breach_loss(buyer_breach_loss_jpy.map(|yen| yen as f64)))
}

/// Reads the suppliers that are active on a day in order of code, their ids by code, and where evidence counts.
fn read_suppliers(
    tx: &mut Tx,
    rows: Option<&Rows>,
    known_at: Option<Timestamp>,
    as_of: Day,
) -> Result<(DataFrame, HashMap<String, SupplierId>, EvidenceOwners), Interrupted> {
    let mut out = SupplierColumns::new();
    let (mut standing, mut ids, mut merged) = (Vec::new(), HashMap::new(), Vec::new());
    let take = |row: &SupplierRow| {
        if let Some(target) = row.merged_into_id {
            merged.push((row.id, target));
            return;
        }
        if row.ended_on.is_some_and(|day| day <= as_of) {
            return;
        }
        standing.push(row.id);
        ids.insert(row.supplier_code.to_string(), row.id);
        out.supplier_code.push(Some(row.supplier_code.as_str()));
        out.name.push(row.name.as_ref().map(Name::as_str));
        out.jsic_division.push(row.jsic_division.as_ref().map(|division| division.number()));
        out.employee_count.push(row.employee_count.map(|count| count.get()));
        out.capital_jpy.push(row.capital_jpy.map(|yen| yen.get() as f64));
        out.data_access.push(row.data_access.map(Choice::key));
        out.network_access.push(row.network_access.map(Choice::key));
        out.total_endpoints.push(row.total_endpoints.map(|count| count.get()));
        out.reports_incidents_since.push(row.reports_incidents_since);
    };
    each(rows.map(|rows| &rows.suppliers), |with| portfolio::each_supplier(tx, known_at, with), take)?;
    let (frame, order) = out.finish_by_code()?;
    let mut owners = QuickMap::default();
    for (row, before) in (0..).zip(order) {
        owners.extend(standing.get(before as usize).map(|id| (*id, row)));
    }
    let moved: Vec<_> = merged.into_iter().filter_map(|(id, target)| Some((id, *owners.get(&target)?))).collect();
    owners.extend(moved);
    Ok((frame, ids, EvidenceOwners(owners)))
}

/// Takes the rows in memory, if there are any, or reads them.
fn each<K, R: Send>(
    at_hand: Option<&RowsById<K, R>>,
    read: impl FnOnce(&mut dyn FnMut(R) -> Result<(), Interrupted>) -> Result<(), Interrupted>,
    mut take: impl FnMut(&R) + Send,
) -> Result<(), Interrupted> {
    match at_hand {
        Some(rows) => rows.iter().for_each(|(_, row)| take(row)),
        None => side_by_side(read, |row| take(&row))?,
    }
    Ok(())
}

/// Reads rows, and takes them on another thread a little later.
fn side_by_side<R: Send>(
    read: impl FnOnce(&mut dyn FnMut(R) -> Result<(), Interrupted>) -> Result<(), Interrupted>,
    take: impl FnMut(R) + Send,
) -> Result<(), Interrupted> {
    /// How many rows are handed over together.
    const ROWS: usize = 4096;
    /// How many such parts may wait.
    const AHEAD: usize = 4;
    thread::scope(|scope| {
        let (sender, parts) = mpsc::sync_channel::<Vec<R>>(AHEAD);
        let taker = thread::Builder::new().name("frames".to_owned());
        let taker = taker.spawn_scoped(scope, move || parts.into_iter().flatten().for_each(take))?;
        // Sending fails only if the other thread has panicked. Joining it then raises the panic here.
        let send = |part| sender.send(part).map_err(|_| Interrupted::Failed("rows are no longer taken".into()));
        let mut part = Vec::with_capacity(ROWS);
        let read = read(&mut |row| {
            part.push(row);
            if part.len() < ROWS { Ok(()) } else { send(std::mem::replace(&mut part, Vec::with_capacity(ROWS))) }
        });
        let read = read.and_then(|()| send(part));
        drop(sender);
        taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read
    })
}

/// Adds a relationship that holds on the day: from its first day until the day before `valid_to_on`, and until the day
/// before its source dropped it.
fn relationship(out: &mut RelationshipColumns, owners: &EvidenceOwners, as_of: Day, row: &RelationshipRow) {
    let is_over = |day: Option<Day>| day.is_some_and(|day| day <= as_of);
    let has_not_begun = row.valid_from_on.is_some_and(|day| day > as_of);
    if has_not_begun || is_over(row.valid_to_on) || is_over(row.ended_on) {
        return;
    }
    let Some(upstream) = owners.of(row.upstream_id) else { return };
    let downstream = match row.downstream_id {
        None => None,
        Some(id) => match owners.of(id) {
            // Nothing is supplied between two merged records of one firm.
            Some(downstream) if downstream != upstream => Some(downstream),
            _ => return,
        },
    };
    out.upstream.push(Some(upstream));
    out.downstream.push(downstream);
    out.annual_spend_jpy.push(row.annual_spend_jpy.map(|yen| yen.get() as f64));
    out.criticality.push(Some(row.criticality.key()));
    out.substitutability.push(Some(row.substitutability.key()));
    out.stock_cover_days.push(row.stock_cover_days.map(|days| days.get()));
}

/// Adds an enrollment. If its source dropped it, it ended on that day at the latest.
fn enrollment(
    out: &mut EnrollmentColumns,
    owners: &EvidenceOwners,
    as_of: Day,
    operators: &mut BTreeMap<Option<String>, usize>,
    row: &EnrollmentRow,
) {
    let Some(supplier) = owners.of(row.supplier_id) else { return };
    let ends_on = row.ends_on.into_iter().chain(row.ended_on).min();
    if ends_on.is_some_and(|day| day <= row.starts_on) {
        return;
    }
    if row.starts_on <= as_of && ends_on.is_none_or(|day| day > as_of) {
        *operators.entry(row.provider_name.as_ref().map(Name::to_string)).or_default() += 1;
    }
    out.supplier.push(Some(supplier));
    out.service_class.push(Some(row.service_class.key()));
    out.coverage_share.push(row.coverage_share.map(|share| share.get()));
    out.covered_endpoints.push(row.covered_endpoints.map(|count| count.get()));
    out.starts_on.push(Some(row.starts_on));
    out.ends_on.push(ends_on);
    out.onsite_response.push(Some(row.onsite_response));
}

/// Adds a certification. If its source dropped it, it was valid until the day before at the latest.
fn certification(out: &mut CertificationColumns, owners: &EvidenceOwners, row: &CertificationRow) {
    let Some(supplier) = owners.of(row.supplier_id) else { return };
    let expires_on = row.expires_on.into_iter().chain(row.ended_on.map(Day::before)).min();
    if expires_on.is_some_and(|day| day < row.issued_on) {
        return;
    }
    out.supplier.push(Some(supplier));
    out.scheme.push(Some(row.scheme.key()));
    out.issued_on.push(Some(row.issued_on));
    out.expires_on.push(expires_on);
}

/// Adds an assessment. If its source dropped it, it was valid until the day before at the latest.
fn assessment(out: &mut AssessmentColumns, owners: &EvidenceOwners, row: &AssessmentRow) {
    let Some(supplier) = owners.of(row.supplier_id) else { return };
    let expires_on = row.expires_on.into_iter().chain(row.ended_on.map(Day::before)).min();
    if expires_on.is_some_and(|day| day < row.assessed_on) {
        return;
    }
    out.supplier.push(Some(supplier));
    out.control.push(Some(row.control.key()));
    out.status.push(row.status.map(Choice::key));
    out.total_score.push(row.total_score.map(|total| total.get()));
    out.assessed_on.push(Some(row.assessed_on));
    out.expires_on.push(expires_on);
    out.assurance.push(Some(row.assurance.key()));
}

/// Adds an incident, which has happened whether or not its source still lists it.
fn incident(out: &mut IncidentColumns, owners: &EvidenceOwners, row: &IncidentRow) {
    let Some(supplier) = owners.of(row.supplier_id) else { return };
    out.supplier.push(Some(supplier));
    out.occurred_on.push(Some(row.occurred_on));
    out.outcome.push(Some(row.outcome.key()));
    out.count.push(row.count.map(|count| count.get()));
}
