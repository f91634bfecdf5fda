//! The facts behind contributions and losses, as plain sentences.

mod controls;

use chrono::NaiveDate;

use super::{Assessment, Certification, Contribution, Downtime, Enrollment, Fact, Loss};
use crate::words::{Lang, Yen, label, percent, signed};

impl Contribution {
    /// Returns the fact behind it: `1類に加入中（カバー率100.0%、2024-10-01から）`.
    pub fn reason(&self, lang: Lang) -> String {
        self.fact.sentence(lang)
    }

    /// Returns the fact behind it and its points: `1類に加入中（カバー率100.0%、2024-10-01から）: −4.0点`.
    pub fn sentence(&self, lang: Lang) -> String {
        format!("{}: {}{}", self.reason(lang), signed(self.points, 1), lang.pick("点", " points"))
    }
}

impl Loss {
    /// Returns the fact behind it.
    pub fn reason(&self, lang: Lang) -> String {
        self.fact.sentence(lang)
    }

    /// Returns the fact behind it and its yen a year.
    pub fn sentence(&self, lang: Lang) -> String {
        format!("{}: {}{}{}", self.reason(lang), lang.pick("年", ""), Yen(self.yen), lang.pick("", " a year"))
    }
}

impl Fact {
    fn sentence(&self, lang: Lang) -> String {
        match self {
            Self::Base { size_class, jsic_section } => base(size_class, jsic_section, lang),
            Self::Segment { peer_harmful_count, peer_expected_count } => {
                segment(*peer_harmful_count, *peer_expected_count, lang)
            }
            Self::Peers => lang
                .pick(
                    "同じ業種・規模で監視されている取引先全体の実績",
                    "the record of all watched suppliers of its section and size",
                )
                .to_owned(),
            Self::Monitoring { enrollments, ended_on, weight, is_floored } => {
                let text = overlapping(monitoring(enrollments, *ended_on, lang), *weight, lang);
                floored(text, *is_floored && !enrollments.is_empty(), lang)
            }
            Self::Certification { isms, best, weight, is_floored } => match best {
                Some(best) => {
                    let text = overlapping(certification(best, lang), *weight, lang);
                    floored(text, *is_floored && best.freshness > 0.0, lang)
                }
                None if *isms => lang.pick("ISMSの認証は未確認", "no ISMS certificate is known").to_owned(),
                None => lang.pick("SECURITY ACTION・SCSは未確認", "no SECURITY ACTION or SCS is known").to_owned(),
            },
            Self::Control { control, assessment, is_floored } => {
                controls::control(control, assessment.as_ref(), *is_floored, lang)
            }
            Self::History { harmful_count, contained_count, blocked_count, discounted_observed_years } => {
                history([*harmful_count, *contained_count, *blocked_count], *discounted_observed_years, lang)
            }
            Self::Upstream { supplier_count, strongest } => upstream(*supplier_count, strongest, lang),
            Self::Supply { caused: false, rate, yen_per_stop } => {
                let ja = "この取引先または上流の停止により、この取引先からの供給が止まる";
                product(lang.pick(ja, "its own or inherited stops halt its supply"), *rate, *yen_per_stop, lang)
            }
            Self::Supply { caused: true, rate, yen_per_stop } => {
                let ja = "この取引先の事案により、この取引先と下流の供給が止まる";
                product(lang.pick(ja, "its own incidents stop supply here and downstream"), *rate, *yen_per_stop, lang)
            }
            Self::Data { data_access, rate, yen_per_incident } => {
                let access = label(data_access, lang);
                let (ja, en) = (format!("預けたデータ（{access}）"), format!("the buyer's data it holds ({access})"));
                product(&lang.pick(ja, en), *rate, *yen_per_incident, lang)
            }
            Self::Network { network_access, rate, yen_per_incident } => {
                let access = label(network_access, lang);
                let ja = format!("発注者のネットワークへの接続（{access}）");
                let en = format!("access to the buyer's network ({access})");
                product(&lang.pick(ja, en), *rate, *yen_per_incident, lang)
            }
        }
    }
}

