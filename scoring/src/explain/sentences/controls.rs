//! What is known about single controls, as plain sentences.

use super::{Assessment, Downtime, overlapping, whole_percent};
use crate::words::{Lang, label};

/// The words for a control: what is said of it if it is met or not met. [`label`] has its noun.
struct Words {
    control: &'static str,
    met: (&'static str, &'static str),
    not_met: (&'static str, &'static str),
    /// What stands between the English noun and its status.
    between: &'static str,
}

const IN_PLACE: (&str, &str) = ("実施", "in place");
const NOT_MET: &str = "未実施（一部を含む）";

const WORDS: [Words; 6] = [
    Words { control: "mfa", met: IN_PLACE, not_met: (NOT_MET, "missing or partial"), between: " " },
    Words { control: "patching", met: ("実施", "kept"), not_met: (NOT_MET, "not kept"), between: " " },
    Words { control: "hardening", met: IN_PLACE, not_met: (NOT_MET, "missing or partial"), between: " " },
    Words { control: "remote_access", met: ("実施", "yes"), not_met: (NOT_MET, "no"), between: ": " },
    Words {
        control: "edr",
        met: ("導入", "in place"),
        not_met: ("未導入（一部を含む）", "missing or partial"),
        between: " ",
    },
    Words { control: "backup", met: IN_PLACE, not_met: (NOT_MET, "missing or partial"), between: " " },
];

/// Returns what is known about a control: `多要素認証は実施（第三者が2026-08-31に確認、確からしさ89%、一般には20%）`.
pub(super) fn control(control: &str, assessment: Option<&Assessment>, is_floored: bool, lang: Lang) -> String {
    let words = WORDS.iter().find(|words| words.control == control);
    let noun = label(control, lang);
    let Some(assessment) = assessment else {
        return match lang {
            Lang::Ja => format!("{noun}は未確認（平均的な会社とみなし、増減なし）"),
            Lang::En => format!("{noun} is not known (counted as average)"),
        };
    };
    let total = assessment.total_score.map(|total| total.to_string().replace('-', "−"));
    let text = match (total, lang) {
        (Some(total), Lang::Ja) => format!("{noun}{total}点（{}）", details(assessment, lang)),
        (Some(total), Lang::En) => format!("{noun} {total} points ({})", details(assessment, lang)),
        (None, Lang::Ja) => {
            format!("{noun}は{}（{}）", said(assessment.status.as_deref(), words, lang), details(assessment, lang))
        }
        (None, Lang::En) => {
            let between = words.map_or(" ", |words| words.between);
            format!(
                "{noun}{between}{} ({})",
                said(assessment.status.as_deref(), words, lang),
                details(assessment, lang)
            )
        }
    };
    let text = overlapping(text, assessment.weight, lang);
    // The floor scales what lowers the rate.
    let lowers = assessment.sure > assessment.prevalence && assessment.freshness > 0.0;
    match (lang, is_floored && lowers) {
        (_, false) => text,
        (Lang::Ja, true) => format!("{text}。下限に達したため縮小"),
        (Lang::En, true) => format!("{text}; scaled down, the floor is reached"),
    }
}

impl Downtime {
    /// Returns what is known about backups and what that does to the downtime:
    /// `隔離したバックアップと復元試験は実施（事業者が確認）: 平均停止日数5.8日→4.4日`.
    pub fn sentence(&self, lang: Lang) -> String {
        let words = WORDS.iter().find(|words| words.control == "backup");
        let noun = label("backup", lang);
        let (days, before) = (self.days, self.days_without_backup);
        let Some(backup) = &self.backup else {
            return match lang {
                Lang::Ja => format!("{noun}は未確認（増減なし）: 平均停止日数{days:.1}日"),
                Lang::En => format!("{noun} is not known: mean downtime {days:.1} days, no change"),
            };
        };
        let status = said(backup.status.as_deref(), words, lang);
        let who = match (backup.assurance.as_str(), lang) {
            ("verified_by_third_party", lang) => lang.pick("第三者が確認", "verified by a third party"),
            ("verified_by_provider", lang) => lang.pick("事業者が確認", "verified by a provider"),
            (_, lang) => lang.pick("自己申告", "self-reported"),
        };
        let age = age(backup, lang) + &outweighed(backup, lang);
        match lang {
            Lang::Ja => format!("{noun}は{status}（{who}{age}）: 平均停止日数{before:.1}日→{days:.1}日"),
            Lang::En => format!("{noun} {status} ({who}{age}): mean downtime {before:.1} → {days:.1} days"),
        }
    }
}

