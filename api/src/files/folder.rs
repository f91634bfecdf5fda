//! Reads a portfolio from a folder of CSV files: either all of it, or every fault with its place and remedy.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::{fs, io};

use scoring::{Faults, Lang, Portfolio, PortfolioError, Suppliers, Table, Tables, name};

use super::csv::{self, CsvTable};
use super::header::Columns;
use crate::base::fault::Reason;
use crate::base::text::{Text, printable};

/// A portfolio as read, with warnings about its files.
pub(crate) struct Folder {
    pub(crate) portfolio: Portfolio,
    pub(crate) warnings: Vec<Warning>,
}

/// Something that looks wrong but does not stop the reading.
pub(crate) enum Warning {
    /// Headings of columns that were not read.
    UnknownHeadings { file: String, headings: Vec<String> },
    /// CSV files that belong to no table of Sonae and were not read.
    UnknownFiles(Vec<String>),
}

impl Warning {
    pub(crate) fn text(&self, lang: Lang) -> String {
        let list =
            |names: &[String]| names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(lang.pick("、", ", "));
        match self {
            Self::UnknownHeadings { file, headings } => lang.pick(
                format!("{file}: 読まなかった列: {}", list(headings)),
                format!("{file}: columns that were not read: {}", list(headings)),
            ),
            Self::UnknownFiles(files) => lang.pick(
                format!("未対応の名前のCSVファイルは読みませんでした: {}", list(files)),
                format!("CSV files with unknown names were not read: {}", list(files)),
            ),
        }
    }
}

/// A fault with its place in a file.
pub(crate) struct FileFault {
    pub(crate) file: String,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<String>,
    /// The value as it may be shown.
    pub(crate) value: Option<String>,
    pub(crate) reason: Reason,
    /// The line of the first of two rows with the same code.
    pub(crate) first_line: Option<u64>,
}

impl FileFault {
    /// Returns the fault as one line: `suppliers.csv:3: employee_count: "-5": 範囲外です。0 以上にしてください [out-of-range]`
    fn text(&self, lang: Lang) -> String {
        let mut place = self.file.clone();
        if let Some(line) = self.line {
            place += &format!(":{line}");
        }
        let value = self.value.as_ref().map(|value| format!("\"{value}\""));
        for part in self.column.iter().chain(value.iter()) {
            place += &format!(": {part}");
        }
        let first =
            self.first_line.map(|line| lang.pick(format!("（最初は{line}行目）"), format!(" (first: line {line})")));
        let (detail, first) = (self.reason.detail(), first.unwrap_or_default());
        format!("{place}: {}{first} [{}]", detail.pick(lang), self.reason.code())
    }
}

/// Why a folder cannot be read as a portfolio.
pub(crate) enum FolderError {
    /// The first faults, in order of file and line, and the number of all.
    Faults { first: Vec<FileFault>, count: usize },
    /// The file system failed.
    File { file: String, error: io::Error },
    /// An operation on a frame failed.
    Frame(PortfolioError),
}

impl FolderError {
    /// Returns the faults as text: file, line, column, value, reason and remedy. The number of faults beyond the first
    /// ones is given too.
    pub(crate) fn text(&self, folder: &Path, lang: Lang) -> String {
        match self {
            Self::Faults { first, count } => {
                let mut text = lang.pick(
                    format!("{} は読み込めません。誤り: {count}件", folder.display()),
                    format!("{} cannot be scored, faults: {count}", folder.display()),
                );
                for fault in first {
                    text += &format!("\n{}", fault.text(lang));
                }
                if let Some(rest) = count.checked_sub(first.len()).filter(|rest| *rest > 0) {
                    text += &lang.pick(format!("\nほかに{rest}件あります。"), format!("\n… and {rest} more."));
                }
                text
            }
            Self::File { file, error } => {
                lang.pick(format!("{file} を読めません: {error}"), format!("{file} cannot be read: {error}"))
            }
            Self::Frame(error) => {
                lang.pick(format!("読み込みに失敗しました: {error}"), format!("reading failed: {error}"))
            }
        }
    }
}

