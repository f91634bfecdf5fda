//! What is scored: the buyer's data as known at a moment, as the CSV files that `sonae score` reads.
//!
//! A run scores these very files, and keeps them: scored again, they give the same bits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use chrono::NaiveDate;
use schema::portfolio::{
    self, CertificationRow, EnrollmentRow, IncidentRow, RelationshipRow, SupplierRow, contacts_verified,
};
use schema::{Choice, Name, SupplierId, Timestamp, Tx};
use scoring::{Lang, Portfolio, Table};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::files::folder;
use crate::queue::outcome::Interrupted;

/// The buyer's data as known at a moment, in files.
pub(super) struct Snapshot {
    folder: TempDir,
    /// The SHA-256 of its content.
    pub(super) hash: String,
    /// Rows of each table, in order of [`Table::ALL`].
    pub(super) row_counts: [i64; 5],
    /// The suppliers by their code.
    pub(super) suppliers: HashMap<String, SupplierId>,
    /// Active enrollments by their provider, where it is known.
    pub(super) operators: BTreeMap<Option<String>, usize>,
    /// Suppliers whose incident contact, as it is now, was verified in the twelve months up to the day.
    pub(super) verified_contact_count: usize,
}

/// A table's file in the making: every byte is hashed.
struct Out<'a> {
    csv: csv::Writer<BufWriter<File>>,
    hash: &'a mut Sha256,
    row_count: i64,
}

impl<'a> Out<'a> {
    fn new(folder: &Path, table: Table, hash: &'a mut Sha256) -> io::Result<Self> {
        let file = File::create(folder.join(format!("{}.csv", table.name())))?;
        let mut out = Self { csv: csv::Writer::from_writer(BufWriter::new(file)), hash, row_count: -1 };
        out.row(table.columns().iter().map(|column| column.name))?;
        Ok(out)
    }

    fn row<'b>(&mut self, cells: impl Iterator<Item = &'b str>) -> io::Result<()> {
        for cell in cells {
            // Neither separator occurs in a text: what a buyer registers has no control characters.
            self.hash.update(cell.as_bytes());
            self.hash.update([0x1f]);
            self.csv.write_field(cell).map_err(io::Error::from)?;
        }
        self.hash.update([0x1e]);
        self.csv.write_record(None::<&[u8]>).map_err(io::Error::from)?;
        self.row_count += 1;
        Ok(())
    }

    fn cells<const N: usize>(&mut self, cells: [Option<String>; N]) -> io::Result<()> {
        self.row(cells.iter().map(|cell| cell.as_deref().unwrap_or_default()))
    }

    fn finish(mut self) -> io::Result<i64> {
        self.csv.flush()?;
        self.hash.update([0x1d]);
        Ok(self.row_count)
    }
}

fn text(value: &Option<impl ToString>) -> Option<String> {
    value.as_ref().map(ToString::to_string)
}

fn key(choice: impl Choice) -> Option<String> {
    Some(choice.key().to_owned())
}

/// Where the evidence of a supplier counts: at the one that stands for it, while that is no archived one.
#[derive(Default)]
struct EvidenceOwners {
    standing: HashMap<SupplierId, String>,
    merged: HashMap<SupplierId, SupplierId>,
}

impl EvidenceOwners {
    fn of(&self, id: SupplierId) -> Option<&String> {
        self.standing.get(self.merged.get(&id).unwrap_or(&id))
    }
}

