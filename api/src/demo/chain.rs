//! Who supplies whom: three to four tiers, shared sub-suppliers, and one circle of three.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;

use super::draw::Draw;
use super::firms::{Firm, Size};
use super::trades::{CLOUD, HEAT, MOULDS, PLATING, Work};

/// A row of `relationships.csv`.
#[derive(Serialize)]
pub(super) struct Supply {
    external_id: String,
    upstream_code: String,
    downstream_code: Option<String>,
    item: &'static str,
    annual_spend_jpy: u64,
    criticality: &'static str,
    substitutability: &'static str,
    stock_cover_days: Option<u64>,
}

/// Firms on which many tier-1 firms depend: what they supply, how many buy it, how critical it is, and for how many
/// days the stock lasts.
pub(super) const SHARED: [(&str, usize, &str, u64); 4] = [
    (PLATING, 84, "stops_line", 1),
    (MOULDS, 30, "degrades", 7),
    (HEAT, 30, "stops_line", 3),
    (CLOUD, 38, "degrades", 0),
];

/// Returns the tier-2 firm of a row of [`SHARED`]: the largest SME of those that supply the item.
pub(super) fn shared<'a>(firms: &'a [Firm], item: &str) -> Option<&'a Firm> {
    let fits = |firm: &&Firm| firm.tier == 2 && firm.item == item && firm.size == Size::Sme;
    firms.iter().filter(fits).max_by_key(|firm| firm.employees)
}

struct Chain<'a> {
    draw: &'a mut Draw,
    rows: Vec<Supply>,
    pairs: BTreeSet<(&'a str, Option<&'a str>)>,
}

pub(super) fn relationships<'a>(draw: &'a mut Draw, firms: &'a [Firm]) -> Vec<Supply> {
    let mut chain = Chain { draw, rows: Vec::new(), pairs: BTreeSet::new() };
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|tier| of_tier(firms, tier));
    for firm in first.iter().chain(second.iter().rev().take(8)) {
        chain.add(firm, None);
    }
    for (suppliers, tier) in [(&second, &first), (&third, &second), (&fourth, &third)] {
        for firm in suppliers {
            let customers = customers(tier, firm);
            for _ in 0..chain.draw.pick(&[(60, 1), (28, 2), (12, 3)]) {
                let customer = chain.draw.early(&customers);
                chain.add(firm, Some(customer));
            }
        }
    }
    // Firms that are in two tiers at once.
    for firm in third.iter().rev().take(12) {
        let customer = chain.draw.one(&customers(&first, firm));
        chain.add(firm, Some(customer));
    }
    for (item, customer_count, criticality, stock) in SHARED {
        let Some(firm) = shared(firms, item) else { continue };
        let customers = customers(&first, firm);
        for _ in 0..customer_count {
            let customer = chain.draw.early(&customers);
            let substitutability = chain.draw.pick(&[(60, "sole"), (30, "limited"), (10, "multiple")]);
            chain.add_on(firm, Some(customer), (criticality, substitutability, Some(stock)));
        }
    }
    // Work that goes round in a circle: the only one.
    let makers: Vec<&Firm> = second.into_iter().filter(|firm| firm.trade.work == Work::Making).collect();
    if let [.., one, two, three] = *makers {
        for (from, to) in [(one, two), (two, three), (three, one)] {
            chain.add_on(from, Some(to), ("routine", "limited", Some(7)));
        }
    }
    chain.rows
}

/// Returns the firms of a tier, the largest first, because they buy from more firms.
fn of_tier(firms: &[Firm], tier: usize) -> Vec<&Firm> {
    let mut firms: Vec<&Firm> = firms.iter().filter(|firm| firm.tier == tier).collect();
    firms.sort_by_key(|firm| Reverse(firm.employees));
    firms
}

/// Returns those of a tier that buy what a firm sells: nobody has software plated.
fn customers<'a>(tier: &[&'a Firm], from: &Firm) -> Vec<&'a Firm> {
    let buys = |to: &&&Firm| match from.trade.work {
        Work::Making | Work::Trading => matches!(to.trade.work, Work::Making | Work::Trading),
        Work::Moving => to.trade.work != Work::Digital,
        Work::Upkeep | Work::Digital => true,
    };
    tier.iter().filter(buys).copied().collect()
}

type Terms = (&'static str, &'static str, Option<u64>);

impl<'a> Chain<'a> {
    fn add(&mut self, from: &'a Firm, to: Option<&'a Firm>) {
        let terms = self.terms(from, to.is_none());
        self.add_on(from, to, terms);
    }

    fn add_on(&mut self, from: &'a Firm, to: Option<&'a Firm>, (criticality, substitutability, stock): Terms) {
        let to_code = to.map(|firm| firm.supplier_code.as_str());
        if !self.pairs.insert((&from.supplier_code, to_code)) {
            return;
        }
        let annual_spend_jpy = self.spend(from, to);
        self.rows.push(Supply {
            external_id: format!("R{:04}", self.rows.len() + 1),
            upstream_code: from.supplier_code.clone(),
            downstream_code: to_code.map(str::to_owned),
            item: from.item,
            annual_spend_jpy,
            criticality,
            substitutability,
            stock_cover_days: stock,
        });
    }

    fn terms(&mut self, from: &Firm, by_buyer: bool) -> Terms {
        let criticality = self.draw.pick(match from.trade.work {
            Work::Making if by_buyer => &[(40, "stops_line"), (38, "degrades"), (22, "routine")],
            Work::Making => &[(18, "stops_line"), (42, "degrades"), (40, "routine")],
            Work::Moving | Work::Digital => &[(10, "stops_line"), (50, "degrades"), (40, "routine")],
            Work::Trading | Work::Upkeep => &[(4, "stops_line"), (26, "degrades"), (70, "routine")],
        });
        let substitutability = self.draw.pick(match criticality {
            "stops_line" => &[(26, "sole"), (46, "limited"), (28, "multiple")],
            _ => &[(6, "sole"), (34, "limited"), (60, "multiple")],
        });
        let stock = match from.trade.work {
            // The buyer keeps little stock: parts arrive as they are needed.
            Work::Making if by_buyer => {
                Some(self.draw.pick(&[(3, 0), (6, 1), (6, 2), (5, 3), (3, 5), (2, 7), (1, 14)]))
            }
            Work::Making | Work::Trading => {
                Some(self.draw.pick(&[(2, 0), (3, 1), (4, 2), (5, 3), (6, 5), (6, 7), (5, 10), (4, 14), (2, 30)]))
            }
            Work::Moving | Work::Upkeep | Work::Digital => None,
        };
        (criticality, substitutability, stock)
    }

    /// Returns a year's spend in yen, in whole thousands: small firms neither sell nor buy much.
    fn spend(&mut self, from: &Firm, to: Option<&Firm>) -> u64 {
        let (low, doublings) = match to.map_or(from.size, |to| to.size.min(from.size)) {
            Size::Micro => (300, 7),
            Size::Sme => (9_000, 7),
            Size::Large => (50_000, 5),
        };
        let thousands = self.draw.doubling(low, doublings);
        let is_bulk = to.is_none() && from.trade.work == Work::Making;
        (if is_bulk { thousands } else { thousands / 4 }) * 1_000
    }
}