fn base(size_class: &str, jsic_section: &str, lang: Lang) -> String {
    let (size, section) = (label(size_class, lang), label(jsic_section, lang));
    let is_known = |key: &str| key != "unknown";
    match (lang, is_known(size_class), is_known(jsic_section)) {
        (Lang::Ja, true, true) => format!("規模は{size}、業種は{section}（{jsic_section}）"),
        (Lang::Ja, false, true) => format!("業種は{section}（{jsic_section}）。規模が不明のため最も高い係数を使用"),
        (Lang::Ja, _, false) => "規模と業種が不明のため最も高い係数を使用".to_owned(),
        (Lang::En, true, true) => format!("{size} in {section} ({jsic_section})"),
        (Lang::En, false, true) => {
            format!("in {section} ({jsic_section}); its size is unknown, so the highest multiplier holds")
        }
        (Lang::En, _, false) => "size and section are unknown, so the highest multipliers hold".to_owned(),
    }
}

fn segment(harmful: f64, expected: f64, lang: Lang) -> String {
    if harmful == 0.0 && expected == 0.0 {
        return lang
            .pick(
                "同じ業種・規模の取引先に、監視された実績がまだない",
                "no peer of its section and size has been watched yet",
            )
            .to_owned();
    }
    match lang {
        Lang::Ja => {
            format!(
                "同じ業種・規模の取引先の実績（想定{expected:.1}件に対し実害{harmful:.1}件、いずれも経過時間で重み付け）"
            )
        }
        Lang::En => format!(
            "peers of its section and size had {harmful:.1} harmful incidents where {expected:.1} were expected (both discounted)"
        ),
    }
}

fn monitoring(enrollments: &[Enrollment], ended_on: Option<NaiveDate>, lang: Lang) -> String {
    if !enrollments.is_empty() {
        let texts: Vec<_> = enrollments.iter().map(|enrollment| self::enrollment(enrollment, lang)).collect();
        return texts.join(lang.pick("、", "; "));
    }
    match (lang, ended_on) {
        (Lang::Ja, None) => "お助け隊サービスの加入は未確認".to_owned(),
        (Lang::En, None) => "no お助け隊 enrollment is known".to_owned(),
        (Lang::Ja, Some(day)) => format!("お助け隊サービスの加入は{day}に終了"),
        (Lang::En, Some(day)) => format!("the お助け隊 enrollment ended on {day}"),
    }
}

fn enrollment(enrollment: &Enrollment, lang: Lang) -> String {
    let Enrollment { service_class, coverage_share, is_assumed, take, starts_on } = enrollment;
    let (class, coverage) = (label(service_class, lang), percent(*coverage_share));
    let coverage = match (lang, is_assumed) {
        (Lang::Ja, false) => format!("カバー率{coverage}"),
        (Lang::Ja, true) => format!("カバー率不明のため{coverage}と仮定"),
        (Lang::En, false) => format!("coverage {coverage}"),
        (Lang::En, true) => format!("coverage unknown, assumed {coverage}"),
    };
    let counted = match (lang, take < coverage_share) {
        (_, false) => String::new(),
        (Lang::Ja, true) => format!("、うち{}を算入", percent(*take)),
        (Lang::En, true) => format!(", {} of it counted", percent(*take)),
    };
    match lang {
        Lang::Ja => format!("{class}に加入中（{coverage}{counted}、{starts_on}から）"),
        Lang::En => format!("enrolled in {class} ({coverage}{counted}, since {starts_on})"),
    }
}

fn certification(best: &Certification, lang: Lang) -> String {
    let Certification { scheme, expires_on, is_assumed, freshness } = best;
    let (scheme, counted) = (label(scheme, lang), percent(*freshness));
    let state = match (lang, expires_on, *freshness >= 1.0) {
        (Lang::Ja, Some(day), true) if *is_assumed => format!("期限の記載がなく、{day}まで有効と仮定"),
        (Lang::Ja, Some(day), true) => format!("{day}まで有効"),
        (Lang::Ja, Some(day), false) if *is_assumed => {
            format!("期限の記載がなく、{day}に期限切れと仮定、効果の{counted}を算入")
        }
        (Lang::Ja, Some(day), false) => format!("{day}に期限切れ、効果の{counted}を算入"),
        (Lang::Ja, None, true) => "期限の定めなし".to_owned(),
        (Lang::Ja, None, false) => format!("期限の定めなし、古いため効果の{counted}を算入"),
        (Lang::En, Some(day), true) if *is_assumed => format!("no expiry stated, assumed valid until {day}"),
        (Lang::En, Some(day), true) => format!("valid until {day}"),
        (Lang::En, Some(day), false) if *is_assumed => {
            format!("no expiry stated, assumed expired on {day}, {counted} of its effect counted")
        }
        (Lang::En, Some(day), false) => format!("expired on {day}, {counted} of its effect counted"),
        (Lang::En, None, true) => "without expiry".to_owned(),
        (Lang::En, None, false) => format!("without expiry, old, {counted} of its effect counted"),
    };
    match lang {
        Lang::Ja => format!("{scheme}（{state}）"),
        Lang::En => format!("{scheme} ({state})"),
    }
}

