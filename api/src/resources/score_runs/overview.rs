//! The portfolio in numbers: stored with each run, and shown by the terminal, the workbook and the service alike.

mod controls;

use std::collections::BTreeMap;

use scoring::{Coverage, GRADES, Indicators, Lang, Model, Portfolio, Scores, Summary, Yen, grouped, label, percent};
use serde::{Deserialize, Serialize};

use crate::frames::FrameResult;
pub(crate) use controls::{CONTROL_HEADINGS, KnownControl};

/// How many of the suppliers that cause most loss are named.
const NAMED: usize = 10;

/// The last tier that is counted by itself, together with all beyond it: chains are rarely deeper, and answers stay
/// small.
const LAST_TIER: u32 = 10;

/// A portfolio in numbers. Suppliers are named by their code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Overview {
    pub(crate) supplier_count: usize,
    /// By grade A to E.
    pub(crate) grades: [usize; 5],
    pub(crate) chain_grades: [usize; 5],
    pub(crate) expected_annual_loss_jpy: f64,
    /// The suppliers whose own incidents cause most loss, with that loss, largest first.
    pub(crate) most_loss: Vec<(String, f64)>,
    pub(crate) annual_spend_jpy: f64,
    pub(crate) monitored_spend_jpy: f64,
    pub(crate) monitored: Coverage,
    /// By tier: [`LAST_TIER`] and all beyond it as one, and suppliers without a path to the buyer last.
    pub(crate) monitored_by_tier: Vec<(Option<u32>, Coverage)>,
    pub(crate) monitored_by_size: Vec<(String, Coverage)>,
    pub(crate) security_action_1: Coverage,
    pub(crate) security_action_2: Coverage,
    pub(crate) security_action_1_sme: Coverage,
    pub(crate) security_action_2_sme: Coverage,
    pub(crate) scs_3: Coverage,
    pub(crate) scs_4: Coverage,
    pub(crate) scs_5: Coverage,
    pub(crate) isms: Coverage,
    /// What is known about single controls. Here and in the two below, empty by a model of format 1, and for runs stored
    /// before there were assessments.
    #[serde(default)]
    pub(crate) controls: Vec<KnownControl>,
    /// By tier, as for `monitored_by_tier`.
    #[serde(default)]
    pub(crate) controls_by_tier: Vec<(Option<u32>, Vec<KnownControl>)>,
    #[serde(default)]
    pub(crate) controls_by_size: Vec<(String, Vec<KnownControl>)>,
    pub(crate) reporting: Coverage,
    /// `None` if contacts are not known, as on the command line.
    pub(crate) verified_contacts: Option<Coverage>,
    pub(crate) evidence_age_median_days: Option<f64>,
    pub(crate) without_evidence: Coverage,
    pub(crate) expired: Coverage,
    pub(crate) sole_source_unmonitored_count: usize,
    pub(crate) sole_source_unmonitored_loss_jpy: f64,
    pub(crate) tier_1_count: usize,
    /// The suppliers through which most tier-1 suppliers can be stopped, with how many.
    pub(crate) stops_tier_1: Vec<(String, usize)>,
    /// Active enrollments by the provider that runs them. `None` if providers are not known.
    pub(crate) operators: Option<Vec<(Option<String>, usize)>>,
    pub(crate) unknown_size: Coverage,
    pub(crate) unknown_section: Coverage,
    pub(crate) unknown_spend_row_count: usize,
    pub(crate) assumed_coverage_row_count: usize,
}

/// Counts that a portfolio of files does not have.
pub(crate) struct SupplementaryCounts {
    /// Active enrollments by provider.
    pub(crate) operators: BTreeMap<Option<String>, usize>,
    /// Suppliers whose incident contact was verified within twelve months.
    pub(crate) verified_contact_count: usize,
}

