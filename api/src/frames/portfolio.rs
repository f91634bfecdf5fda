//! A portfolio as columns: built from rows that were checked when they were stored, hashed, and stored as Parquet.

use std::io::{Cursor, Write};

use polars::prelude::{
    BooleanChunkedBuilder, ChunkSort, ChunkedBuilder, Column, DataFrame, DataType, Float64Type, Int32Type, Int64Type,
    IntoColumn, PlHashMap, PrimitiveChunkedBuilder, SortOptions, StringChunkedBuilder, UInt32Type,
};
use polars_io::prelude::{ParquetCompression, ParquetReader, ParquetWriter, SerReader, StatisticsOptions};
use polars_parquet::write::ZstdLevel;
use schema::Day;
use scoring::{Portfolio, Table};
use sha2::{Digest, Sha256};

use super::{FrameError, FrameResult};

/// A map for one look-up per row: several times as fast as that of the standard library.
pub(crate) type QuickMap<K, V> = PlHashMap<K, V>;

/// Declares columns under construction.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident($builder:ty) of $ty:ty;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name($builder);

        impl $name {
            fn new(name: &str) -> Self {
                Self(<$builder>::new(name.into(), 0))
            }

            pub(crate) fn push(&mut self, value: Option<$ty>) {
                match value {
                    Some(value) => self.0.append_value(value),
                    None => self.0.append_null(),
                }
            }

            fn finish(self) -> Column {
                self.0.finish().into_column()
            }
        }
    )*};
}

columns! {
    /// Codes, names and keys.
    Texts(StringChunkedBuilder) of &str;
    Wholes(PrimitiveChunkedBuilder<Int64Type>) of i64;
    Numbers(PrimitiveChunkedBuilder<Float64Type>) of f64;
    Flags(BooleanChunkedBuilder) of bool;
    /// Suppliers, by their row number.
    Rows(PrimitiveChunkedBuilder<UInt32Type>) of u32;
}

pub(crate) struct Dates(PrimitiveChunkedBuilder<Int32Type>);

impl Dates {
    fn new(name: &str) -> Self {
        Self(PrimitiveChunkedBuilder::new(name.into(), 0))
    }

    pub(crate) fn push(&mut self, day: Option<Day>) {
        match day {
            Some(day) => self.0.append_value(day.number()),
            None => self.0.append_null(),
        }
    }

    fn finish(self) -> Column {
        self.0.finish().into_date().into_column()
    }
}

/// Declares tables under construction. Their columns have the names of the fields.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($column:ident: $cells:ident,)* })*) => {$(
        $(#[$doc])*
        pub(crate) struct $name { $(pub(crate) $column: $cells,)* }

        impl $name {
            pub(crate) fn new() -> Self {
                Self { $($column: $cells::new(stringify!($column)),)* }
            }

            pub(crate) fn finish(self) -> FrameResult<DataFrame> {
                DataFrame::new_infer_height(vec![$(self.$column.finish(),)*])
            }
        }
    )*};
}

tables! {
    /// The suppliers, in any order.
    SupplierColumns {
        supplier_code: Texts,
        name: Texts,
        jsic_division: Wholes,
        employee_count: Wholes,
        capital_jpy: Numbers,
        data_access: Texts,
        network_access: Texts,
        total_endpoints: Wholes,
        reports_incidents_since: Dates,
    }
    RelationshipColumns {
        upstream: Rows,
        downstream: Rows,
        annual_spend_jpy: Numbers,
        criticality: Texts,
        substitutability: Texts,
        stock_cover_days: Numbers,
    }
    EnrollmentColumns {
        supplier: Rows,
        service_class: Texts,
        coverage_share: Numbers,
        covered_endpoints: Wholes,
        starts_on: Dates,
        ends_on: Dates,
        onsite_response: Flags,
    }
    CertificationColumns {
        supplier: Rows,
        scheme: Texts,
        issued_on: Dates,
        expires_on: Dates,
    }
    AssessmentColumns {
        supplier: Rows,
        control: Texts,
        status: Texts,
        total_score: Wholes,
        assessed_on: Dates,
        expires_on: Dates,
        assurance: Texts,
    }
    IncidentColumns {
        supplier: Rows,
        occurred_on: Dates,
        outcome: Texts,
        count: Wholes,
    }
}

