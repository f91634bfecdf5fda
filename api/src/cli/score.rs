//! `sonae score`: a folder of CSV files in, every supplier's score out.

use std::fs;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::NaiveDate;
use scoring::{Explainer, Explanation, Lang, Model, Portfolio, ResultColumn, Scores, Stage, Summary};

use super::target::{OutputFormat, Target};
use super::usage::Reason;
use super::{Failure, progress, report};
use crate::base::model_file::{self, ModelFileError};
use crate::base::text::{self, with_causes};
use crate::files::folder;
use crate::frames::{self, FrameCell, Provenance, Results};
use crate::resources::exports::file::FileError;
use crate::resources::exports::xlsx;
use crate::resources::imports::scored_columns;
use crate::resources::score_runs::overview::Overview;

/// Score a folder of CSV files
///
/// DIR contains suppliers.csv and optionally relationships.csv, enrollments.csv, certifications.csv, assessments.csv and
/// incidents.csv. Without --out, the riskiest suppliers and a summary of the portfolio are printed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the CSV files
    dir: PathBuf,
    /// The day to score for, YYYY-MM-DD; later evidence is ignored
    #[arg(long, value_name = "DATE", value_parser = date)]
    as_of: NaiveDate,
    /// A model.toml to use instead of the built-in model
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write the results to a file that ends in .csv, .xlsx or .parquet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show this supplier's score as the sum of its contributions; may be repeated
    #[arg(long, value_name = "CODE", conflicts_with = "out")]
    explain: Vec<String>,
    /// Ignore, with a warning, columns that matter to scores but cannot be read, such as 業種
    #[arg(long)]
    accept_unread_columns: bool,
    /// Report the duration of each step and the peak of memory on standard error
    #[arg(long)]
    timings: bool,
}

pub(super) fn date(text: &str) -> Result<NaiveDate, Reason> {
    let reason = || {
        Reason::new(
            "実在する日付ではありません。2026-09-30 のように指定してください",
            "not a calendar date; write it like 2026-09-30",
        )
    };
    text::date(text).ok_or_else(reason)
}

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    if !args.dir.is_dir() {
        let dir = args.dir.display();
        let (ja, en) = (format!("{dir} というフォルダーはありません"), format!("there is no folder {dir}"));
        return Err(Failure::Usage(lang.pick(ja, en)));
    }
    let inputs = folder::files(&args.dir).chain(args.model.clone()).collect::<Vec<_>>();
    let target = match &args.out {
        Some(path) => Some(Target::open(path, &inputs, lang)?),
        None => None,
    };
    let mut timings = Timings::new(args.timings, lang);
    let model = read_model(args.model.as_deref(), lang)?;
    let portfolio = read_portfolio(&args.dir, args.accept_unread_columns, lang)?;
    timings.tell("読み込み", "reading");
    let explained = rows_of(&args.explain, &portfolio, lang)?;

    let spinner = progress::step("計算中", "scoring", lang);
    let scores = scoring::score_in_stages(&portfolio, &model, args.as_of, &mut |stage| timings.tell_stage(stage));
    spinner.finish_and_clear();
    let scores = scores.map_err(|error| Failure::Data(error.text(lang)))?;

    let result = ScoredPortfolio { portfolio, model, scores, as_of: args.as_of, lang };
    let shown = match target {
        Some(target) => result.write(target),
        None if explained.is_empty() => result.print_report(),
        None => result.print_explanations(&explained),
    };
    timings.tell("出力", "output");
    timings.tell_peak();
    // The process ends here: freeing gigabytes piece by piece takes a while and helps nobody.
    std::mem::forget(result);
    shown
}

/// Reports how long each step took, if that is wanted.
struct Timings {
    is_wanted: bool,
    lang: Lang,
    last: Instant,
}

impl Timings {
    fn new(is_wanted: bool, lang: Lang) -> Self {
        Self { is_wanted, lang, last: Instant::now() }
    }

    fn tell(&mut self, ja: &str, en: &str) {
        let time = self.last.elapsed().as_secs_f64();
        self.line(&self.lang.pick(format!("{ja}: {time:.3}秒"), format!("{en}: {time:.3} s")));
        self.last = Instant::now();
    }

    fn tell_stage(&mut self, stage: Stage) {
        match stage {
            Stage::Suppliers => self.tell("取引先ごと", "suppliers"),
            Stage::Graph => self.tell("供給関係", "graph"),
            Stage::Disruption { iterations } => {
                self.tell(
                    &format!("停止頻度（反復{iterations}回）"),
                    &format!("disruption rates, iterations {iterations}"),
                );
            }
            Stage::Losses => self.tell("直接の損失", "direct losses"),
            Stage::Systemic { iterations } => {
                self.tell(
                    &format!("連鎖の損失（反復{iterations}回）"),
                    &format!("systemic losses, iterations {iterations}"),
                );
            }
            Stage::Results => self.tell("スコア", "results"),
        }
    }

