//! The firms themselves.

use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::AS_OF;
use super::draw::Draw;
use super::names::{self, LIMITED, LLC, STOCK, STOCK_BEFORE};
use super::trades::{TRADES, Trade, Work};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Size {
    Micro,
    Sme,
    Large,
}

/// A row of `suppliers.csv`, with the values from which other rows are drawn.
#[derive(Serialize)]
pub(super) struct Firm {
    pub(super) supplier_code: String,
    name: String,
    kana: String,
    corporate_number: String,
    jsic_division: Option<&'static str>,
    employee_count: Option<u64>,
    capital_jpy: Option<u64>,
    prefecture_code: &'static str,
    data_access: &'static str,
    network_access: &'static str,
    pub(super) total_endpoints: Option<u64>,
    reports_incidents_since: Option<NaiveDate>,
    /// 1 sells to the buyer. 0 is in no chain yet.
    #[serde(skip)]
    pub(super) tier: usize,
    #[serde(skip)]
    pub(super) trade: &'static Trade,
    #[serde(skip)]
    pub(super) size: Size,
    #[serde(skip)]
    pub(super) employees: u64,
    /// Its main item.
    #[serde(skip)]
    pub(super) item: &'static str,
}

/// How many firms each tier has, from 0. Together they are the 1,117 of the demonstration project of FY2020.
const TIERS: [usize; 5] = [3, 212, 490, 330, 82];

/// The prefectures, those with most of the chain first.
const PREFECTURES: &[&str] =
    &["23", "22", "24", "21", "27", "14", "11", "13", "28", "10", "34", "20", "09", "40", "17", "03", "04", "43"];

pub(super) fn firms(draw: &mut Draw) -> Vec<Firm> {
    let mut tiers: Vec<usize> =
        TIERS.into_iter().enumerate().flat_map(|(tier, count)| std::iter::repeat_n(tier, count)).collect();
    draw.shuffle(&mut tiers);
    let places = names::places(draw);
    let numbered = (1..).zip(tiers).zip(places);
    numbered.map(|((number, tier), place)| firm(draw, number, tier, &place)).collect()
}

fn firm(draw: &mut Draw, number: u64, tier: usize, place: &(String, String)) -> Firm {
    let trade = trade(draw, tier);
    let size = draw.pick(match tier {
        1 => &[(16, Size::Micro), (65, Size::Sme), (19, Size::Large)],
        2 => &[(34, Size::Micro), (63, Size::Sme), (3, Size::Large)],
        _ => &[(56, Size::Micro), (43, Size::Sme), (1, Size::Large)],
    });
    let (employees, capital) = figures(draw, trade, size);
    let form = draw.pick(match size {
        Size::Micro => &[(25, STOCK), (30, STOCK_BEFORE), (35, LIMITED), (10, LLC)],
        Size::Sme => &[(44, STOCK), (44, STOCK_BEFORE), (10, LIMITED), (2, LLC)],
        Size::Large => &[(60, STOCK), (40, STOCK_BEFORE)],
    });
    let (word, reading) = draw.one(&names::read(trade.words).collect::<Vec<_>>());
    let per_head = if trade.work == Work::Digital { draw.between(90, 140) } else { draw.between(25, 85) };
    let is_sized = !draw.chance(1);
    Firm {
        supplier_code: format!("D{number:04}"),
        name: form.name(&place.0, word),
        kana: [place.1.as_str(), reading].concat(),
        corporate_number: names::corporate_number(form, number),
        jsic_division: (!draw.chance(1)).then_some(trade.division),
        employee_count: is_sized.then_some(employees),
        capital_jpy: (is_sized && !draw.chance(4)).then_some(capital),
        prefecture_code: draw.early(PREFECTURES),
        data_access: data_access(draw, tier, trade.work),
        network_access: network_access(draw, tier, trade.work),
        total_endpoints: (!draw.chance(6)).then_some((employees * per_head / 100).max(1)),
        reports_incidents_since: reports_since(draw),
        tier,
        trade,
        size,
        employees,
        item: draw.one(trade.items),
    }
}

fn trade(draw: &mut Draw, tier: usize) -> &'static Trade {
    let weight = |trade: &Trade| trade.tiers.get(tier.saturating_sub(1)).copied().unwrap_or_default();
    let table: Vec<(u64, &Trade)> = TRADES.iter().map(|trade| (weight(trade), trade)).collect();
    draw.pick(&table)
}

/// Draws the employees and the capital of a firm of this size.
fn figures(draw: &mut Draw, trade: &Trade, size: Size) -> (u64, u64) {
    let (micro, sme, capital) = trade.size_lines();
    match size {
        Size::Micro => (draw.between(1, micro), draw.pick(&[(2, 1), (5, 3), (2, 5), (4, 10)]) * 1_000_000),
        Size::Sme => (
            // From a sixteenth of the line up to it.
            (draw.doubling(1_000, 4) * sme / 16_000).max(micro + 1),
            draw.pick(&[(5, 10), (4, 20), (3, 30), (2, 48), (1, 80)]) * 1_000_000,
        ),
        Size::Large => (draw.doubling(sme + 20, 3), capital + draw.doubling(2, 5) * 10_000_000),
    }
}

fn data_access(draw: &mut Draw, tier: usize, work: Work) -> &'static str {
    draw.pick(match (tier, work) {
        (1, Work::Digital) => &[(20, "none"), (55, "internal"), (25, "confidential")],
        (1, Work::Upkeep) => &[(55, "none"), (35, "internal"), (10, "confidential")],
        (1, _) => &[(62, "none"), (34, "internal"), (4, "confidential")],
        _ => &[(96, "none"), (4, "internal")],
    })
}

fn network_access(draw: &mut Draw, tier: usize, work: Work) -> &'static str {
    draw.pick(match (tier, work) {
        (1, Work::Digital) => &[(32, "none"), (48, "limited"), (20, "privileged")],
        (1, Work::Upkeep) => &[(70, "none"), (22, "limited"), (8, "privileged")],
        (1, _) => &[(84, "none"), (16, "limited")],
        _ => &[(99, "none"), (1, "limited")],
    })
}

/// Draws since when a firm reports incidents: four of ten agreed to, most of them recently.
fn reports_since(draw: &mut Draw) -> Option<NaiveDate> {
    draw.chance(40).then(|| AS_OF - Days::new(draw.doubling(15, 5)))
}
