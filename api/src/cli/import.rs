//! `sonae import`: imports the files of a folder, as an import over HTTP does.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::Tz;
use schema::{Choice, ImportMode, Source};
use scoring::Lang;

use super::usage::Reason;
use super::{DataFolder, Failure, TenantArg, access, faults, find_tenant};
use crate::base::config::Limits;
use crate::queue::progress::Progress;
use crate::resources::imports::{FindingGroup, Outcome, import_folder};
use crate::resources::jobs::{Format, ImportRequest, RowCounts};

/// Import the files of a folder
///
/// DIR contains any of suppliers.csv, relationships.csv, enrollments.csv, certifications.csv, assessments.csv,
/// incidents.csv, supplier_codes.csv and provider_assignments.csv, as CSV, NDJSON (.ndjson) or workbooks (.xlsx) whose
/// sheets have these names. Either all files are imported or none.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder with the files
    dir: PathBuf,
    /// The source of the rows; external ids belong to their source
    #[arg(long, value_name = "NAME", default_value = "manual")]
    source: String,
    /// all_or_nothing, accept_valid (import the rows without faults) or replace (also end records that the source no longer has)
    #[arg(long, value_name = "MODE", default_value = "all_or_nothing", value_parser = mode)]
    mode: ImportMode,
    /// Check and count everything, but store nothing
    #[arg(long)]
    dry_run: bool,
    /// Allow a replacing import to end more than 20% of the records of its source
    #[arg(long)]
    confirm: bool,
    /// Ignore, with a warning, columns that matter to scores but cannot be read, such as 業種
    #[arg(long)]
    accept_unread_columns: bool,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    data: DataFolder,
    #[command(flatten)]
    limits: Limits,
}

fn mode(text: &str) -> Result<ImportMode, Reason> {
    let names: Vec<_> = ImportMode::ALL.iter().map(|(_, key, _)| *key).collect();
    ImportMode::parse(text).map_err(|_| Reason::one_of(&names))
}

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    let dir = args.dir.display();
    if !args.dir.is_dir() {
        let (ja, en) = (format!("{dir} というフォルダーはありません"), format!("there is no folder {dir}"));
        return Err(Failure::Usage(lang.pick(ja, en)));
    }
    let store = args.data.open(lang)?;
    let tenant = find_tenant(&store, &args.tenant.tenant, lang)?;
    let access = access(&store, tenant.id, "sonae import");
    let zone: Tz = tenant.time_zone.parse()?;
    let unusable = |error| Failure::Usage(faults::name(&format!("--source {}", args.source), error, lang));
    let source = Source::parse(&args.source).map_err(unusable)?;
    if source.is_of_provider() {
        return Err(Failure::Usage(lang.pick(
            format!("--source {source}: 事業者が送るデータ専用の出所です。別の名前にしてください"),
            format!("--source {source}: such sources are reserved for what providers send; use another name"),
        )));
    }
    let request = ImportRequest {
        kind: None,
        source,
        mode: args.mode,
        dry_run: args.dry_run,
        confirm: args.confirm,
        accept_unread_columns: args.accept_unread_columns,
        format: Format::Csv,
        bytes: 0,
        today: store.database.clock().now().day_in(zone),
        provider_name: None,
    };
    let progress = Arc::new(Progress::default());
    let spinner = super::progress::step("取り込み中", "importing", lang);
    let watched = std::io::stderr().is_terminal().then(|| watch(&progress, spinner.clone()));
    let outcome = import_folder(&access, &args.dir, &request, &args.limits, &progress);
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
            format!("{dir} holds no file to import; name the files suppliers.csv and so on"),
        ))
    };
    let outcome = outcome.ok_or_else(nothing)?;
    let text = report(&outcome, args.dry_run, lang);
    let is_good = outcome.failure.is_none() && (outcome.is_kept || args.dry_run) && outcome.counts().rejected == 0;
    if is_good || outcome.is_kept { super::print(&text) } else { Err(Failure::Data(text.trim_end().to_owned())) }
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
        let name = table.name.as_deref().unwrap_or(table.kind.key());
        let RowCounts { created, updated, unchanged, rejected, ended } = table.counts;
        text += &lang.pick(
            format!(
                "{name}: 新規 {created}、更新 {updated}、変更なし {unchanged}、不正 {rejected}、終了 {ended}\n"
            ),
            format!(
                "{name}: created {created}, updated {updated}, unchanged {unchanged}, rejected {rejected}, ended {ended}\n"
            ),
        );
    }
    let mut told = 0;
    for group in outcome.findings.groups() {
        told += group.count;
        text += &told_group(group, lang);
    }
    for name in &outcome.skipped {
        text += &lang.pick(
            format!("注意: {name}: 表の名前ではないため読んでいません\n"),
            format!("note: {name}: it is not named after a table and was not read\n"),
        );
    }
    let rest = outcome.findings.count().saturating_sub(told);
    if rest > 0 {
        text += &lang.pick(format!("ほか {rest}件\n"), format!("and {rest} more\n"));
    }
    if let Some(refusal) = &outcome.failure {
        let (place, fault) = (refusal.place(), refusal.fault());
        let place = [place.sheet.clone(), place.row.map(|row| row.to_string()), Some(fault.field.clone())];
        let mut place = place.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":");
        if !place.is_empty() {
            place.push_str(": ");
        }
        let detail = fault.reason.detail();
        text += &format!("{place}{} [{}]\n", detail.pick(lang), fault.reason.code());
    }
    if !outcome.is_kept {
        text += match dry_run {
            true => lang.pick("確認だけです。何も取り込んでいません\n", "a dry run: nothing was imported\n"),
            false => lang.pick("何も取り込んでいません\n", "nothing was imported\n"),
        };
    }
    text
}

/// Returns the findings of one kind as one line: how many, in which rows, and what is wrong with the first.
fn told_group(group: &FindingGroup, lang: Lang) -> String {
    let rows: Vec<String> = group.rows.iter().map(u64::to_string).collect();
    let more = if group.rows.len() > 1 && group.count > group.rows.len() as u64 { "…" } else { "" };
    let rows = (!rows.is_empty()).then(|| format!("{}{more}", rows.join(",")));
    let column = Some(group.column.clone()).filter(|column| !column.is_empty());
    let place = [group.sheet.as_deref().map(str::to_owned), rows, column];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(":");
    let value = group.value.as_ref().map_or_else(String::new, |value| format!("\"{value}\": "));
    let count = match group.count {
        1 => String::new(),
        count => lang.pick(format!("{count}件: "), format!("{count} times: ")),
    };
    let word = if group.is_warning { lang.pick("注意", "note") } else { lang.pick("不正", "fault") };
    format!("{word}: {place}: {count}{value}{} [{}]\n", group.detail.pick(lang), group.code)
}
