//! Published government orders as a portfolio: one buyer, its direct suppliers, and what it spends with each.
//!
//! Only what the orders state is written. Names, sizes and evidence are left out, so that every score is that of an
//! unknown firm. Criticality and substitutability, which the tables require, are a stated assumption.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use csv::{Position, ReaderBuilder, StringRecord, Trim, Writer};

/// What a stop of any of these suppliers does to the buyer. This is unknown, so the middle of three values is assumed.
pub const ASSUMED_CRITICALITY: &str = "degrades";
/// How easily the buyer finds another supplier. This is unknown, so the middle of three values is assumed.
pub const ASSUMED_SUBSTITUTABILITY: &str = "limited";

/// All orders of one buyer to one supplier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The name of the ministry or agency.
    pub buyer: String,
    /// The supplier's 法人番号 of 13 digits. Whether the check digit is right is left to Sonae.
    pub supplier_corporate_number: String,
    /// The sum of the orders, above 0.
    pub total_jpy: u64,
    /// The day of the first order.
    pub first_order_on: NaiveDate,
    /// The day of the last order, not before the first.
    pub last_order_on: NaiveDate,
}

impl Link {
    /// Spreads the total over the years from the first order to the last, at least one, in whole yen.
    ///
    /// Formula: `total / max(1, days / 365.25)`, in whole numbers, halves rounded up
    pub fn annual_spend_jpy(&self) -> u64 {
        let days = (self.last_order_on - self.first_order_on).num_days().unsigned_abs();
        let quarter_days = u128::from(4 * days).max(1461);
        let annual_spend = (u128::from(self.total_jpy) * 1461 + quarter_days / 2) / quarter_days;
        annual_spend as u64 // never more than the total
    }
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    line: u64,
    column: &'static str,
    value: String,
    reason: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, value, reason } = self;
        match *column {
            "" => write!(out, "line {line}: {reason}"),
            _ => write!(out, "line {line}: {column}: {value:?}: {reason}"),
        }
    }
}

