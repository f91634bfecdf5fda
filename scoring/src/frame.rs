//! Between frames and the slices that kernels run over.

use std::borrow::Cow;

use polars::prelude::*;

/// A date column as days since 1970-01-01, i32.
pub(crate) fn days(name: &str) -> Expr {
    col(name).cast(DataType::Int32)
}

/// A column of suppliers' rows, without nulls.
pub(crate) fn keys<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<Cow<'a, [u32]>> {
    dense(frame.column(name)?.u32()?)
}

/// A column of numbers, without nulls.
pub(crate) fn floats<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<Cow<'a, [f64]>> {
    dense(frame.column(name)?.f64()?)
}

/// A column of numbers from a kernel.
pub(crate) fn from_floats(name: &str, values: Vec<f64>) -> Column {
    Column::new(name.into(), values)
}

/// The values as one slice, borrowed where they lie in one piece.
fn dense<T: PolarsNumericType>(column: &ChunkedArray<T>) -> PolarsResult<Cow<'_, [T::Native]>> {
    match column.cont_slice() {
        Ok(slice) => Ok(Cow::Borrowed(slice)),
        Err(_) if column.null_count() == 0 => Ok(Cow::Owned(column.into_no_null_iter().collect())),
        Err(error) => Err(error),
    }
}
