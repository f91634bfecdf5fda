//! The words of the product in Japanese and English, each defined once.

use std::fmt;

/// A language of Sonae's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Japanese, the default.
    #[default]
    Ja,
    /// English.
    En,
}

impl Lang {
    /// Returns the text of this language, out of two with the same meaning.
    pub fn pick<T>(self, ja: T, en: T) -> T {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }
}

/// Returns the word that people read for a value that files and columns hold as a key.
///
/// An unknown key is returned unchanged, so that a new value is never hidden.
pub fn label(key: &str, lang: Lang) -> &str {
    LABELS.iter().find(|(known, ..)| *known == key).map_or(key, |(_, ja, en)| lang.pick(ja, en))
}

const LABELS: &[(&str, &str, &str)] = &[
    ("class_1", "1類", "class 1"),
    ("class_2", "2類", "class 2"),
    ("new_type", "新類型", "the new type"),
    ("security_action_1", "SECURITY ACTION ★1", "SECURITY ACTION ★1"),
    ("security_action_2", "SECURITY ACTION ★2", "SECURITY ACTION ★2"),
    ("scs_3", "SCS ★3", "SCS ★3"),
    ("scs_4", "SCS ★4", "SCS ★4"),
    ("scs_5", "SCS ★5", "SCS ★5"),
    ("isms", "ISMS", "ISMS"),
    ("micro", "小規模企業者", "a micro enterprise"),
    ("sme", "中小企業", "a small or medium enterprise"),
    ("large", "大企業", "a large enterprise"),
    ("mfa", "多要素認証", "MFA"),
    ("patching", "重大な脆弱性の14日以内の修正", "patching within 14 days"),
    ("hardening", "安全な基本設定の一律適用", "hardened configuration"),
    ("remote_access", "外部接続口の管理（VPN装置等の最新化、RDP非公開）", "remote access kept current"),
    ("edr", "EDR", "EDR"),
    ("backup", "隔離したバックアップと復元試験", "tested off-line backup"),
    ("self_assessment", "自社診断", "self-assessment"),
    ("none", "なし", "none"),
    ("internal", "社内情報", "internal data"),
    ("confidential", "機密情報", "confidential data"),
    ("limited", "限定的", "limited"),
    ("privileged", "特権", "privileged"),
    ("A", "農業，林業", "agriculture and forestry"),
    ("B", "漁業", "fisheries"),
    ("C", "鉱業，採石業，砂利採取業", "mining and quarrying"),
    ("D", "建設業", "construction"),
    ("E", "製造業", "manufacturing"),
    ("F", "電気・ガス・熱供給・水道業", "electricity, gas, heat and water"),
    ("G", "情報通信業", "information and communications"),
    ("H", "運輸業，郵便業", "transport and postal services"),
    ("I", "卸売業，小売業", "wholesale and retail trade"),
    ("J", "金融業，保険業", "finance and insurance"),
    ("K", "不動産業，物品賃貸業", "real estate and leasing"),
    ("L", "学術研究，専門・技術サービス業", "research, professional and technical services"),
    ("M", "宿泊業，飲食サービス業", "accommodation, eating and drinking"),
    ("N", "生活関連サービス業，娯楽業", "living-related services and amusement"),
    ("O", "教育，学習支援業", "education"),
    ("P", "医療，福祉", "medical care and welfare"),
    ("Q", "複合サービス事業", "compound services"),
    ("R", "サービス業（他に分類されないもの）", "other services"),
    ("S", "公務", "government"),
    ("T", "分類不能の産業", "unclassified industries"),
    ("unknown", "不明", "unknown"),
];

/// The caveats to show together with scores.
pub const CAVEATS: [(&str, &str); 5] = [
    (
        "対策の効果（お助け隊、SECURITY ACTION、SCS、ISMS、多要素認証などの個別の対策）と有効期間、確からしさ、規模・業種の係数、連鎖・停止日数・損失額の係数は専門家の仮定であり、実測値ではありません。",
        "The effects of controls (お助け隊, SECURITY ACTION, SCS, ISMS, and single controls such as MFA), how long they hold and how sure they are, the multipliers of size and section, and the factors of the chain, of downtime and of losses are assumptions of experts, not measurements.",
    ),
    (
        "登録されていない二次以降の取引先は連鎖スコアに含まれません。",
        "Sub-suppliers that nobody recorded are not counted in the chain score.",
    ),
    (
        "等級は境界をまたぐと変わります。スコアと90%区間をあわせて見てください。",
        "A grade changes when a score crosses a bound: read it with the score and its 90% interval.",
    ),
    (
        "スコアは支援の優先順位を決める材料です。それだけで取引をやめる理由にはなりません。",
        "A score helps to decide whom to help first. It is not by itself a ground for ending trade.",
    ),
    (
        "お助け隊サービス、SECURITY ACTION、SCSの利用はいずれも任意です。",
        "お助け隊 services, SECURITY ACTION and SCS are all voluntary.",
    ),
];

/// The grades, least risky first.
pub const GRADES: [&str; 5] = ["A", "B", "C", "D", "E"];

/// Formats a signed number for people: `+4.0`, `−4.0`, `0.0`.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.chars().all(|digit| matches!(digit, '0' | '.'));
    match (is_zero, value < 0.0) {
        (true, _) => text,
        (_, true) => format!("−{text}"),
        (_, false) => format!("+{text}"),
    }
}

/// Formats a share for people: `100.0%`, `62.5%`. Never rounds up to 100%.
pub fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).round();
    let tenths = if share < 1.0 { tenths.min(999.0) } else { tenths };
    format!("{:.1}%", tenths / 10.0)
}

/// Formats a number of 0 or more with thousands separators, and with decimals if it has any.
pub fn grouped(number: f64) -> String {
    let text = number.to_string();
    let (digits, decimals) =
        text.split_once('.').map_or((text.as_str(), ""), |(digits, _)| (digits, &text[digits.len()..]));
    let mut grouped = String::with_capacity(text.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + decimals
}

/// Whole yen with thousands separators: `¥1,234,567`.
#[derive(Debug, Clone, Copy)]
pub struct Yen(pub f64);

impl fmt::Display for Yen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.round();
        out.pad(&format!("{}¥{}", if whole < 0.0 { "−" } else { "" }, grouped(whole.abs())))
    }
}