/// Why there is no portfolio.
#[derive(Debug, thiserror::Error)]
pub enum ProcurementError {
    /// A file or folder cannot be read or written.
    #[error("{}: {}", path.display(), error)]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The header lacks columns.
    #[error("the header lacks columns: {}", .0.join(", "))]
    MissingColumns(Vec<&'static str>),
    /// Rows cannot be read. The file is refused as a whole.
    #[error("rows that cannot be read: {}\n{}", .0.len(), lines(.0))]
    Rows(Vec<RowFault>),
    /// The file has no order of this buyer.
    #[error("the file has no order of the buyer {buyer:?}; its buyers are: {}", known.join(", "))]
    NoSuchBuyer {
        /// The name that was asked for.
        buyer: String,
        /// The names in the file, each once.
        known: Vec<String>,
    },
}

fn lines(faults: &[RowFault]) -> String {
    faults.iter().map(RowFault::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads the links of a file: `buyer`, `supplier_corporate_number`, `total_yen`, `first_order`, `last_order`.
///
/// # Errors The file cannot be read, lacks columns, or has rows that cannot be read, all of which are named.
pub fn read_links(path: &Path) -> Result<Vec<Link>, ProcurementError> {
    let bytes = fs::read(path).map_err(|error| ProcurementError::File { path: path.to_owned(), error })?;
    parse_links(&bytes)
}

/// Returns the links of one buyer, in the order of the file.
///
/// # Errors The buyer has no links. The error names the buyers in the file.
pub fn links_of(links: &[Link], buyer: &str) -> Result<Vec<Link>, ProcurementError> {
    let of_buyer: Vec<_> = links.iter().filter(|link| link.buyer == buyer).cloned().collect();
    if of_buyer.is_empty() {
        let known: BTreeSet<_> = links.iter().map(|link| link.buyer.clone()).collect();
        return Err(ProcurementError::NoSuchBuyer { buyer: buyer.to_owned(), known: known.into_iter().collect() });
    }
    Ok(of_buyer)
}

/// Writes `suppliers.csv` and `relationships.csv` to a folder. The same links give the same bytes.
///
/// # Errors
/// Those of the file system.
pub fn write_portfolio(links: &[Link], folder: &Path) -> Result<(), ProcurementError> {
    fs::create_dir_all(folder).map_err(|error| ProcurementError::File { path: folder.to_owned(), error })?;
    let suppliers = links.iter().map(|link| [link.supplier_corporate_number.as_str(); 2]);
    write_table(&folder.join("suppliers.csv"), ["supplier_code", "corporate_number"], suppliers)?;
    let headings = [
        "upstream_code",
        "downstream_code",
        "annual_spend_jpy",
        "criticality",
        "substitutability",
        "stock_cover_days",
        "external_id",
    ];
    let relationships = links.iter().map(|link| {
        [
            link.supplier_corporate_number.clone(),
            String::new(),
            link.annual_spend_jpy().to_string(),
            ASSUMED_CRITICALITY.to_owned(),
            ASSUMED_SUBSTITUTABILITY.to_owned(),
            String::new(),
            format!("{}/{}", link.buyer, link.supplier_corporate_number),
        ]
    });
    write_table(&folder.join("relationships.csv"), headings, relationships)
}

fn write_table<T: AsRef<[u8]>, const N: usize>(
    path: &Path,
    headings: [&str; N],
    rows: impl Iterator<Item = [T; N]>,
) -> Result<(), ProcurementError> {
    let file_error = |error: csv::Error| ProcurementError::File { path: path.to_owned(), error: error.into() };
    let mut out = Writer::from_path(path).map_err(file_error)?;
    out.write_record(headings).map_err(file_error)?;
    for row in rows {
        out.write_record(row).map_err(file_error)?;
    }
    out.flush().map_err(|error| ProcurementError::File { path: path.to_owned(), error })
}

const BUYER: &str = "buyer";
const NUMBER: &str = "supplier_corporate_number";
const TOTAL: &str = "total_yen";
const FIRST: &str = "first_order";
const LAST: &str = "last_order";

fn parse_links(bytes: &[u8]) -> Result<Vec<Link>, ProcurementError> {
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(bytes);
    let header = reader.headers().cloned().unwrap_or_default();
    let missing: Vec<_> =
        [BUYER, NUMBER, TOTAL, FIRST, LAST].into_iter().filter(|name| !header.iter().any(|it| it == *name)).collect();
    if !missing.is_empty() {
        return Err(ProcurementError::MissingColumns(missing));
    }
    let mut links = Vec::new();
    let mut faults = Vec::new();
    let mut lines = HashMap::new();
    for record in reader.records() {
        let row = match &record {
            Ok(record) => Row::new(line_of(bytes, record.position()), &header, record),
            Err(error) => Err(vec![whole_row(line_of(bytes, error.position()), "not UTF-8")]),
        };
        match row.and_then(|row| Ok((row.line, row.link()?))) {
            Ok((line, link)) => {
                let key = (link.buyer.clone(), link.supplier_corporate_number.clone());
                match lines.insert(key, line) {
                    Some(first) => faults.push(whole_row(
                        line,
                        &format!("the same buyer and supplier as on line {first}; sum their orders up"),
                    )),
                    None => links.push(link),
                }
            }
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(links) } else { Err(ProcurementError::Rows(faults)) }
}

/// Returns the line on which a record begins. The position is that before the empty lines above it, which are skipped
/// here.
fn line_of(bytes: &[u8], position: Option<&Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let rest = bytes.iter().skip(position.byte() as usize);
    let skipped = rest.take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    position.line() + skipped as u64
}

fn whole_row(line: u64, reason: &str) -> RowFault {
    RowFault { line, column: "", value: String::new(), reason: reason.to_owned() }
}

/// A row of the file with its line.
struct Row<'a> {
    line: u64,
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    fn new(line: u64, header: &'a StringRecord, record: &'a StringRecord) -> Result<Self, Vec<RowFault>> {
        let (found, expected) = (record.len(), header.len());
        if found != expected {
            return Err(vec![whole_row(line, &format!("fields in this row: {found}, in the header: {expected}"))]);
        }
        Ok(Self { line, header, record })
    }

    /// Returns the link, or every fault of the row.
    fn link(&self) -> Result<Link, Vec<RowFault>> {
        let buyer = self.value(BUYER, "empty", |text| (!text.is_empty()).then(|| text.to_owned()));
        let number = self.value(NUMBER, "not a 法人番号 of 13 digits", |text| {
            (text.len() == 13 && is_digits(text)).then(|| text.to_owned())
        });
        let total = self.value(TOTAL, "not a whole number of yen above 0", |text| {
            text.parse().ok().filter(|total| is_digits(text) && *total > 0)
        });
        let [first, last] = [FIRST, LAST].map(|column| {
            self.value(column, "not a calendar date as YYYY-MM-DD", |text| {
                NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
            })
        });
        match (buyer, number, total, first, last) {
            (Ok(_), Ok(_), Ok(_), Ok(first), Ok(last)) if last < first => {
                Err(vec![self.fault(LAST, "before the first order")])
            }
            (Ok(buyer), Ok(supplier_corporate_number), Ok(total_jpy), Ok(first_order_on), Ok(last_order_on)) => {
                Ok(Link { buyer, supplier_corporate_number, total_jpy, first_order_on, last_order_on })
            }
            (buyer, number, total, first, last) => {
                let faults = [buyer.err(), number.err(), total.err(), first.err(), last.err()];
                Err(faults.into_iter().flatten().collect())
            }
        }
    }

    fn value<T>(
        &self,
        column: &'static str,
        reason: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RowFault> {
        read(self.text(column)).ok_or_else(|| self.fault(column, reason))
    }

    fn text(&self, column: &str) -> &'a str {
        let place = self.header.iter().position(|name| name == column);
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    fn fault(&self, column: &'static str, reason: &str) -> RowFault {
        RowFault { line: self.line, column, value: self.text(column).to_owned(), reason: reason.to_owned() }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
