//! The portfolio in a few labelled numbers, for the terminal and the workbook alike.

use scoring::{Lang, Summary, Yen, percent};

/// A labelled number.
pub(crate) struct Line {
    pub(crate) label: &'static str,
    pub(crate) value: Value,
}

/// What the number counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    Yen(f64),
    /// A count, of how many.
    Of(usize, usize),
    Share(f64),
    Count(usize),
}

impl Value {
    pub(crate) fn text(self, lang: Lang) -> String {
        match self {
            Self::Yen(yen) => Yen(yen).to_string(),
            Self::Of(count, all) => {
                let share = percent(share(count, all));
                lang.pick(format!("{count} / {all}（{share}）"), format!("{count} of {all} ({share})"))
            }
            Self::Share(share) => percent(share),
            Self::Count(count) => count.to_string(),
        }
    }
}

/// A part of a whole, 0 of nothing.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Losses and coverage, then what is unknown.
pub(crate) fn lines(summary: &Summary, lang: Lang) -> [Vec<Line>; 2] {
    let all = summary.supplier_count;
    let of = |count| Value::Of(count, all);
    let line = |ja, en, value| Line { label: lang.pick(ja, en), value };
    let spend =
        if summary.annual_spend_jpy > 0.0 { summary.monitored_spend_jpy / summary.annual_spend_jpy } else { 0.0 };
    let known = vec![
        line("年間期待損失", "expected annual loss", Value::Yen(summary.expected_annual_loss_jpy)),
        line("年間取引額（直接の取引先）", "annual spend with direct suppliers", Value::Yen(summary.annual_spend_jpy)),
        line("お助け隊の監視がある取引先", "suppliers monitored by お助け隊", of(summary.monitored_count)),
        line("うち、取引額に占める割合", "their share of the spend", Value::Share(spend)),
        line("SECURITY ACTION・SCSのある取引先", "suppliers with SECURITY ACTION or SCS", of(summary.declared_count)),
        line("ISMSのある取引先", "suppliers with ISMS", of(summary.isms_count)),
        line("事案の報告に合意した取引先", "suppliers that agreed to report", of(summary.reporting_count)),
    ];
    let unknown = vec![
        line("規模が不明な取引先", "suppliers of unknown size", of(summary.unknown_size_count)),
        line("業種が不明な取引先", "suppliers of unknown section", of(summary.unknown_section_count)),
        line(
            "加入・認証・報告の合意・事案のどれも記録がない取引先",
            "suppliers with no enrollment, certification, agreement or incident",
            of(summary.no_evidence_count),
        ),
        line("取引額が未入力の行", "rows to the buyer without a spend", Value::Count(summary.unknown_spend_row_count)),
        line(
            "カバー率を仮定した加入",
            "enrollments of assumed coverage",
            Value::Count(summary.assumed_coverage_row_count),
        ),
    ];
    [known, unknown]
}