    /// Reports how much memory the process has used at most, if the system provides it.
    fn tell_peak(&self) {
        if !self.is_wanted {
            return;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(peak) = peak {
            let peak = peak.trim();
            self.line(&self.lang.pick(format!("メモリーの最大: {peak}"), format!("peak memory: {peak}")));
        }
    }

    fn line(&self, text: &str) {
        if self.is_wanted {
            // If nobody can read it, that is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Returns the rows of the results to explain.
fn rows_of(codes: &[String], portfolio: &Portfolio, lang: Lang) -> Result<Vec<usize>, Failure> {
    let row_of = |code: &String| {
        portfolio.row_of(code).ok_or_else(|| {
            Failure::Usage(lang.pick(
                format!("--explain {code}: この取引先コードは suppliers.csv にありません"),
                format!("--explain {code}: suppliers.csv has no such code"),
            ))
        })
    };
    codes.iter().map(row_of).collect()
}

/// Reads the model that a command scores with.
pub(super) fn read_model(path: Option<&Path>, lang: Lang) -> Result<Model, Failure> {
    model_file::read_model(path).map_err(|error| match &error {
        ModelFileError::Unreadable(..) => Failure::Usage(error.text(lang)),
        ModelFileError::NotUtf8(_) | ModelFileError::Model(..) => Failure::Data(error.text(lang)),
    })
}

fn read_portfolio(dir: &Path, takes_unread: bool, lang: Lang) -> Result<Portfolio, Failure> {
    let bar = progress::reading(dir, lang);
    let read = folder::read(dir, |table| scored_columns(table, takes_unread), &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let read = read.map_err(|error| Failure::Data(error.text(dir, lang)))?;
    let warnings = read.warnings.iter().map(|warning| warning.text(lang));
    let notices = read.portfolio.notices()?;
    for warning in warnings.chain(notices.iter().map(|notice| notice.text(lang))) {
        // A warning that nobody can read is no reason to stop.
        let _ = writeln!(io::stderr(), "{}: {warning}", lang.pick("注意", "note"));
    }
    Ok(read.portfolio)
}

/// A scored portfolio, to be shown.
struct ScoredPortfolio {
    portfolio: Portfolio,
    model: Model,
    scores: Scores,
    as_of: NaiveDate,
    lang: Lang,
}

impl ScoredPortfolio {
    fn print_report(&self) -> Result<(), Failure> {
        let summary = Summary::new(&self.portfolio, &self.scores)?;
        let explainer = Explainer::new(&self.scores)?;
        let text =
            report::report(&self.provenance(), &self.overview()?, &summary, &self.scores, &explainer, self.lang)?;
        super::print(&text)
    }

    fn print_explanations(&self, rows: &[usize]) -> Result<(), Failure> {
        let explainer = Explainer::new(&self.scores)?;
        let text = report::explanations(&self.provenance(), &self.scores, &explainer, rows, self.lang)?;
        super::print(&text)
    }

    fn write(&self, target: Target) -> Result<(), Failure> {
        let spinner = progress::step("書き出し中", "writing", self.lang);
        let (lang, path) = (self.lang, target.shown.display().to_string());
        let written = self.write_into(&target).and_then(|()| Ok(target.finish()?));
        spinner.finish_and_clear();
        written.map_err(|failure| match failure {
            Failure::Step(error) => {
                let error = with_causes(&*error);
                Failure::Data(
                    lang.pick(
                        format!("{path} に書き込めません: {error}"),
                        format!("{path} cannot be written: {error}"),
                    ),
                )
            }
            other => other,
        })?;
        let (count, provenance) = (self.portfolio.supplier_count(), report::provenance(&self.provenance(), lang));
        super::print(&lang.pick(
            format!("{path}: {count}社のスコアを書き出しました（{provenance}）\n"),
            format!("{path}: scores written, suppliers: {count} ({provenance})\n"),
        ))
    }

    fn write_into(&self, target: &Target) -> Result<(), Failure> {
        let mut out = BufWriter::with_capacity(1 << 20, target.file());
        match target.format {
            OutputFormat::Csv => frames::write_csv(&self.scores, &mut out)?,
            OutputFormat::Parquet => frames::write_parquet(&self.scores, &self.provenance(), &mut out)?,
            OutputFormat::Xlsx => self.write_workbook(&mut out)?,
        }
        Ok(out.flush()?)
    }

    fn write_workbook(&self, out: &mut (impl Write + Seek + Send)) -> Result<(), Failure> {
        let (results, explainer) = (Results::new(&self.scores)?, Explainer::new(&self.scores)?);
        let tiers = self.scores.tiers(&self.portfolio)?;
        let mut book = xlsx::Writer::new(self.lang)?;
        let lines = tiers.into_iter().enumerate();
        let lines: Vec<_> =
            lines.map(|(row, tier)| ScoreLine { results: &results, explainer: &explainer, row, tier }).collect();
        book.write(&lines)?;
        let supplier_count = self.portfolio.supplier_count();
        let conditions = xlsx::Conditions { provenance: self.provenance(), supplier_count, others: Vec::new() };
        Ok(book.finish(&self.overview()?, &conditions, out)?)
    }

    fn overview(&self) -> Result<Overview, Failure> {
        Ok(Overview::new(&self.portfolio, &self.scores, &self.model, None)?)
    }

    fn provenance(&self) -> Provenance {
        Provenance {
            as_of: self.as_of,
            model_version: self.model.version().to_owned(),
            model_hash: self.model.hash().to_owned(),
        }
    }
}

/// A row of the results, for the workbook.
struct ScoreLine<'a> {
    results: &'a Results,
    explainer: &'a Explainer<'a>,
    row: usize,
    tier: Option<u32>,
}

impl xlsx::Line for ScoreLine<'_> {
    fn name(&self) -> &str {
        self.results.name(self.row)
    }

    fn tier(&self) -> Option<u32> {
        self.tier
    }

    fn cell(&self, column: &ResultColumn) -> FrameCell<'_> {
        self.results.cell(column, self.row)
    }

    fn explanation(&self) -> Result<Explanation, FileError> {
        Ok(self.explainer.explain(self.row))
    }
}