impl Overview {
    /// Sums up a portfolio and its scores.
    pub(crate) fn new(
        portfolio: &Portfolio,
        scores: &Scores,
        model: &Model,
        supplementary: Option<SupplementaryCounts>,
    ) -> FrameResult<Self> {
        let summary = Summary::new(portfolio, scores)?;
        let indicators = Indicators::new(portfolio, scores, model)?;
        let results = crate::frames::Results::new(scores)?;
        let code = |row: usize| results.text(scoring::name::SUPPLIER_CODE, row).to_owned();
        let caused = |row: usize| results.number(scoring::name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY, row);
        let of_all = |count: usize| Coverage { count, of: summary.supplier_count };
        let most_loss = summary.by_loss_caused.iter().take(NAMED).filter(|row| caused(**row) > 0.0);
        let (operators, verified) = match supplementary {
            None => (None, None),
            Some(SupplementaryCounts { operators, verified_contact_count }) => {
                let mut operators: Vec<_> = operators.into_iter().collect();
                operators.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                (Some(operators), Some(of_all(verified_contact_count)))
            }
        };
        Ok(Self {
            supplier_count: summary.supplier_count,
            grades: summary.grades,
            chain_grades: summary.chain_grades,
            expected_annual_loss_jpy: summary.expected_annual_loss_jpy,
            most_loss: most_loss.map(|row| (code(*row), caused(*row))).collect(),
            annual_spend_jpy: indicators.annual_spend_jpy,
            monitored_spend_jpy: indicators.monitored_spend_jpy,
            monitored: indicators.monitored,
            monitored_by_tier: by_tier(&indicators.monitored_by_tier),
            monitored_by_size: indicators
                .monitored_by_size
                .iter()
                .map(|(size, part)| ((*size).to_owned(), *part))
                .collect(),
            security_action_1: indicators.security_action_1,
            security_action_2: indicators.security_action_2,
            security_action_1_sme: indicators.security_action_1_sme,
            security_action_2_sme: indicators.security_action_2_sme,
            scs_3: indicators.scs_3,
            scs_4: indicators.scs_4,
            scs_5: indicators.scs_5,
            isms: indicators.isms,
            controls: controls::of_all(&indicators.controls),
            controls_by_tier: controls::by_tier(&indicators.controls_by_tier),
            controls_by_size: indicators
                .controls_by_size
                .iter()
                .map(|(size, controls)| ((*size).to_owned(), controls::of_all(controls)))
                .collect(),
            reporting: indicators.reporting,
            verified_contacts: verified,
            evidence_age_median_days: indicators.evidence_age_median_days,
            without_evidence: of_all(summary.no_evidence_count),
            expired: indicators.expired,
            sole_source_unmonitored_count: indicators.sole_source_unmonitored.supplier_count,
            sole_source_unmonitored_loss_jpy: indicators.sole_source_unmonitored.expected_annual_loss_jpy,
            tier_1_count: indicators.tier_1_count,
            stops_tier_1: indicators.stops_tier_1.iter().map(|(row, count)| (code(*row), *count)).collect(),
            operators,
            unknown_size: of_all(summary.unknown_size_count),
            unknown_section: of_all(summary.unknown_section_count),
            unknown_spend_row_count: summary.unknown_spend_row_count,
            assumed_coverage_row_count: summary.assumed_coverage_row_count,
        })
    }

    /// Returns the monitored share of the spend with direct suppliers, or `None` if there is no spend.
    pub(crate) fn monitored_spend_share(&self) -> Option<f64> {
        (self.annual_spend_jpy > 0.0).then(|| self.monitored_spend_jpy / self.annual_spend_jpy)
    }

    /// Returns each grade with the number of suppliers that have it: by their own risk, and with the chain.
    pub(crate) fn by_grade(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        GRADES.into_iter().zip(self.grades).zip(self.chain_grades).map(|((grade, own), chain)| (grade, own, chain))
    }