/// Reads `suppliers.csv` and the other tables that exist, with the given columns. `on_bytes` is called from several
/// threads.
pub(crate) fn read(
    folder: &Path,
    columns: impl Fn(Table) -> Columns,
    on_bytes: &(impl Fn(u64) + Sync),
) -> Result<Folder, FolderError> {
    if fs::symlink_metadata(folder.join(file_name(Table::Suppliers))).is_err() {
        let text = Text::new(
            "ファイルがありません。取引先の一覧をこの名前で置いてください",
            "there is no such file; put the list of suppliers there under this name",
        );
        let reason = Reason::File { code: "no-file", text };
        let file = file_name(Table::Suppliers);
        let fault = FileFault { file, line: None, column: None, value: None, reason, first_line: None };
        return Err(FolderError::Faults { first: vec![fault], count: 1 });
    }
    let suppliers_file = open(folder, Table::Suppliers)?;
    let mut others = Vec::new();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Suppliers) {
        others.extend(open(folder, table)?.map(|file| (table, file)));
    }
    let mut files =
        read_all(suppliers_file.map(|file| (Table::Suppliers, file)).into_iter().collect(), &columns, None, on_bytes)?;
    let suppliers = files.first_mut().map(|(_, file)| std::mem::take(&mut file.frame)).unwrap_or_default();
    let suppliers = Suppliers::new(&suppliers).map_err(|error| FolderError::Frame(error.into()))?;
    let is_cut_off = files.iter().any(|(_, file)| file.is_cut_off);
    let suppliers = if is_cut_off { suppliers.of_more() } else { suppliers };
    files.extend(read_all(others, &columns, Some(&suppliers), on_bytes)?);

    let mut tables = Tables::of_suppliers(Table::Suppliers.empty());
    for table in Table::ALL {
        *tables.table_mut(table) = table.empty_of_rows();
    }
    for (table, file) in &mut files {
        *tables.table_mut(*table) = std::mem::take(&mut file.frame);
    }
    let warnings = unknown_files(folder)
        .into_iter()
        .chain(files.iter().filter_map(|(table, file)| unknown_headings(*table, file)))
        .collect();
    let has_faults = files.iter().any(|(_, file)| file.faults.count > 0);
    match Portfolio::of_suppliers(suppliers, tables) {
        Ok(portfolio) if !has_faults => Ok(Folder { portfolio, warnings }),
        Ok(_) => Err(in_files(files, &Faults::default())),
        Err(PortfolioError::Faults(faults)) => Err(in_files(files, &faults)),
        Err(error @ PortfolioError::Frame(_)) => Err(FolderError::Frame(error)),
    }
}

/// Reads tables, each on all threads.
fn read_all(
    files: Vec<(Table, File)>,
    columns: &impl Fn(Table) -> Columns,
    suppliers: Option<&Suppliers>,
    on_bytes: &(impl Fn(u64) + Sync),
) -> Result<Vec<(Table, CsvTable)>, FolderError> {
    let in_file = |(table, read): (Table, io::Result<_>)| match read {
        Ok(file) => Ok((table, file)),
        Err(error) => Err(FolderError::File { file: file_name(table), error }),
    };
    csv::read(files, columns, suppliers, on_bytes).into_iter().map(in_file).collect()
}

/// Opens the file of a table, if it exists.
fn open(folder: &Path, table: Table) -> Result<Option<File>, FolderError> {
    let path = folder.join(file_name(table));
    let failed = |error| FolderError::File { file: file_name(table), error };
    // A dangling link, a folder or a pipe is an error and does not count as a missing file.
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed)?,
    };
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("not a regular file / 通常のファイルではありません")));
    }
    File::open(&path).map(Some).map_err(failed)
}

/// Returns the paths of the files that a folder may contain.
pub(crate) fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    Table::ALL.into_iter().map(|table| folder.join(file_name(table)))
}

/// Returns the name of a table's file.
pub(crate) fn file_name(table: Table) -> String {
    format!("{}.csv", table.name())
}

