//! `sonae import`: files of a folder into the database, as an import over HTTP does.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::Tz;
use schema::{Choice, ImportMode, Instant, Source};
use scoring::Lang;

use super::{DataFolder, Failure, LangArg, TenantArg, find_tenant};
use crate::config::Limits;
use crate::imports::{Format, ImportRequest, Outcome, import_folder};
use crate::jobs::Progress;
use crate::submissions::is_of_provider;

/// Import the files of a folder
///
/// DIR holds suppliers.csv, relationships.csv, enrollments.csv, certifications.csv, incidents.csv, supplier_codes.csv or
/// provider_assignments.csv, as CSV, NDJSON (.ndjson) or workbooks (.xlsx) whose sheets have these names. Either all files are taken or
/// none.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the files
    dir: PathBuf,
    /// Who delivers the rows; keys belong to their source
    #[arg(long, value_name = "NAME", default_value = "manual")]
    source: String,
    /// all_or_nothing, accept_valid (good rows are taken) or replace (what the source lacks now is ended)
    #[arg(long, value_name = "MODE", default_value = "all_or_nothing", value_parser = mode)]
    mode: ImportMode,
    /// Check and count everything, keep nothing
    #[arg(long)]
    dry_run: bool,
    /// Let a replacing import end more than 20% of what its source holds
    #[arg(long)]
    confirm: bool,
    /// The language of messages
    #[arg(long, value_enum, default_value = "ja")]
    lang: LangArg,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    data: DataFolder,
    #[command(flatten)]
    limits: Limits,
}

impl Args {
    pub(super) fn lang(&self) -> Lang {
        self.lang.into()
    }
}

fn mode(text: &str) -> Result<ImportMode, String> {
    let names: Vec<_> = ImportMode::ALL.iter().map(|(_, key, _)| *key).collect();
    ImportMode::parse(text).map_err(|_| format!("use one of {}", names.join(", ")))
}

/// Findings that are shown; the rest are counted.
const SHOWN: usize = 50;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let lang = args.lang();
    let dir = args.dir.display();
    if !args.dir.is_dir() {
        let (ja, en) = (format!("{dir} というフォルダーはありません"), format!("there is no folder {dir}"));
        return Err(Failure::Usage(lang.pick(ja, en)));
    }
    let store = args.data.open()?;
    let tenant = find_tenant(&store, &args.tenant.tenant)?;
    let zone: Tz = tenant.time_zone.parse()?;
    let source = Source::parse(&args.source).map_err(|error| Failure::Usage(format!("--source: {error}")))?;
    if is_of_provider(&source) {
        return Err(Failure::Usage(format!(
            "--source {source}: such a source is of what a provider sends; use another"
        )));
    }
    let request = ImportRequest {
        kind: None,
        source,
        mode: args.mode,
        dry_run: args.dry_run,
        confirm: args.confirm,
        format: Format::Csv,
        bytes: 0,
        today: Instant::now().day_in(zone),
        provider_name: None,
    };
    let progress = Arc::new(Progress::default());
    let spinner = super::progress::step("取り込み中", "importing", lang);
    let watched = std::io::stderr().is_terminal().then(|| watch(&progress, spinner.clone()));
    let outcome = import_folder(&store.database, tenant.id, &args.dir, &request, &args.limits, &progress);
    progress.cancel();
    if let Some(watched) = watched {
        let _ = watched.join();
    }
    spinner.finish_and_clear();
    let outcome = outcome.map_err(|interrupted| Failure::Data(interrupted.text(lang)))?;
    store.database.tidy()?;
    let nothing = || {
        Failure::Usage(lang.pick(
            format!("{dir} に取り込めるファイルがありません。suppliers.csv などの名前にしてください"),
            format!("{dir} holds no file to import; call them suppliers.csv and so on"),
        ))
    };
    let outcome = outcome.ok_or_else(nothing)?;
    let text = report(&outcome, args.dry_run, lang);
    let is_good =
        outcome.failure.is_none() && (outcome.is_kept || args.dry_run) && outcome.sum(|table| table.rejected) == 0;
    if is_good || outcome.is_kept { super::print(&text) } else { Err(Failure::Data(text)) }
}

/// Shows how many rows were read.
fn watch(progress: &Arc<Progress>, spinner: indicatif::ProgressBar) -> std::thread::JoinHandle<()> {
    let progress = Arc::clone(progress);
    std::thread::spawn(move || {
        while !progress.is_cancelled() {
            spinner.set_position(progress.done());
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    })
}

fn report(outcome: &Outcome, dry_run: bool, lang: Lang) -> String {
    let mut text = String::new();
    for table in &outcome.tables {
        let name = table.name.as_deref().unwrap_or(table.kind);
        text += &lang.pick(
            format!(
                "{name}: 新規 {}、更新 {}、変更なし {}、不正 {}、終了 {}\n",
                table.created, table.updated, table.unchanged, table.rejected, table.ended
            ),
            format!(
                "{name}: created {}, updated {}, unchanged {}, rejected {}, ended {}\n",
                table.created, table.updated, table.unchanged, table.rejected, table.ended
            ),
        );
    }
    for finding in outcome.findings.iter().take(SHOWN) {
        let place = [finding.sheet.clone(), finding.row_number.map(|row| row.to_string()), finding.column_name.clone()];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join(":");
        let value = finding.value.as_ref().map_or_else(String::new, |value| format!("{value:?}: "));
        let word = if finding.is_warning { lang.pick("注意", "note") } else { lang.pick("不正", "bad") };
        let detail = lang.pick(&finding.detail_ja, &finding.detail_en);
        text += &format!("{word}: {place}: {value}{detail} [{}]\n", finding.code);
    }
    for name in &outcome.skipped {
        text += &lang.pick(
            format!("注意: {name}: 表の名前ではないため読んでいません\n"),
            format!("note: {name}: no table is called so; it was not read\n"),
        );
    }
    let rest = outcome.finding_count.saturating_sub(SHOWN.min(outcome.findings.len()) as u64);
    if rest > 0 {
        text += &lang.pick(format!("ほか {rest}件\n"), format!("and {rest} more\n"));
    }
    if let Some(refusal) = &outcome.failure {
        let (place, fault) = (refusal.place(), refusal.fault());
        let place = [place.sheet.clone(), place.row.map(|row| row.to_string()), Some(fault.field.clone())];
        let place = place.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":");
        let detail = fault.reason.detail();
        text += &format!("{place}: {} [{}]\n", detail.pick(lang), fault.reason.code());
    }
    if !outcome.is_kept {
        text += match dry_run {
            true => lang.pick("確認だけです。何も取り込んでいません\n", "a dry run: nothing was imported\n"),
            false => lang.pick("何も取り込んでいません\n", "nothing was imported\n"),
        };
    }
    text
}