impl Snapshot {
    /// Writes the data of a buyer as known at a moment, or now, for scores as of a day.
    pub(super) fn take(
        tx: &mut Tx,
        known_at: Option<Timestamp>,
        as_of: NaiveDate,
        buyer_breach_loss_jpy: Option<i64>,
    ) -> Result<Self, Interrupted> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let mut hash = Sha256::new();
        hash.update(format!("buyer_breach_loss_jpy\u{1f}{}\u{1e}", text(&buyer_breach_loss_jpy).unwrap_or_default()));
        let (codes, suppliers) = write_suppliers(tx, known_at, as_of, path, &mut hash)?;
        let relationships = {
            let mut out = Out::new(path, Table::Relationships, &mut hash)?;
            portfolio::each_relationship(tx, known_at, |row| relationship(&mut out, &codes, as_of, row))?;
            out.finish()?
        };
        let mut operators = BTreeMap::new();
        let enrollments = {
            let mut out = Out::new(path, Table::Enrollments, &mut hash)?;
            portfolio::each_enrollment(tx, known_at, |row| enrollment(&mut out, &codes, as_of, &mut operators, row))?;
            out.finish()?
        };
        let certifications = {
            let mut out = Out::new(path, Table::Certifications, &mut hash)?;
            portfolio::each_certification(tx, known_at, |row| certification(&mut out, &codes, row))?;
            out.finish()?
        };
        let incidents = {
            let mut out = Out::new(path, Table::Incidents, &mut hash)?;
            portfolio::each_incident(tx, known_at, |row| incident(&mut out, &codes, row))?;
            out.finish()?
        };
        let year_ago = as_of.checked_sub_months(chrono::Months::new(12)).unwrap_or(as_of);
        let verified = contacts_verified(tx, year_ago, as_of)?;
        let verified: BTreeSet<_> = verified.into_iter().filter_map(|id| codes.of(id)).collect();
        Ok(Self {
            hash: hex::encode(hash.finalize()),
            row_counts: [suppliers, relationships, enrollments, certifications, incidents],
            operators,
            verified_contact_count: verified.len(),
            suppliers: codes.standing.into_iter().map(|(id, code)| (code, id)).collect(),
            folder,
        })
    }

    /// The files as a portfolio.
    pub(super) fn portfolio(&self, buyer_breach_loss_jpy: Option<i64>) -> Result<Portfolio, Interrupted> {
        read(self.folder.path(), buyer_breach_loss_jpy)
    }

    /// The files in a ZIP archive, which always has the same bytes.
    pub(super) fn archive(&self) -> Result<File, Interrupted> {
        let mut zip = ZipWriter::new(tempfile::tempfile()?);
        for table in Table::ALL {
            let name = format!("{}.csv", table.name());
            // The quickest level: a third larger, in a quarter of the time.
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(1))
                .large_file(true);
            zip.start_file(&name, options).map_err(io::Error::from)?;
            io::copy(&mut File::open(self.folder.path().join(name))?, &mut zip)?;
        }
        let mut file = zip.finish().map_err(io::Error::from)?;
        file.rewind()?;
        Ok(file)
    }
}

/// The portfolio of an archive.
pub(super) fn unpack(archive: File, buyer_breach_loss_jpy: Option<i64>) -> Result<Portfolio, Interrupted> {
    let folder = tempfile::tempdir()?;
    let mut zip = ZipArchive::new(archive).map_err(io::Error::from)?;
    for table in Table::ALL {
        let name = format!("{}.csv", table.name());
        let mut file = File::create(folder.path().join(&name))?;
        io::copy(&mut zip.by_name(&name).map_err(io::Error::from)?.by_ref(), &mut file)?;
        file.flush()?;
    }
    read(folder.path(), buyer_breach_loss_jpy)
}

fn read(folder: &Path, buyer_breach_loss_jpy: Option<i64>) -> Result<Portfolio, Interrupted> {
    let read = folder::read(folder, &|_| {}).map_err(|error| {
        // Everything was checked when it was registered: this is a fault of ours.
        let text = error.text(folder, Lang::En);
        Interrupted::Failed(text.into())
    })?;
    Ok(read.portfolio.with_buyer_breach_loss(buyer_breach_loss_jpy.map(|yen| yen as f64)))
}

