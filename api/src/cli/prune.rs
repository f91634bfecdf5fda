//! `sonae prune`: deletes what need not be kept any more.

use chrono_tz::Tz;
use schema::score_runs::RunAge;
use schema::{Installation, tenants};
use scoring::Lang;

use super::{DataFolder, Failure, access};
use crate::resources::score_runs::{prune, to_prune};

/// Delete automatic score runs and files of exports whose retention has ended
///
/// Runs that somebody started or exported are kept. Of the automatic runs, the last of each day is kept for 90 days and the last of each
/// month for ten years, unless the settings of the buyer say otherwise. A running service does the same after each automatic run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only list what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    data: DataFolder,
}

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    let store = args.data.open_existing(lang)?;
    let mut text = String::new();
    for tenant in access(&store, Installation, "sonae prune").read(tenants::list)? {
        let today = store.database.clock().now().day_in(tenant.time_zone.parse::<Tz>()?);
        let name = &tenant.name;
        let access = access(&store, tenant.id, "sonae prune");
        if args.dry_run {
            let runs = access.read(|tx| to_prune(tx, today))?;
            let runs = described(&runs, lang);
            text += &lang.pick(format!("{name}: 削除の対象: {runs}\n"), format!("{name}: would be deleted: {runs}\n"));
            continue;
        }
        let pruned = access.write(|tx| prune(tx, today))?;
        let (inputs, parts) = (pruned.input_count, pruned.file_part_count);
        let runs = described(&pruned.runs, lang);
        text += &lang.pick(
            format!("{name}: 削除しました: {runs}、入力データ {inputs}件、出力ファイルの部分 {parts}件\n"),
            format!("{name}: deleted: {runs}, inputs: {inputs}, parts of exported files: {parts}\n"),
        );
    }
    if !args.dry_run {
        store.database.tidy()?;
    }
    super::print(&text)
}

fn described(runs: &[RunAge], lang: Lang) -> String {
    let scores: i64 = runs.iter().map(|run| run.supplier_count).sum();
    let days = match (runs.last(), runs.first()) {
        (Some(first), Some(last)) => lang.pick(
            format!("（{}〜{}時点）", first.as_of, last.as_of),
            format!(" (as of {} to {})", first.as_of, last.as_of),
        ),
        _ => String::new(),
    };
    let count = runs.len();
    lang.pick(
        format!("自動のスコア計算 {count}回{days}、そのスコア {scores}件"),
        format!("automatic runs: {count}{days}, their scores: {scores}"),
    )
}
