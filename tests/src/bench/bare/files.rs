//! What polars and a bare loop take for the files of a portfolio.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use polars::prelude::*;
use polars_io::prelude::{CsvReadOptions, CsvWriter, SerReader, SerWriter};
use rayon::prelude::*;

use super::Took;
use crate::Failure;

/// A column and its type.
type Typed = (&'static str, DataType);

const TEXT: DataType = DataType::String;
const WHOLE: DataType = DataType::Int64;
const NUMBER: DataType = DataType::Float64;

/// The columns that the model reads, by file.
const FILES: [(&str, &[Typed]); 6] = [
    (
        "suppliers",
        &[
            ("supplier_code", TEXT),
            ("name", TEXT),
            ("jsic_division", WHOLE),
            ("employee_count", WHOLE),
            ("capital_jpy", NUMBER),
            ("data_access", TEXT),
            ("network_access", TEXT),
            ("total_endpoints", WHOLE),
            ("reports_incidents_since", DataType::Date),
        ],
    ),
    (
        "relationships",
        &[
            ("upstream_code", TEXT),
            ("downstream_code", TEXT),
            ("annual_spend_jpy", NUMBER),
            ("criticality", TEXT),
            ("substitutability", TEXT),
            ("stock_cover_days", NUMBER),
        ],
    ),
    (
        "enrollments",
        &[
            ("supplier_code", TEXT),
            ("service_class", TEXT),
            ("coverage_share", NUMBER),
            ("covered_endpoints", WHOLE),
            ("starts_on", DataType::Date),
            ("ends_on", DataType::Date),
            ("onsite_response", DataType::Boolean),
        ],
    ),
    (
        "certifications",
        &[("supplier_code", TEXT), ("scheme", TEXT), ("issued_on", DataType::Date), ("expires_on", DataType::Date)],
    ),
    (
        "assessments",
        &[
            ("supplier_code", TEXT),
            ("control", TEXT),
            ("status", TEXT),
            ("total_score", WHOLE),
            ("assessed_on", DataType::Date),
            ("expires_on", DataType::Date),
            ("assurance", TEXT),
        ],
    ),
    ("incidents", &[("supplier_code", TEXT), ("occurred_on", DataType::Date), ("outcome", TEXT), ("count", WHOLE)]),
];

/// Reads the columns that the model reads, and writes existing results: as few steps as possible.
pub(super) fn copy(from: &str, results: &str, to: &str) -> Result<Took, Failure> {
    let mut results = CsvReadOptions::default().try_into_reader_with_file_path(Some(results.into()))?.finish()?;
    let start = Instant::now();
    let mut rows = 0;
    for (file, columns) in FILES {
        rows += read(from, file, columns)?.height();
    }
    let read = start.elapsed();
    let start = Instant::now();
    CsvWriter::new(File::create(to)?).finish(&mut results)?;
    Took::new(read + start.elapsed(), rows as u64)
}

/// Groups incidents and relationships by supplier, once each.
pub(super) fn group(from: &str) -> Result<Took, Failure> {
    let mut took = std::time::Duration::ZERO;
    let mut rows = 0;
    for (file, code, number, kind) in
        [("incidents", "supplier_code", "count", WHOLE), ("relationships", "upstream_code", "annual_spend_jpy", NUMBER)]
    {
        let frame = read(from, file, &[(code, TEXT), (number, kind)])?;
        let keys = UInt32Chunked::new("key".into(), numbers(&frame, code)?);
        let frame = DataFrame::new_infer_height(vec![keys.into_column(), frame.column(number)?.clone()])?.lazy();
        let start = Instant::now();
        let groups = frame.group_by([col("key")]).agg([col(number).sum(), len()]).collect()?;
        took += start.elapsed();
        rows += groups.height();
    }
    Took::new(took, rows as u64)
}

/// Multiplies the matrix of the relationships between suppliers with a vector, `times` times on `threads` threads.
/// Returns the time of one product.
pub(super) fn product(from: &str, threads: usize, times: u32) -> Result<Took, Failure> {
    let frame = read(from, "relationships", &[("upstream_code", TEXT), ("downstream_code", TEXT)])?;
    let (upstream, downstream) = (numbers(&frame, "upstream_code")?, numbers(&frame, "downstream_code")?);
    let ends = upstream.into_iter().zip(downstream).filter_map(|(upstream, downstream)| Some((downstream?, upstream?)));
    let mut edges: Vec<(u32, u32)> = ends.collect();
    edges.par_sort_unstable();
    edges.dedup();
    let count = edges.iter().map(|(one, other)| *one.max(other) as usize + 1).max().unwrap_or_default();
    let offsets: Vec<usize> =
        (0..=count).map(|node| edges.partition_point(|(downstream, _)| (*downstream as usize) < node)).collect();
    let (ends, weights): (Vec<u32>, Vec<f64>) = edges.iter().map(|(_, upstream)| (*upstream, 0.1)).unzip();
    let mut values = vec![1.0; count];
    let mut sums = vec![0.0; count];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let start = Instant::now();
    for _ in 0..times {
        pool.install(|| {
            sums.par_iter_mut().with_min_len(4096).zip(offsets.par_windows(2)).for_each(|(sum, range)| {
                let range = range.first().copied().unwrap_or_default()..range.last().copied().unwrap_or_default();
                let row =
                    ends.get(range.clone()).unwrap_or_default().iter().zip(weights.get(range).unwrap_or_default());
                *sum = row.fold(0.0, |sum, (end, weight)| {
                    sum + weight * values.get(*end as usize).copied().unwrap_or_default()
                });
            });
        });
        std::mem::swap(&mut sums, &mut values);
    }
    let took = start.elapsed() / times;
    std::hint::black_box(&values);
    Took::new(took, edges.len() as u64)
}

/// Reads some columns of a file with polars.
fn read(folder: &str, file: &str, columns: &[Typed]) -> Result<DataFrame, Failure> {
    let path = Path::new(folder).join(file).with_extension("csv");
    let names = columns.iter().map(|(name, _)| (*name).into());
    let schema: Schema = columns.iter().map(|(name, kind)| ((*name).into(), kind.clone())).collect();
    let options =
        CsvReadOptions::default().with_columns(Some(names.collect())).with_schema_overwrite(Some(schema.into()));
    Ok(options.try_into_reader_with_file_path(Some(path))?.finish()?)
}

/// Returns the numbers in codes like `S0000123`.
fn numbers(frame: &DataFrame, column: &str) -> Result<Vec<Option<u32>>, Failure> {
    let codes = frame.column(column)?.str()?;
    Ok(codes.iter().map(|code| code?.trim_start_matches('S').parse().ok()).collect())
}