/// Finds CSV files other than those of the tables. One of them may be a table with a misspelt name.
fn unknown_files(folder: &Path) -> Option<Warning> {
    let names = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_table = |name: &String| Table::ALL.iter().any(|table| *name == file_name(*table));
    let mut unknown: Vec<_> =
        names.filter(|name| name.to_ascii_lowercase().ends_with(".csv") && !is_table(name)).collect();
    unknown.sort();
    (!unknown.is_empty()).then_some(Warning::UnknownFiles(unknown))
}

fn unknown_headings(table: Table, file: &CsvTable) -> Option<Warning> {
    let headings: Vec<_> = file.warnings.iter().map(|warning| warning.field.clone()).collect();
    (!headings.is_empty()).then(|| Warning::UnknownHeadings { file: file_name(table), headings })
}

/// Combines the faults of files and of the portfolio, in order of file, line and column.
fn in_files(files: Vec<(Table, CsvTable)>, faults: &Faults) -> FolderError {
    let mut located = Vec::new();
    let mut count = 0;
    for (table, file) in &files {
        count += file.faults.count;
        located.extend(file.faults.first.iter().map(|csv::TextFault { record, fault }| {
            let line = record.map(|record| file.lines.of_record(record));
            let column = Some(fault.field.clone()).filter(|field| !field.is_empty());
            let (value, reason) = (fault.value.clone(), fault.reason.clone());
            (*table, FileFault { file: file_name(*table), line, column, value, reason, first_line: None })
        }));
    }
    let text_count = located.len();
    count += faults.count();
    for fault in faults.first() {
        let Some((_, file)) = files.iter().find(|(table, _)| *table == fault.table) else { continue };
        // The faults of the header already include this one.
        if fault.reason == scoring::Reason::MissingColumn {
            count -= 1;
            continue;
        }
        let in_file = in_file(fault, file);
        // A cell or a heading that cannot be read says nothing about the cells beside it.
        let header = file.lines.of_record(0);
        let is_beside = |known: &FileFault| known.line == Some(header) || is_in_control_of(known, in_file.line);
        let mut texts = located.iter().take(text_count).filter(|(table, _)| *table == fault.table);
        if is_of_control(&fault.reason) && texts.any(|(_, known)| is_beside(known)) {
            count -= 1;
            continue;
        }
        located.push((fault.table, in_file));
    }
    located.sort_by_key(|(table, fault)| {
        let place = |column: &String| table.columns().iter().position(|declared| declared.name == column);
        (*table, fault.line, fault.column.as_ref().and_then(place))
    });
    let first = located.into_iter().map(|(_, fault)| fault).take(Faults::MAX_KEPT).collect();
    FolderError::Faults { first, count }
}

/// Whether a reason is about what a control takes: a status or a total.
fn is_of_control(reason: &scoring::Reason) -> bool {
    use scoring::Reason;
    matches!(
        reason,
        Reason::StatusOfSelfAssessment | Reason::MissingStatus | Reason::TotalOfControl | Reason::MissingTotal
    )
}

/// Whether a fault is in the control, the status or the total of a line.
fn is_in_control_of(fault: &FileFault, line: Option<u64>) -> bool {
    let is_one_of_them = |column: &str| matches!(column, name::CONTROL | name::STATUS | name::TOTAL_SCORE);
    fault.line == line && fault.column.as_deref().is_some_and(is_one_of_them)
}

fn in_file(fault: &scoring::Fault, file: &CsvTable) -> FileFault {
    let first_line = match fault.reason {
        scoring::Reason::DuplicateSupplier { first_row } => file.lines.of_row(first_row),
        _ => None,
    };
    // The portfolio has the supplier's row instead of the code, so the code comes from the file.
    let code = fault.row.zip(fault.column).and_then(|place| file.unknown_codes.get(&place));
    let code = code.filter(|_| fault.reason == scoring::Reason::UnknownSupplier);
    let (value, reason) = match code {
        Some(code) => (code.value.clone(), code.reason.clone()),
        None => (fault.value.as_deref().map(printable), Reason::Model(fault.reason.clone())),
    };
    FileFault {
        file: file_name(fault.table),
        // A fault of a whole column belongs to the header.
        line: fault.row.map_or(Some(file.lines.of_record(0)), |row| file.lines.of_row(row)),
        column: fault.column.map(str::to_owned),
        value,
        reason,
        first_line,
    }
}
