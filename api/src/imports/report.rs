//! What an import says of rows: kept up to a limit, counted beyond it.

use schema::jobs::Finding;

use crate::fault::Fault;

/// Where in a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The sheet of a workbook, or the file of a folder.
    pub(crate) sheet: Option<String>,
    /// The row or line, counted from 1 as the user sees it.
    pub(crate) row: Option<u64>,
}

/// What is wrong with a file as a whole, and where.
#[derive(Debug)]
pub(crate) struct Refusal(Box<(Place, Fault)>);

impl Refusal {
    pub(crate) fn new(place: Place, fault: Fault) -> Self {
        Self(Box::new((place, fault)))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.0
    }

    pub(crate) fn fault(&self) -> &Fault {
        &self.0.1
    }
}

/// What was found, in order of the rows.
pub(crate) struct Findings {
    kept: Vec<Finding>,
    limit: usize,
    count: u64,
}

impl Findings {
    pub(crate) fn new(limit: u32) -> Self {
        Self { kept: Vec::new(), limit: limit as usize, count: 0 }
    }

    pub(crate) fn push(&mut self, place: &Place, fault: Fault, is_warning: bool) {
        self.count += 1;
        if self.kept.len() == self.limit {
            return;
        }
        let detail = fault.reason.detail();
        self.kept.push(Finding {
            seq: 0,
            is_warning,
            sheet: place.sheet.clone(),
            row_number: place.row.and_then(|row| i64::try_from(row).ok()),
            column_name: Some(fault.field).filter(|field| !field.is_empty()).map(storable),
            value: fault.value.map(storable),
            code: fault.reason.code().to_owned(),
            detail_ja: storable(detail.ja),
            detail_en: storable(detail.en),
        });
    }

    /// How many there are, those not kept included.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Those that were kept, table by table in order of the rows: rows are compared in batches, a little later than they
    /// are read.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        for table in self.kept.chunk_by_mut(|a, b| a.sheet == b.sheet) {
            table.sort_by_key(|finding| finding.row_number);
        }
        for (seq, finding) in self.kept.iter_mut().enumerate() {
            finding.seq = seq as i32;
        }
        self.kept
    }
}

/// A text of a file as every database keeps it: PostgreSQL has no NUL in texts.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
