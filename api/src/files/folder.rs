//! A portfolio from a folder of CSV files: all of it, or every fault with its place and remedy.

use std::io;
use std::path::Path;
use std::thread;

use scoring::{Faults, Lang, Portfolio, PortfolioError, Reason, Table, Tables};

use super::csv::{self, CsvTable, TextReason};

/// A portfolio as read, and what the reader should know about its files.
pub(crate) struct Folder {
    pub(crate) portfolio: Portfolio,
    pub(crate) warnings: Vec<Warning>,
}

/// Something odd that does not stop the reading.
pub(crate) enum Warning {
    /// Headings that no table of Sonae has, which were not read.
    UnknownHeadings { file: String, headings: Vec<String> },
}

impl Warning {
    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            Self::UnknownHeadings { file, headings } => {
                let list = headings.join(lang.pick("、", ", "));
                lang.pick(
                    format!("{file}: 知らない見出しの列は読みませんでした: {list}"),
                    format!("{file}: columns with unknown headings were not read: {list}"),
                )
            }
        }
    }
}

/// A fault with its place in a file.
pub(crate) struct FileFault {
    pub(crate) file: String,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) why: Why,
}

/// Why a file is refused.
pub(crate) enum Why {
    NoFile,
    Text(TextReason),
    Cell { reason: Reason, first_line: Option<u64> },
}

impl Why {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoFile => "no-file",
            Self::Text(reason) => reason.code(),
            Self::Cell { reason, .. } => reason.code(),
        }
    }

    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            Self::NoFile => lang.pick("ファイルがありません", "there is no such file").to_owned(),
            Self::Text(reason) => reason.text(lang),
            Self::Cell { reason, first_line: None } => reason.text(lang),
            Self::Cell { reason, first_line: Some(line) } => {
                let text = reason.text(lang);
                lang.pick(format!("{text}（最初は{line}行目）"), format!("{text}, first on line {line}"))
            }
        }
    }

    pub(crate) fn remedy(&self, lang: Lang) -> String {
        match self {
            Self::NoFile => lang
                .pick("取引先の一覧をこの名前で置いてください", "put the list of suppliers there under this name")
                .to_owned(),
            Self::Text(reason) => reason.remedy(lang),
            Self::Cell { reason, .. } => reason.remedy(lang),
        }
    }
}

/// Why a folder is no portfolio.
pub(crate) enum FolderError {
    /// The first faults, in order of file and line, and how many there are.
    Faults { first: Vec<FileFault>, count: usize },
    /// The file system failed.
    File { file: String, error: io::Error },
    /// A step on a frame failed.
    Frame(PortfolioError),
}

/// Reads `suppliers.csv` and, where they exist, the other tables; `on_bytes` is called from several threads.
pub(crate) fn read(folder: &Path, on_bytes: &(impl Fn(u64) + Sync)) -> Result<Folder, FolderError> {
    if !folder.join(file_name(Table::Suppliers)).exists() {
        let fault =
            FileFault { file: file_name(Table::Suppliers), line: None, column: None, value: None, why: Why::NoFile };
        return Err(FolderError::Faults { first: vec![fault], count: 1 });
    }
    let read_one = |table: Table| {
        let path = folder.join(file_name(table));
        path.exists().then(|| csv::read(&path, table, on_bytes))
    };
    let read = thread::scope(|scope| {
        let readers = Table::ALL.map(|table| (table, scope.spawn(move || read_one(table))));
        readers.map(|(table, reader)| (table, reader.join()))
    });

    let mut tables = Tables::of_suppliers(Table::Suppliers.empty());
    let mut files = Vec::new();
    for (table, outcome) in read {
        let outcome = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let Some(outcome) = outcome else { continue };
        let mut file = outcome.map_err(|error| FolderError::File { file: file_name(table), error })?;
        *tables.table_mut(table) = std::mem::take(&mut file.frame);
        files.push((table, file));
    }
    let warnings = files.iter().filter_map(|(table, file)| unknown_headings(*table, file)).collect();
    let has_faults = files.iter().any(|(_, file)| file.text_faults.count > 0 || !file.cell_faults.is_empty());
    match Portfolio::try_new(tables) {
        Ok(portfolio) if !has_faults => Ok(Folder { portfolio, warnings }),
        Ok(_) => Err(in_files(files, Faults::default())),
        Err(PortfolioError::Faults(faults)) => Err(in_files(files, faults)),
        Err(error @ PortfolioError::Frame(_)) => Err(FolderError::Frame(error)),
    }
}

/// The name of a table's file.
pub(crate) fn file_name(table: Table) -> String {
    format!("{}.csv", table.name())
}

fn unknown_headings(table: Table, file: &CsvTable) -> Option<Warning> {
    let headings = file.unknown_headings.clone();
    (!headings.is_empty()).then(|| Warning::UnknownHeadings { file: file_name(table), headings })
}

/// Puts the faults of texts, cells and the portfolio together, in order of file and line.
fn in_files(files: Vec<(Table, CsvTable)>, portfolio: Faults) -> FolderError {
    let mut faults = portfolio;
    let mut located = Vec::new();
    let mut count = 0;
    let mut lines = Vec::new();
    for (table, file) in files {
        faults.merge(file.cell_faults);
        count += file.text_faults.count;
        located.extend(file.text_faults.first.into_iter().map(|fault| {
            let why = Why::Text(fault.reason);
            let line = Some(file.lines.of_record(fault.record));
            (table, FileFault { file: file_name(table), line, column: fault.column, value: fault.value, why })
        }));
        lines.push((table, file.lines));
    }
    count += faults.count();
    let line_of = |table, row| lines.iter().find(|(read, _)| *read == table)?.1.of_row(row);
    located.extend(faults.first().iter().map(|fault| {
        let first_line = match fault.reason {
            Reason::DuplicateSupplier { first_row } => line_of(fault.table, first_row),
            _ => None,
        };
        let located = FileFault {
            file: file_name(fault.table),
            // A fault of a whole column is one of the header.
            line: fault.row.map_or(Some(1), |row| line_of(fault.table, row)),
            column: fault.column.map(str::to_owned),
            value: fault.value.clone(),
            why: Why::Cell { reason: fault.reason.clone(), first_line },
        };
        (fault.table, located)
    }));
    located.sort_by_key(|(table, fault)| (*table, fault.line));
    let first = located.into_iter().map(|(_, fault)| fault).take(Faults::KEPT).collect();
    FolderError::Faults { first, count }
}
