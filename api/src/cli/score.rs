//! `sonae score`: a folder of CSV files in, every supplier's score out.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use scoring::{Explainer, Lang, Model, Portfolio, Scores, Summary};
use tempfile::NamedTempFile;

use super::{Failure, LangArg, faults, progress, report};
use crate::files::{folder, xlsx};
use crate::frames::{self, Provenance};

/// Score a folder of CSV files
///
/// DIR holds suppliers.csv and, where there are any, relationships.csv, enrollments.csv, certifications.csv and
/// incidents.csv. Without --out the riskiest suppliers and a summary of the portfolio are printed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the CSV files
    dir: PathBuf,
    /// The day to score for, YYYY-MM-DD; later evidence is ignored
    #[arg(long, value_name = "DATE", value_parser = date)]
    as_of: NaiveDate,
    /// A model.toml to use in place of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write the results to a file that ends in .csv, .xlsx or .parquet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Open the score of this supplier into its sum; may be given several times
    #[arg(long, value_name = "CODE", conflicts_with = "out")]
    explain: Vec<String>,
    /// The language of tables, sheets and messages
    #[arg(long, value_enum, default_value = "ja")]
    lang: LangArg,
}

fn date(text: &str) -> Result<NaiveDate, String> {
    let is_padded = text.len() == "2026-09-30".len() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| is_padded)
        .ok_or_else(|| "not a calendar date; write it like 2026-09-30 / 実在する日付ではありません".to_owned())
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Xlsx,
    Parquet,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let lang = args.lang.into();
    let out = args.out.as_deref().map(|path| Ok((path, format_of(path, lang)?))).transpose()?;
    if !args.dir.is_dir() {
        let dir = args.dir.display();
        return Err(Failure::Usage(
            lang.pick(format!("{dir} というフォルダーはありません"), format!("there is no folder {dir}")),
        ));
    }
    let model = read_model(args.model.as_deref(), lang)?;
    let portfolio = read_portfolio(&args.dir, lang)?;

    let spinner = progress::step("計算中", "scoring", lang);
    let scores = scoring::score(&portfolio, &model, args.as_of).map_err(|error| failed(&error, lang))?;
    spinner.finish_and_clear();

    let result = Scored { portfolio, model, scores, as_of: args.as_of, lang };
    match out {
        Some((path, format)) => result.write(path, format),
        None if args.explain.is_empty() => result.print_report(),
        None => result.print_explanations(&args.explain),
    }
}

fn format_of(path: &Path, lang: Lang) -> Result<Format, Failure> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format = match ending.to_ascii_lowercase().as_str() {
        "csv" => Format::Csv,
        "xlsx" => Format::Xlsx,
        "parquet" => Format::Parquet,
        _ => {
            let path = path.display();
            return Err(Failure::Usage(lang.pick(
                format!("--out {path}: 名前の末尾は .csv、.xlsx、.parquet のいずれかにしてください"),
                format!("--out {path}: the name must end in .csv, .xlsx or .parquet"),
            )));
        }
    };
    if path.is_dir() || !folder_of(path).is_dir() {
        let path = path.display();
        return Err(Failure::Usage(lang.pick(
            format!("--out {path}: ここにはファイルを作れません。既存のフォルダーの中のファイル名にしてください"),
            format!("--out {path}: no file can be made there; name one in a folder that exists"),
        )));
    }
    Ok(format)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read_model(path: Option<&Path>, lang: Lang) -> Result<Model, Failure> {
    let Some(path) = path else { return Ok(Model::default()) };
    let text = fs::read(path).map_err(|error| {
        let path = path.display();
        Failure::Usage(lang.pick(format!("{path} を読めません: {error}"), format!("{path} cannot be read: {error}")))
    })?;
    let text = String::from_utf8(text).map_err(|_| {
        let path = path.display();
        Failure::Data(lang.pick(format!("{path} は UTF-8 ではありません"), format!("{path} is not UTF-8")))
    })?;
    Model::parse(&text).map_err(|error| Failure::Data(faults::model(path, &error, lang)))
}