impl SupplierColumns {
    /// Returns the suppliers in ascending byte order of code, and for each new row the number of its old row.
    pub(crate) fn finish_by_code(self) -> FrameResult<(DataFrame, Vec<u32>)> {
        let frame = self.finish()?;
        let order = frame.column(scoring::name::SUPPLIER_CODE)?.str()?.arg_sort(SortOptions::default());
        Ok((frame.take(&order)?, order.into_no_null_iter().collect()))
    }
}

/// Returns the SHA-256 of a portfolio and of the buyer's loss from a breach. The values are hashed in a defined order,
/// regardless of the chunks in which they are stored.
///
/// Numbers are little-endian, and texts come after their length in bytes as u32. First the loss: a byte (1 if there is a
/// loss, else 0) and an i64 (0 if there is none). Then each table: its name, its number of rows as u64, and its columns
/// in order of declaration. A column is its name; its type as a byte; its number of nulls as u64; if there are nulls, a
/// byte for each row, 1 for a value; and its values, where a null is 0 or the empty text.
pub(crate) fn hash(portfolio: &Portfolio, breach_loss_jpy: Option<i64>) -> FrameResult<String> {
    let tables = portfolio.tables()?;
    let mut out = Hashed { sha: Sha256::new(), bytes: Vec::with_capacity(2 * Hashed::BYTES_PER_UPDATE) };
    out.push(&[u8::from(breach_loss_jpy.is_some())]);
    out.push(&breach_loss_jpy.unwrap_or_default().to_le_bytes());
    for table in Table::ALL {
        let frame = tables.table(table);
        // Inputs from before there were assessments keep their hash.
        if table == Table::Assessments && frame.height() == 0 {
            continue;
        }
        out.text(table.name());
        out.push(&(frame.height() as u64).to_le_bytes());
        for column in frame.columns() {
            out.column(column)?;
        }
    }
    Ok(out.finish())
}

/// Collects bytes, to hash many at a time.
struct Hashed {
    sha: Sha256,
    bytes: Vec<u8>,
}

impl Hashed {
    const BYTES_PER_UPDATE: usize = 1 << 16;

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= Self::BYTES_PER_UPDATE {
            self.sha.update(&self.bytes);
            self.bytes.clear();
        }
    }

    fn text(&mut self, text: &str) {
        // No text is longer than a few thousand characters.
        self.push(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.push(text.as_bytes());
    }

    fn column(&mut self, column: &Column) -> FrameResult<()> {
        self.text(column.name());
        let kind = match column.dtype() {
            DataType::String => 1,
            DataType::Int64 => 2,
            DataType::Float64 => 3,
            DataType::Date => 4,
            DataType::Boolean => 5,
            DataType::UInt32 => 6,
            other => return Err(FrameError::SchemaMismatch(format!("a column of {other} in a portfolio").into())),
        };
        self.push(&[kind]);
        self.push(&(column.null_count() as u64).to_le_bytes());
        if column.null_count() > 0 {
            column.is_not_null().iter().for_each(|is_there| self.push(&[u8::from(is_there == Some(true))]));
        }
        match column.dtype() {
            DataType::String => column.str()?.iter().for_each(|text| self.text(text.unwrap_or_default())),
            DataType::Int64 => {
                column.i64()?.iter().for_each(|number| self.push(&number.unwrap_or_default().to_le_bytes()));
            }
            DataType::Float64 => {
                column.f64()?.iter().for_each(|number| self.push(&number.unwrap_or_default().to_le_bytes()));
            }
            DataType::Date => {
                let days = column.date()?.physical().iter();
                days.for_each(|day| self.push(&day.unwrap_or_default().to_le_bytes()));
            }
            DataType::Boolean => column.bool()?.iter().for_each(|is| self.push(&[u8::from(is == Some(true))])),
            _ => column.u32()?.iter().for_each(|row| self.push(&row.unwrap_or_default().to_le_bytes())),
        }
        Ok(())
    }

    fn finish(mut self) -> String {
        self.sha.update(&self.bytes);
        hex::encode(self.sha.finalize())
    }
}

/// Writes a table of a portfolio as Parquet, with rows and columns unchanged.
pub(crate) fn write_table(frame: &DataFrame, out: impl Write) -> FrameResult<()> {
    // The fastest level: a few percent larger than the default one, in half the time.
    let compression = ParquetCompression::Zstd(ZstdLevel::try_new(1).ok());
    ParquetWriter::new(out)
        .with_compression(compression)
        .with_statistics(StatisticsOptions::empty())
        .finish(&mut frame.clone())?;
    Ok(())
}