    /// Returns the lines of losses and coverage, and those of what is unknown.
    pub(crate) fn lines(&self, lang: Lang) -> [Vec<Line>; 2] {
        let line = |ja: &str, en: &str, value| Line { label: lang.pick(ja, en).to_owned(), value };
        let mut known = vec![
            line("年間期待損失", "expected annual loss", Value::Yen(self.expected_annual_loss_jpy)),
            line("年間取引額（直接の取引先）", "annual spend with direct suppliers", Value::Yen(self.annual_spend_jpy)),
            line("お助け隊サービスの監視対象の取引先", "suppliers monitored by お助け隊", Value::Of(self.monitored)),
            line(
                "監視対象の取引額割合",
                "their share of the spend",
                Value::Share(self.monitored_spend_share().unwrap_or_default()),
            ),
        ];
        for (tier, part) in &self.monitored_by_tier {
            let (ja, en) = match tier {
                Some(LAST_TIER) => (
                    format!("{LAST_TIER}次以降の取引先のうち監視あり"),
                    format!("monitored, tier {LAST_TIER} and beyond"),
                ),
                Some(tier) => (format!("{tier}次取引先のうち監視あり"), format!("monitored, tier {tier}")),
                None => (
                    "商流が未登録の取引先のうち監視あり".to_owned(),
                    "monitored, no path to the buyer known".to_owned(),
                ),
            };
            known.push(line(&ja, &en, Value::Of(*part)));
        }
        for (size, part) in self.monitored_by_size.iter().filter(|(_, part)| part.of > 0) {
            let (ja, en) = match size.as_str() {
                "unknown" => ("規模が不明な取引先", "of unknown size"),
                size => (label(size, Lang::Ja), label(size, Lang::En)),
            };
            known.push(line(&format!("{ja}のうち監視あり"), &format!("monitored, {en}"), Value::Of(*part)));
        }
        known.extend([
            line("SECURITY ACTION ★1以上", "SECURITY ACTION ★1 or ★2", Value::Of(self.security_action_1)),
            line("SECURITY ACTION ★2", "SECURITY ACTION ★2", Value::Of(self.security_action_2)),
            line(
                "SECURITY ACTION ★1以上（中小企業のうち）",
                "SECURITY ACTION ★1 or ★2, of small and medium enterprises",
                Value::Of(self.security_action_1_sme),
            ),
            line("SCS ★3以上", "SCS ★3 or higher", Value::Of(self.scs_3)),
            line("SCS ★4以上", "SCS ★4 or higher", Value::Of(self.scs_4)),
            line("ISMSのある取引先", "suppliers with ISMS", Value::Of(self.isms)),
            line("事案の報告に合意した取引先", "suppliers that agreed to report", Value::Of(self.reporting)),
        ]);
        if let Some(verified) = self.verified_contacts {
            known.push(line(
                "直近12か月以内に連絡先を確認した取引先",
                "suppliers with an incident contact verified within 12 months",
                Value::Of(verified),
            ));
        }
        if let Some(days) = self.evidence_age_median_days {
            known.push(line("根拠データの経過日数（中央値）", "median age of the evidence", Value::Days(days)));
        }
        known.extend([
            line("期限切れの加入・認証", "enrollments and certificates that are over", Value::Of(self.expired)),
            line(
                "監視対象外かつ代替困難な取引先に係る年間期待損失",
                "expected annual loss through sole sources without monitoring",
                Value::Yen(self.sole_source_unmonitored_loss_jpy),
            ),
        ]);
        if let Some((code, count)) = self.stops_tier_1.first() {
            let part = Coverage { count: *count, of: self.tier_1_count };
            known.push(line(
                &format!("影響を受ける1次取引先が最も多い取引先（{code}）"),
                &format!("tier-1 suppliers that {code} can stop, the most of all"),
                Value::Of(part),
            ));
        }
        if let Some((name, count)) = self.operators.iter().flatten().find(|(name, _)| name.is_some()) {
            let name = name.as_deref().unwrap_or_default();
            let of = self.operators.iter().flatten().map(|(_, count)| count).sum();
            known.push(line(
                &format!("加入数が最多のお助け隊事業者（{name}）"),
                &format!("enrollments with {name}, the most of all operators"),
                Value::Of(Coverage { count: *count, of }),
            ));
        }
        let unknown = vec![
            line("規模が不明な取引先", "suppliers of unknown size", Value::Of(self.unknown_size)),
            line("業種が不明な取引先", "suppliers of unknown section", Value::Of(self.unknown_section)),
            line(
                "加入・認証・対策の確認・報告の合意・事案のどれも記録がない取引先",
                "suppliers with no enrollment, certification, assessment, agreement or incident",
                Value::Of(self.without_evidence),
            ),
            line("取引額が未入力の行", "rows to the buyer without a spend", Value::Count(self.unknown_spend_row_count)),
            line(
                "カバー率を仮定した加入",
                "enrollments of assumed coverage",
                Value::Count(self.assumed_coverage_row_count),
            ),
        ];
        [known, unknown]
    }
}

