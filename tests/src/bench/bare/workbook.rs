//! Writes the cells of an existing workbook, in constant memory and without formats.

use std::path::Path;
use std::time::Instant;

use calamine::{Data, Reader, Xlsx, open_workbook};
use rust_xlsxwriter::Workbook;

use super::Took;
use crate::Failure;

pub(super) fn write(from: &Path) -> Result<Took, Failure> {
    let mut source: Xlsx<_> = open_workbook(from)?;
    let sheets = source.worksheets();
    let mut file = tempfile::tempfile()?;
    let mut cells = 0;
    let start = Instant::now();
    let mut workbook = Workbook::new();
    for (name, range) in &sheets {
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        for (row, values) in (0..).zip(range.rows()) {
            for (column, value) in (0..).zip(values) {
                match value {
                    Data::Empty => continue,
                    Data::Float(number) => sheet.write_number(row, column, *number)?,
                    Data::Int(number) => sheet.write_number(row, column, *number as f64)?,
                    value => sheet.write_string(row, column, value.to_string())?,
                };
                cells += 1;
            }
        }
    }
    workbook.save_to_writer(&mut file)?;
    Took::new(start.elapsed(), cells)
}