fn write_suppliers(
    tx: &mut Tx,
    known_at: Option<Timestamp>,
    as_of: NaiveDate,
    folder: &Path,
    hash: &mut Sha256,
) -> Result<(EvidenceOwners, i64), Interrupted> {
    let mut codes = EvidenceOwners::default();
    let mut out = Out::new(folder, Table::Suppliers, hash)?;
    portfolio::each_supplier(tx, known_at, |row: SupplierRow| {
        if let Some(target) = row.merged_into_id {
            codes.merged.insert(row.id, target);
            return Ok(());
        }
        if row.ended_on.is_some_and(|day| day <= as_of) {
            return Ok(());
        }
        codes.standing.insert(row.id, row.supplier_code.to_string());
        out.cells([
            Some(row.supplier_code.to_string()),
            text(&row.name),
            text(&row.jsic_division),
            row.employee_count.map(|count| count.get().to_string()),
            row.capital_jpy.map(|yen| yen.get().to_string()),
            row.data_access.and_then(key),
            row.network_access.and_then(key),
            row.total_endpoints.map(|count| count.get().to_string()),
            text(&row.reports_incidents_since),
        ])
        .map_err(Interrupted::from)
    })?;
    Ok((codes, out.finish()?))
}

/// A supply holds from its first day until the day before its last, and until its source has dropped it.
fn relationship(
    out: &mut Out<'_>,
    codes: &EvidenceOwners,
    as_of: NaiveDate,
    row: RelationshipRow,
) -> Result<(), Interrupted> {
    let is_over = |day: Option<NaiveDate>| day.is_some_and(|day| day <= as_of);
    let has_not_begun = row.valid_from_on.is_some_and(|day| day > as_of);
    if has_not_begun || is_over(row.valid_to_on) || is_over(row.ended_on) {
        return Ok(());
    }
    let Some(upstream) = codes.of(row.upstream_id) else { return Ok(()) };
    let downstream = match row.downstream_id {
        None => None,
        Some(id) => match codes.of(id) {
            // Between two records of one firm that were merged nothing is supplied.
            Some(code) if code != upstream => Some(code.clone()),
            _ => return Ok(()),
        },
    };
    out.cells([
        Some(upstream.clone()),
        downstream,
        row.annual_spend_jpy.map(|yen| yen.get().to_string()),
        key(row.criticality),
        key(row.substitutability),
        row.stock_cover_days.map(|days| days.get().to_string()),
    ])?;
    Ok(())
}

/// What its source has dropped ended on that day.
fn enrollment(
    out: &mut Out<'_>,
    codes: &EvidenceOwners,
    as_of: NaiveDate,
    operators: &mut BTreeMap<Option<String>, usize>,
    row: EnrollmentRow,
) -> Result<(), Interrupted> {
    let Some(code) = codes.of(row.supplier_id) else { return Ok(()) };
    let ends_on = row.ends_on.into_iter().chain(row.ended_on).min();
    if ends_on.is_some_and(|day| day <= row.starts_on) {
        return Ok(());
    }
    if row.starts_on <= as_of && ends_on.is_none_or(|day| day > as_of) {
        *operators.entry(row.provider_name.as_ref().map(Name::to_string)).or_default() += 1;
    }
    out.cells([
        Some(code.clone()),
        key(row.service_class),
        row.coverage_share.map(|share| share.get().to_string()),
        row.covered_endpoints.map(|count| count.get().to_string()),
        Some(row.starts_on.to_string()),
        text(&ends_on),
        Some(row.onsite_response.to_string()),
    ])?;
    Ok(())
}

/// What its source has dropped was good until the day before.
fn certification(out: &mut Out<'_>, codes: &EvidenceOwners, row: CertificationRow) -> Result<(), Interrupted> {
    let Some(code) = codes.of(row.supplier_id) else { return Ok(()) };
    let dropped = row.ended_on.and_then(|day| day.pred_opt());
    let expires_on = row.expires_on.into_iter().chain(dropped).min();
    if expires_on.is_some_and(|day| day < row.issued_on) {
        return Ok(());
    }
    out.cells([Some(code.clone()), key(row.scheme), Some(row.issued_on.to_string()), text(&expires_on)])?;
    Ok(())
}

/// An incident has happened, whether or not its source still lists it.
fn incident(out: &mut Out<'_>, codes: &EvidenceOwners, row: IncidentRow) -> Result<(), Interrupted> {
    let Some(code) = codes.of(row.supplier_id) else { return Ok(()) };
    out.cells([
        Some(code.clone()),
        Some(row.occurred_on.to_string()),
        key(row.outcome),
        row.count.map(|count| count.get().to_string()),
    ])?;
    Ok(())
}
