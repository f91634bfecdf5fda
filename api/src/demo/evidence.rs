//! What is known about the firms' security: enrollments, declarations and certificates.

use chrono::{Days, Months, NaiveDate};
use serde::Serialize;

use super::draw::Draw;
use super::firms::{Firm, Size};
use super::trades::Work;
use super::{AS_OF, month};

/// A row of `enrollments.csv`.
#[derive(Serialize)]
pub(super) struct Enrollment<'a> {
    external_id: String,
    pub(super) supplier_code: &'a str,
    service_name: String,
    pub(super) provider_name: String,
    service_class: &'static str,
    monitoring: &'static str,
    coverage_share: Option<String>,
    covered_endpoints: Option<u64>,
    pub(super) starts_on: NaiveDate,
    pub(super) ends_on: Option<NaiveDate>,
    onsite_response: bool,
    insured_limit_jpy: u64,
    #[serde(skip)]
    pub(super) firm: &'a Firm,
}

/// The made-up services: one of each made-up provider, and what it monitors.
const SERVICES: [(&str, &str); 15] = [
    ("デモ見守りサービス", "combined"),
    ("デモ端末みはり番", "endpoint"),
    ("デモ出入口みはり番", "network"),
    ("デモまるごと備えパック", "combined"),
    ("デモ小さな会社の監視便", "endpoint"),
    ("デモ工場みまわり", "network"),
    ("デモ商店会セキュリティ", "network"),
    ("デモ端末あんしん帳", "endpoint"),
    ("デモ監視と駆付けセット", "combined"),
    ("デモ地域みまもり隊", "network"),
    ("デモ夜間みまもり", "endpoint"),
    ("デモ備えの窓口", "combined"),
    ("デモ組合サイバー便", "network"),
    ("デモ端末レスキュー", "endpoint"),
    ("デモ連携みまもり", "combined"),
];

/// The month in which an enrollment starts, counted from the first of the year. Firms joined in waves.
const STARTS: &[(u64, u32)] =
    &[(7, 0), (7, 1), (6, 2), (6, 3), (7, 4), (9, 5), (13, 6), (13, 7), (12, 8), (10, 9), (6, 10)];

pub(super) fn enrollments<'a>(draw: &mut Draw, firms: &'a [Firm]) -> Vec<Enrollment<'a>> {
    let mut rows = Vec::new();
    for firm in firms {
        let is_old = draw.chance(8);
        let starts_on = if is_old { AS_OF - Days::new(draw.between(370, 1200)) } else { month(draw.pick(STARTS)) };
        let starts_on = if draw.chance(25) { starts_on + Days::new(14) } else { starts_on };
        let class = draw.pick(&[(86, "class_1"), (14, "class_2")]);
        // The demonstration of the new type began in the last month, so few have changed to it.
        let changes = draw.chance(1) && starts_on < month(10);
        let ended = draw.chance(22).then(|| starts_on.max(month(0)) + Months::new(draw.between(2, 7) as u32));
        let ends_on = if changes { Some(month(11)) } else { ended.filter(|end| *end <= AS_OF) };
        let (first, place) = (rows.len() + 1, draw.below(SERVICES.len() as u64) as usize);
        rows.push(enrollment(draw, firm, first, place, class, (starts_on, ends_on)));
        if changes {
            rows.push(enrollment(draw, firm, first + 1, place, "new_type", (month(11), None)));
        }
    }
    rows
}

fn enrollment<'a>(
    draw: &mut Draw,
    firm: &'a Firm,
    number: usize,
    place: usize,
    class: &'static str,
    (starts_on, ends_on): (NaiveDate, Option<NaiveDate>),
) -> Enrollment<'a> {
    let (name, monitoring) = SERVICES.get(place).copied().unwrap_or_default();
    let suffix = match class {
        "class_1" => "",
        "class_2" => "プラス",
        _ => "（新類型実証）",
    };
    let percent = draw.pick(&[(15, 100), (10, 90), (13, 80), (14, 70), (15, 60), (14, 50), (11, 35), (8, 20)]);
    let covered = firm.total_endpoints.map(|endpoints| (endpoints * percent).div_ceil(100));
    let (knows_share, knows_covered) =
        draw.pick(&[(50, (true, false)), (12, (true, true)), (24, (false, true)), (14, (false, false))]);
    Enrollment {
        external_id: format!("E{number:04}"),
        supplier_code: &firm.supplier_code,
        service_name: [name, suffix].concat(),
        provider_name: format!("デモ事業者{:02}", place + 1),
        service_class: class,
        monitoring,
        coverage_share: knows_share.then(|| format!("{}.{:02}", percent / 100, percent % 100)),
        covered_endpoints: covered.filter(|_| knows_covered),
        starts_on,
        ends_on,
        onsite_response: draw.chance(88),
        insured_limit_jpy: draw.pick(&[(40, 500_000), (35, 1_000_000), (20, 3_000_000), (5, 5_000_000)]),
        firm,
    }
}

/// A row of `certifications.csv`.
#[derive(Serialize)]
pub(super) struct Certification<'a> {
    external_id: String,
    pub(super) supplier_code: &'a str,
    pub(super) scheme: &'static str,
    pub(super) issued_on: NaiveDate,
    expires_on: Option<NaiveDate>,
    scope: &'static str,
}

pub(super) fn certifications<'a>(draw: &mut Draw, firms: &'a [Firm]) -> Vec<Certification<'a>> {
    let mut rows = Vec::new();
    let mut add = |firm: &'a Firm, scheme, issued_on, expires_on, scope| {
        let external_id = format!("C{:04}", rows.len() + 1);
        let supplier_code = &firm.supplier_code;
        rows.push(Certification { external_id, supplier_code, scheme, issued_on, expires_on, scope });
    };
    for firm in firms {
        // At the end of May 2024 one in ten of all declarations was for ★2.
        let declared = draw.pick(&[(50, None), (45, Some("security_action_1")), (5, Some("security_action_2"))]);
        if let Some(scheme) = declared {
            add(firm, scheme, AS_OF - Days::new(draw.between(20, 2900)), None, "全社");
        }
        let has_isms = draw.chance(match (firm.size, firm.trade.work) {
            (Size::Large, _) => 40,
            (Size::Sme, Work::Digital) => 45,
            (Size::Sme, _) if firm.employees > 100 => 8,
            (Size::Sme | Size::Micro, _) => 0,
        });
        if has_isms {
            let issued_on = AS_OF - Days::new(draw.between(30, 1150));
            let scope = draw.one(&["本社", "本社および工場", "情報システム部門"]);
            add(firm, "isms", issued_on, Some(issued_on + Months::new(36) - Days::new(1)), scope);
        }
    }
    rows
}