fn said(status: Option<&str>, words: Option<&Words>, lang: Lang) -> &'static str {
    let Some(words) = words else { return "" };
    let (ja, en) = if status == Some("met") { words.met } else { words.not_met };
    lang.pick(ja, en)
}

/// Returns who says so and when, how sure that is, how fresh, and what it outweighs.
fn details(assessment: &Assessment, lang: Lang) -> String {
    let Assessment { assurance, assessed_on, sure, prevalence, total_score, .. } = assessment;
    let who = match (lang, assurance.as_str()) {
        (Lang::Ja, "verified_by_third_party") => format!("第三者が{assessed_on}に確認"),
        (Lang::Ja, "verified_by_provider") => format!("事業者が{assessed_on}に確認"),
        (Lang::Ja, _) => format!("自己申告、{assessed_on}"),
        (Lang::En, "verified_by_third_party") => format!("verified by a third party on {assessed_on}"),
        (Lang::En, "verified_by_provider") => format!("verified by a provider on {assessed_on}"),
        (Lang::En, _) => format!("self-reported on {assessed_on}"),
    };
    let percent = |share: &f64| whole_percent(*share, lang);
    let mut text = match (lang, total_score.is_some()) {
        (Lang::Ja, true) => format!("{who}、平均{:.0}点", prevalence * 100.0),
        (Lang::En, true) => format!("{who}; mean {:.0}", prevalence * 100.0),
        (Lang::Ja, false) => format!("{who}、確からしさ{}、一般には{}", percent(sure), percent(prevalence)),
        (Lang::En, false) => format!("{who}; {} sure, {} of suppliers have it", percent(sure), percent(prevalence)),
    };
    text += &age(assessment, lang);
    text + &outweighed(assessment, lang)
}

/// Returns how much an old or expired assessment still counts: `、2026-03-31で期限切れ、鮮度12%`.
fn age(assessment: &Assessment, lang: Lang) -> String {
    let fresh = whole_percent(assessment.freshness, lang);
    match (lang, assessment.expired_on) {
        (Lang::Ja, Some(day)) => format!("、{day}で期限切れ、鮮度{fresh}"),
        (Lang::En, Some(day)) => format!("; expired on {day}, freshness {fresh}"),
        (_, None) if fresh == whole_percent(1.0, lang) => String::new(),
        (Lang::Ja, None) => format!("、鮮度{fresh}"),
        (Lang::En, None) => format!("; freshness {fresh}"),
    }
}

/// Returns which other assessment says otherwise: `、自己申告（2026-07-01、実施）より第三者の確認を優先`.
fn outweighed(assessment: &Assessment, lang: Lang) -> String {
    let Some(other) = &assessment.outweighed else { return String::new() };
    let words = WORDS.iter().find(|words| words.control == assessment.control);
    let status = said(Some(&other.status), words, lang);
    let source = |assurance: &str| match assurance {
        "verified_by_third_party" => ("第三者の確認", "third-party verification"),
        "verified_by_provider" => ("事業者の確認", "provider's verification"),
        _ => ("自己申告", "self-report"),
    };
    let ((ours, _), (theirs_ja, theirs_en)) = (source(&assessment.assurance), source(&other.assurance));
    let day = other.assessed_on;
    match lang {
        Lang::Ja => format!("、{theirs_ja}（{day}、{status}）より{ours}を優先"),
        Lang::En => format!("; outweighs the {theirs_en} of {day} ({status})"),
    }
}
