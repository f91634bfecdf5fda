//! The output of `sonae score`: the portfolio at a glance, or one supplier's score with its contributions.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use scoring::{CAVEATS, Coverage, Explainer, Explanation, Lang, Scores, Summary, Yen, label, name, percent, signed};

use crate::base::text::printable;
use crate::frames::{FrameResult, Provenance, Results};
use crate::resources::score_runs::overview::{self, KnownControl, Overview, share};

/// How many suppliers each table of the report shows.
const SHOWN: usize = 10;

/// A line below the headings and nothing else, so that a table can be copied.
const TABLE_STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Returns the line `2026-09-30時点、モデル 2026.2、SHA-256 0123456789ab…`.
pub(super) fn provenance(provenance: &Provenance, lang: Lang) -> String {
    let Provenance { as_of, model_version, model_hash } = provenance;
    let hash = model_hash.get(..12).unwrap_or(model_hash);
    let model_version = printable(model_version);
    lang.pick(
        format!("{as_of}時点、モデル {model_version}、SHA-256 {hash}…"),
        format!("as of {as_of}, model {model_version}, SHA-256 {hash}…"),
    )
}

pub(super) fn report(
    provenance: &Provenance,
    overview: &Overview,
    summary: &Summary,
    scores: &Scores,
    explainer: &Explainer<'_>,
    lang: Lang,
) -> FrameResult<String> {
    let results = Results::new(scores)?;
    let mut parts = vec![
        lang.pick(
            format!("取引先: {}社（{}）", summary.supplier_count, self::provenance(provenance, lang)),
            format!("suppliers: {} ({})", summary.supplier_count, self::provenance(provenance, lang)),
        ),
        grades(overview, lang),
    ];
    let [known, unknown] = overview.lines(lang);
    parts.push(lines(known, lang));
    parts.extend(controls(overview, lang));
    parts.push(section(
        "自社起因の年間期待損失が大きい順（支援の優先順）",
        "suppliers whose own incidents cause the greatest losses (whom to help first)",
        lang,
    ));
    parts.push(by_loss(summary, &results, explainer, lang));
    parts.push(section("リスクスコアの高い順", "suppliers with the highest risk scores", lang));
    parts.push(by_risk(summary, &results, explainer, lang));
    parts.push(section("分かっていないこと", "what is unknown", lang));
    parts.push(lines(unknown, lang));
    parts.push(caveats(lang));
    parts.push(
        lang.pick(
            "スコアの内訳: --explain 取引先コード　全取引先: --out scores.xlsx（.csv、.parquet）\n",
            "one score in detail: --explain CODE; all suppliers: --out scores.xlsx (.csv, .parquet)\n",
        )
        .to_owned(),
    );
    Ok(parts.join("\n"))
}

/// Returns the contributions and losses of rows of the results, each with its reason.
pub(super) fn explanations(
    provenance: &Provenance,
    scores: &Scores,
    explainer: &Explainer<'_>,
    rows: &[usize],
    lang: Lang,
) -> FrameResult<String> {
    let results = Results::new(scores)?;
    let mut parts = vec![self::provenance(provenance, lang) + "\n"];
    parts.extend(rows.iter().map(|row| explanation(&results, explainer, *row, lang)));
    parts.push(caveats(lang));
    Ok(parts.join("\n"))
}

fn explanation(results: &Results, explainer: &Explainer<'_>, row: usize, lang: Lang) -> String {
    let Explanation { contributions, downtime, losses } = explainer.explain(row);
    let number = |name| results.number(name, row);
    let [code, name] = [results.text(name::SUPPLIER_CODE, row), results.name(row)].map(printable);
    let mut text = format!("{code} {name}\n");
    let (upstream, own): (Vec<_>, Vec<_>) = contributions.iter().partition(|part| part.key == name::POINTS_UPSTREAM);
    let chain = format!("{:.1} {}", number(name::CHAIN_SCORE), results.text(name::CHAIN_GRADE, row));
    let scores = [
        (lang.pick("リスクスコア", "risk score"), score(results, row, lang), own),
        (lang.pick("連鎖スコア", "chain score"), chain, upstream),
    ];
    let mut sum = 0.0;
    for ((heading, score, parts), clamped) in scores.into_iter().zip([name::RISK_SCORE, name::CHAIN_SCORE]) {
        text += &format!("{heading} {score}\n");
        for part in parts {
            text += &format!("  {:>6}  {}\n", signed(part.points, 1), part.reason(lang));
            sum += part.points;
        }
        if (sum - number(clamped)).abs() > 1e-6 {
            text += &lang.pick(
                format!("  合計は{sum:.1}点。スコアは0〜100に収める\n"),
                format!("  the sum is {sum:.1}; a score stays within 0 and 100\n"),
            );
        }
    }
    let [direct, caused] =
        [name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY, name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY].map(|name| Yen(number(name)));
    text += &lang.pick(
        format!("年間期待損失 {direct}（この取引先経由）、{caused}（この取引先に起因）\n"),
        format!("expected annual loss {direct} (through this supplier), {caused} (caused by it)\n"),
    );
    for loss in losses {
        text += &format!("  {:>16}  {}\n", Yen(loss.yen), loss.reason(lang));
    }
    if let Some(downtime) = downtime {
        text += &format!("  {}\n", downtime.sentence(lang));
    }
    text
}