fn by_tier(tiers: &[(Option<u32>, Coverage)]) -> Vec<(Option<u32>, Coverage)> {
    let mut parts: Vec<(Option<u32>, Coverage)> = Vec::new();
    for (tier, coverage) in tiers {
        let tier = tier.map(|tier| tier.min(LAST_TIER));
        match parts.last_mut().filter(|(last, _)| *last == tier) {
            Some((_, part)) => add(part, *coverage),
            None => parts.push((tier, *coverage)),
        }
    }
    parts
}

fn add(part: &mut Coverage, coverage: Coverage) {
    part.count += coverage.count;
    part.of += coverage.of;
}

/// A labelled number.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) value: Value,
}

/// The value of a line, by what it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    Yen(f64),
    Of(Coverage),
    Share(f64),
    Count(usize),
    Days(f64),
}

impl Value {
    pub(crate) fn text(self, lang: Lang) -> String {
        match self {
            Self::Yen(yen) => Yen(yen).to_string(),
            Self::Of(part) => {
                let (count, of) = (grouped(part.count as f64), grouped(part.of as f64));
                match part.share().map(percent) {
                    Some(share) => {
                        lang.pick(format!("{count} / {of}（{share}）"), format!("{count} of {of} ({share})"))
                    }
                    None => lang.pick(format!("{count} / {of}"), format!("{count} of {of}")),
                }
            }
            Self::Share(share) => percent(share),
            Self::Count(count) => grouped(count as f64),
            Self::Days(days) => {
                let days = grouped(days);
                lang.pick(format!("{days}日"), format!("{days} days"))
            }
        }
    }
}

/// Returns a part of a whole, or 0 if the whole is 0.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that was stored before there were assessments, and the members that have come since.
    #[test]
    fn a_stored_portfolio_stays_readable() {
        let stored = concat!(
            r#"{"supplier_count":3,"grades":[1,1,1,0,0],"chain_grades":[1,0,2,0,0],"expected_annual_loss_jpy":12.5,"#,
            r#""most_loss":[["S1",9.5]],"annual_spend_jpy":100.0,"monitored_spend_jpy":40.0,"#,
            r#""monitored":{"count":1,"of":3},"monitored_by_tier":[[1,{"count":1,"of":2}],[null,{"count":0,"of":1}]],"#,
            r#""monitored_by_size":[["micro",{"count":1,"of":3}]],"security_action_1":{"count":2,"of":3},"#,
            r#""security_action_2":{"count":1,"of":3},"security_action_1_sme":{"count":2,"of":2},"#,
            r#""security_action_2_sme":{"count":1,"of":2},"scs_3":{"count":0,"of":3},"scs_4":{"count":0,"of":3},"#,
            r#""scs_5":{"count":0,"of":3},"isms":{"count":1,"of":3},"reporting":{"count":1,"of":3},"#,
            r#""verified_contacts":{"count":1,"of":3},"evidence_age_median_days":30.5,"#,
            r#""without_evidence":{"count":1,"of":3},"expired":{"count":1,"of":4},"sole_source_unmonitored_count":1,"#,
            r#""sole_source_unmonitored_loss_jpy":2.5,"tier_1_count":2,"stops_tier_1":[["S2",1]],"#,
            r#""operators":[["P1",2],[null,1]],"unknown_size":{"count":0,"of":3},"unknown_section":{"count":1,"of":3},"#,
            r#""unknown_spend_row_count":1,"assumed_coverage_row_count":0}"#,
        );
        let read: Overview = serde_json::from_str(stored).unwrap();
        let of_controls = r#""controls":[],"controls_by_tier":[],"controls_by_size":[],"reporting""#;
        assert_eq!(serde_json::to_string(&read).unwrap(), stored.replace(r#""reporting""#, of_controls));
    }
}
