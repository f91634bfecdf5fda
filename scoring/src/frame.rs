//! Conversions between frames and the slices on which kernels run.

use std::borrow::Cow;

use polars::prelude::*;
use rayon::prelude::*;

use crate::columns::name::SUPPLIER;

/// Returns a date column as days since 1970-01-01, i32.
pub(crate) fn days(name: &str) -> Expr {
    col(name).cast(DataType::Int32)
}

/// Returns a column of suppliers' rows, without nulls.
pub(crate) fn keys<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<Cow<'a, [u32]>> {
    dense(frame.column(name)?.u32()?)
}

/// Returns a column of numbers, without nulls.
pub(crate) fn floats<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<Cow<'a, [f64]>> {
    dense(frame.column(name)?.f64()?)
}

/// Creates a column of numbers from the result of a kernel.
pub(crate) fn from_floats(name: &str, values: Vec<f64>) -> Column {
    Column::new(name.into(), values)
}

/// Returns the other columns of a frame with at most one row per supplier, over all suppliers: null for those without
/// one.
pub(crate) fn by_supplier(frame: &DataFrame, supplier_count: usize) -> PolarsResult<DataFrame> {
    let mut rows = vec![None; supplier_count];
    for (row, supplier) in (0..).zip(keys(frame, SUPPLIER)?.iter()) {
        if let Some(place) = rows.get_mut(*supplier as usize) {
            *place = Some(row);
        }
    }
    frame.drop(SUPPLIER)?.take(&IdxCa::from_iter_options("".into(), rows.into_iter()))
}

/// Processes the rows of a frame in up to as many pieces as there are threads, each of at least `least_rows` rows if
/// there are as many. Returns the results in order.
pub(crate) fn in_pieces<T: Send>(
    frame: &DataFrame,
    least_rows: usize,
    work: impl Fn(&DataFrame) -> PolarsResult<T> + Sync,
) -> PolarsResult<Vec<T>> {
    let count = rayon::current_num_threads().min(frame.height() / least_rows.max(1)).max(1);
    let size = frame.height().div_ceil(count);
    (0..count).into_par_iter().map(|piece| work(&frame.slice((piece * size) as i64, size))).collect()
}

/// The minimum number of rows that is worth a thread.
pub(crate) const MIN_ROWS_PER_PIECE: usize = 1 << 14;

/// Returns the values as one slice, borrowed if they are contiguous.
fn dense<T: PolarsNumericType>(column: &ChunkedArray<T>) -> PolarsResult<Cow<'_, [T::Native]>> {
    match column.cont_slice() {
        Ok(slice) => Ok(Cow::Borrowed(slice)),
        Err(_) if column.null_count() == 0 => Ok(Cow::Owned(column.into_no_null_iter().collect())),
        Err(error) => Err(error),
    }
}