fn read_portfolio(dir: &Path, lang: Lang) -> Result<Portfolio, Failure> {
    let bar = progress::reading(dir, lang);
    let read = folder::read(dir, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let read = read.map_err(|error| Failure::Data(faults::folder(dir, &error, lang)))?;
    for warning in
        read.warnings.iter().map(|warning| warning.text(lang)).chain(
            read.portfolio.notices().map_err(|error| failed(&error, lang))?.iter().map(|notice| notice.text(lang)),
        )
    {
        // A warning that nobody can read is no reason to stop.
        let _ = writeln!(io::stderr(), "{}: {warning}", lang.pick("注意", "note"));
    }
    Ok(read.portfolio)
}

/// A step that fails although its input was checked.
fn failed(error: &dyn std::error::Error, lang: Lang) -> Failure {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text: Vec<_> = causes.map(ToString::to_string).collect();
    let text = text.join(": ");
    Failure::Data(lang.pick(format!("計算に失敗しました: {text}"), format!("scoring failed: {text}")))
}

/// A scored portfolio, to be shown.
struct Scored {
    portfolio: Portfolio,
    model: Model,
    scores: Scores,
    as_of: NaiveDate,
    lang: Lang,
}

impl Scored {
    fn print_report(&self) -> Result<(), Failure> {
        let summary = self.summary()?;
        let explainer = self.explainer()?;
        let text = report::report(&self.provenance(), &summary, &self.scores, &explainer, self.lang)
            .map_err(|error| failed(&error, self.lang))?;
        self.print(&text)
    }

    fn print_explanations(&self, codes: &[String]) -> Result<(), Failure> {
        let explainer = self.explainer()?;
        let row_of = |code: &String| {
            explainer.row_of(code).ok_or_else(|| {
                Failure::Usage(self.lang.pick(
                    format!("--explain {code}: この取引先コードは suppliers.csv にありません"),
                    format!("--explain {code}: suppliers.csv has no such code"),
                ))
            })
        };
        let rows = codes.iter().map(row_of).collect::<Result<Vec<_>, _>>()?;
        let text = report::explanations(&self.provenance(), &self.scores, &explainer, &rows, self.lang)
            .map_err(|error| failed(&error, self.lang))?;
        self.print(&text)
    }

    /// Writes the whole file or, on failure, none: it gets its name when it is complete.
    fn write(&self, path: &Path, format: Format) -> Result<(), Failure> {
        let spinner = progress::step("書き出し中", "writing", self.lang);
        let io_failed = |error: io::Error| {
            let path = path.display();
            Failure::Data(
                self.lang
                    .pick(format!("{path} に書き込めません: {error}"), format!("{path} cannot be written: {error}")),
            )
        };
        let file = unfinished_file(folder_of(path)).map_err(io_failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, file.as_file());
        match format {
            Format::Csv => frames::write_csv(&self.scores, &mut out).map_err(|error| failed(&error, self.lang))?,
            Format::Parquet => frames::write_parquet(&self.scores, &self.provenance(), &mut out)
                .map_err(|error| failed(&error, self.lang))?,
            Format::Xlsx => {
                let (summary, explainer) = (self.summary()?, self.explainer()?);
                xlsx::write(&self.provenance(), &self.scores, &summary, &explainer, self.lang, &mut out)
                    .map_err(|error| failed(&error, self.lang))?;
            }
        }
        out.flush().map_err(io_failed)?;
        drop(out);
        file.persist(path).map_err(|error| io_failed(error.error))?;
        spinner.finish_and_clear();
        let (count, path) = (self.portfolio.supplier_count(), path.display());
        self.print(&self.lang.pick(
            format!(
                "{path}: {count}社のスコアを書き出しました（{}）\n",
                report::provenance(&self.provenance(), self.lang)
            ),
            format!(
                "{path}: the scores of {count} suppliers ({})\n",
                report::provenance(&self.provenance(), self.lang)
            ),
        ))
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        match io::stdout().lock().write_all(text.as_bytes()) {
            // Whoever reads may stop early, as `head` does.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(&error, self.lang)),
            _ => Ok(()),
        }
    }

    fn summary(&self) -> Result<Summary, Failure> {
        Summary::new(&self.portfolio, &self.scores).map_err(|error| failed(&error, self.lang))
    }

    fn explainer(&self) -> Result<Explainer<'_>, Failure> {
        Explainer::new(&self.scores).map_err(|error| failed(&error, self.lang))
    }

    fn provenance(&self) -> Provenance {
        Provenance {
            as_of: self.as_of,
            model_version: self.model.version().to_owned(),
            model_hash: self.model.hash().to_owned(),
        }
    }
}

/// A file without a name yet, readable by others as far as the process allows.
fn unfinished_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sonae-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}