/// Reads what [`write_table`] wrote.
pub(crate) fn read_table(bytes: Vec<u8>) -> FrameResult<DataFrame> {
    ParquetReader::new(Cursor::new(bytes)).finish()
}

#[cfg(test)]
mod tests {
    use scoring::Tables;

    use super::*;

    fn day(text: &str) -> Option<Day> {
        Some(Day::from(text.parse::<chrono::NaiveDate>().unwrap()))
    }

    /// Returns a portfolio of two suppliers, one of which supplies the other. `change` may alter the tables before they
    /// are checked.
    fn portfolio(change: impl FnOnce(&mut Tables)) -> Portfolio {
        let mut suppliers = SupplierColumns::new();
        for (code, name, capital) in [("B", None, Some(0.1 + 0.2)), ("A", Some("取引先"), None)] {
            suppliers.supplier_code.push(Some(code));
            suppliers.name.push(name);
            suppliers.jsic_division.push(Some(9));
            suppliers.employee_count.push(None);
            suppliers.capital_jpy.push(capital);
            suppliers.data_access.push(None);
            suppliers.network_access.push(Some("privileged"));
            suppliers.total_endpoints.push(Some(12));
            suppliers.reports_incidents_since.push(day("2026-01-31"));
        }
        let (suppliers, order) = suppliers.finish_by_code().unwrap();
        assert_eq!(order, [1, 0]);
        let mut relationships = RelationshipColumns::new();
        for (upstream, downstream) in [(0, Some(1)), (1, None)] {
            relationships.upstream.push(Some(upstream));
            relationships.downstream.push(downstream);
            relationships.annual_spend_jpy.push(Some(1e9 / 3.0));
            relationships.criticality.push(Some("stops_line"));
            relationships.substitutability.push(Some("sole"));
            relationships.stock_cover_days.push(None);
        }
        let mut enrollments = EnrollmentColumns::new();
        enrollments.supplier.push(Some(1));
        enrollments.service_class.push(Some("new_type"));
        enrollments.coverage_share.push(Some(0.7));
        enrollments.covered_endpoints.push(None);
        enrollments.starts_on.push(day("2025-04-01"));
        enrollments.ends_on.push(None);
        enrollments.onsite_response.push(Some(true));
        let mut incidents = IncidentColumns::new();
        for count in [None, Some(40)] {
            incidents.supplier.push(Some(0));
            incidents.occurred_on.push(day("2026-02-28"));
            incidents.outcome.push(Some("blocked"));
            incidents.count.push(count);
        }
        let mut tables = Tables {
            suppliers,
            relationships: relationships.finish().unwrap(),
            enrollments: enrollments.finish().unwrap(),
            certifications: CertificationColumns::new().finish().unwrap(),
            assessments: AssessmentColumns::new().finish().unwrap(),
            incidents: incidents.finish().unwrap(),
        };
        change(&mut tables);
        Portfolio::of_rows(tables).unwrap()
    }

    fn hash_of(portfolio: &Portfolio) -> String {
        hash(portfolio, Some(5)).unwrap()
    }

    #[test]
    fn what_is_kept_has_the_hash_of_what_was_scored() {
        let scored = portfolio(|_| ());
        let mut tables = scored.tables().unwrap();
        for table in Table::ALL {
            let mut bytes = Vec::new();
            write_table(tables.table(table), &mut bytes).unwrap();
            *tables.table_mut(table) = read_table(bytes).unwrap();
        }
        assert_eq!(hash_of(&Portfolio::of_rows(tables).unwrap()), hash_of(&scored));
    }

    #[test]
    fn pieces_change_no_hash_and_every_value_does() {
        let whole = portfolio(|_| ());
        let in_pieces = portfolio(|tables| {
            let half = |place| tables.incidents.slice(place, 1);
            tables.incidents = half(0).vstack(&half(1)).unwrap();
        });
        assert_eq!(hash_of(&in_pieces), hash_of(&whole));

        let others = [
            portfolio(|tables| tables.incidents = tables.incidents.slice(0, 1)),
            portfolio(|tables| tables.incidents = tables.incidents.reverse()),
            portfolio(|tables| tables.enrollments = tables.enrollments.clear()),
            portfolio(|tables| {
                tables.suppliers.with_column(Column::new("capital_jpy".into(), [None, Some(0.3)])).unwrap();
            }),
        ];
        let mut hashes: Vec<_> = others.iter().map(hash_of).collect();
        hashes.extend([hash(&whole, None).unwrap(), hash(&whole, Some(0)).unwrap(), hash_of(&whole)]);
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 7);
    }
}