fn floored(text: String, is_floored: bool, lang: Lang) -> String {
    match (lang, is_floored) {
        (_, false) => text,
        (Lang::Ja, true) => format!("{text}。対策の合計が上限に達したため縮小"),
        (Lang::En, true) => format!("{text}; scaled down, as all controls together reach their limit"),
    }
}

/// Adds that evidence counts in part, beside stronger evidence of the same kind.
fn overlapping(text: String, weight: f64, lang: Lang) -> String {
    match (lang, weight < 1.0) {
        (_, false) => text,
        (Lang::Ja, true) => format!("{text}。他の証拠と重なるため{}を算入", whole_percent(weight, lang)),
        (Lang::En, true) => format!("{text}; overlaps with stronger evidence, {} counted", whole_percent(weight, lang)),
    }
}

/// Formats a share in whole percent: `89%`, in English `89 %`.
fn whole_percent(share: f64, lang: Lang) -> String {
    format!("{:.0}{}", share * 100.0, lang.pick("%", " %"))
}

fn history([harmful, contained, blocked]: [i64; 3], years: f64, lang: Lang) -> String {
    let counted = match (lang, harmful, contained) {
        (Lang::Ja, 0, 0) => "実害のある事案の記録なし".to_owned(),
        (Lang::Ja, 0, _) => format!("封じ込め済みの事案{contained}件、実害なし"),
        (Lang::Ja, _, 0) => format!("実害のある事案{harmful}件"),
        (Lang::Ja, ..) => format!("実害のある事案{harmful}件、封じ込め済み{contained}件"),
        (Lang::En, 0, 0) => "no harmful incident on record".to_owned(),
        (Lang::En, 0, _) => format!("{}, none harmful", plural(contained, "contained incident")),
        (Lang::En, _, 0) => plural(harmful, "harmful incident"),
        (Lang::En, ..) => format!("{} and {contained} contained", plural(harmful, "harmful incident")),
    };
    let not_counted = match (lang, blocked) {
        (_, 0) => String::new(),
        (Lang::Ja, _) => format!("。検知・遮断した{blocked}件は数えない"),
        (Lang::En, _) => format!("; {} not counted", plural(blocked, "blocked attack")),
    };
    match lang {
        Lang::Ja => format!("{counted}（経過時間で重み付けした観測{years:.1}年分）{not_counted}"),
        Lang::En => format!("{counted} (over {years:.1} discounted years of observation){not_counted}"),
    }
}

fn upstream(supplier_count: usize, strongest: &[(String, f64)], lang: Lang) -> String {
    if supplier_count == 0 {
        return lang.pick("登録された上流の取引先はない", "no upstream supplier is recorded").to_owned();
    }
    let named: Vec<_> = strongest.iter().map(|(code, share)| format!("{code} {}", percent(*share))).collect();
    let named = match (lang, named.is_empty()) {
        (_, true) => String::new(),
        (Lang::Ja, false) => format!("（{}）", named.join("、")),
        (Lang::En, false) => format!(" ({})", named.join(", ")),
    };
    match lang {
        Lang::Ja => format!("上流{supplier_count}社の停止の影響を受ける{named}"),
        Lang::En => format!("inherits stops of {}{named}", plural(supplier_count as i64, "upstream supplier")),
    }
}

/// Returns a count with its noun: `1 incident`, `2 incidents`.
fn plural(count: i64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn product(what: &str, rate: f64, yen: f64, lang: Lang) -> String {
    match lang {
        Lang::Ja => format!("{what}（年{rate:.2}回 × 1回{}）", Yen(yen)),
        Lang::En => format!("{what} ({rate:.2} a year × {} each)", Yen(yen)),
    }
}