fn score(results: &Results, row: usize, lang: Lang) -> String {
    let number = |name| results.number(name, row);
    let (low, high) = (number(name::RISK_SCORE_LOW), number(name::RISK_SCORE_HIGH));
    let grade = results.text(name::GRADE, row);
    let score = number(name::RISK_SCORE);
    lang.pick(
        format!("{score:.1} {grade}（90%区間 {low:.1}〜{high:.1}）"),
        format!("{score:.1} {grade} (90% interval {low:.1} to {high:.1})"),
    )
}

pub(super) fn section(ja: &str, en: &str, lang: Lang) -> String {
    lang.pick(ja, en).to_owned()
}

pub(super) fn table(headings: &[(&str, &str)], lang: Lang, right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE).set_header(headings.iter().map(|(ja, en)| lang.pick(*ja, *en)));
    if let Some((_, width)) = console::Term::stdout().size_checked() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            // A number that is broken over two lines is read as two numbers.
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

pub(super) fn grades(overview: &Overview, lang: Lang) -> String {
    const BAR_WIDTH: f64 = 24.0;
    let headings = [("等級", "grade"), ("リスク等級", "own risk"), ("", ""), ("連鎖等級", "with the chain"), ("", "")];
    let mut table = table(&headings, lang, &[1, 3]);
    let bar = |count: usize| "█".repeat((share(count, overview.supplier_count) * BAR_WIDTH).ceil() as usize);
    for (grade, own, chain) in overview.by_grade() {
        table.add_row([grade.to_owned(), own.to_string(), bar(own), chain.to_string(), bar(chain)]);
    }
    format!("{}\n", table.trim_fmt())
}

/// Returns what is known about each control, if anything is.
pub(super) fn controls(overview: &Overview, lang: Lang) -> Option<String> {
    if overview.controls.iter().all(|control| control.known.count == 0) {
        return None;
    }
    let mut table = table(&overview::CONTROL_HEADINGS, lang, &[1, 2, 3]);
    let cell = |part: Coverage| match part.share() {
        Some(share) => {
            lang.pick(format!("{}（{}）", part.count, percent(share)), format!("{} ({})", part.count, percent(share)))
        }
        None => part.count.to_string(),
    };
    for KnownControl { control, known, met, verified } in &overview.controls {
        let met = met.map_or("–".to_owned(), cell);
        table.add_row([label(control, lang).to_owned(), cell(*known), met, cell(*verified)]);
    }
    Some(format!("{}\n", table.trim_fmt()))
}

fn by_loss(summary: &Summary, results: &Results, explainer: &Explainer<'_>, lang: Lang) -> String {
    let headings = [
        ("取引先コード", "code"),
        ("取引先名", "name"),
        ("起因する損失（年）", "loss caused a year"),
        ("割合", "share"),
        ("等級", "grade"),
        ("主な損失", "main loss"),
    ];
    let mut table = table(&headings, lang, &[2, 3]);
    for row in summary.by_loss_caused.iter().copied().take(SHOWN) {
        let caused = results.number(name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY, row);
        if caused <= 0.0 {
            break;
        }
        table.add_row([
            printable(results.text(name::SUPPLIER_CODE, row)),
            printable(results.name(row)),
            Yen(caused).to_string(),
            percent(caused / summary.expected_annual_loss_jpy),
            results.text(name::GRADE, row).to_owned(),
            explainer.explain(row).main_loss().map(|loss| loss.reason(lang)).unwrap_or_default(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

fn by_risk(summary: &Summary, results: &Results, explainer: &Explainer<'_>, lang: Lang) -> String {
    let headings = [
        ("取引先コード", "code"),
        ("取引先名", "name"),
        ("リスクスコア（90%区間）", "risk score (90% interval)"),
        ("等級", "grade"),
        ("連鎖スコア", "chain score"),
        ("連鎖等級", "chain grade"),
        ("規模・業種以外の主な要因", "main reason besides size and section"),
    ];
    let nothing = lang.pick("ほかに目立つ要因なし", "none that stands out");
    let mut table = table(&headings, lang, &[2, 4]);
    for row in summary.by_risk.iter().copied().take(SHOWN) {
        let number = |name| results.number(name, row);
        let (low, high) = (number(name::RISK_SCORE_LOW), number(name::RISK_SCORE_HIGH));
        table.add_row([
            printable(results.text(name::SUPPLIER_CODE, row)),
            printable(results.name(row)),
            format!("{:.1} ({low:.1}–{high:.1})", number(name::RISK_SCORE)),
            results.text(name::GRADE, row).to_owned(),
            format!("{:.1}", number(name::CHAIN_SCORE)),
            results.text(name::CHAIN_GRADE, row).to_owned(),
            explainer.explain(row).main_reason().map_or(nothing.to_owned(), |part| part.sentence(lang)),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

pub(super) fn lines(lines: Vec<overview::Line>, lang: Lang) -> String {
    lines.into_iter().fold(String::new(), |mut text, line| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {}", line.label, line.value.text(lang));
        text
    })
}

pub(super) fn caveats(lang: Lang) -> String {
    let heading = lang.pick("ご注意", "please note");
    CAVEATS.iter().fold(format!("{heading}\n"), |text, (ja, en)| format!("{text}- {}\n", lang.pick(*ja, *en)))
}
