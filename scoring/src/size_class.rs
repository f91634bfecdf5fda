//! Size class and JSIC section of a supplier, from its division, employees and capital.

use polars::prelude::*;

use crate::columns::name::{CAPITAL_JPY, EMPLOYEE_COUNT, JSIC_DIVISION, JSIC_SECTION, SIZE_CLASS};

/// A group of divisions with its limits by the 中小企業基本法, art. 2.
struct Limits {
    divisions: &'static [(i64, i64)],
    sme_employees: i64,
    sme_capital_jpy: f64,
    micro_employees: i64,
}

const WHOLESALE: Limits =
    Limits { divisions: &[(50, 55)], sme_employees: 100, sme_capital_jpy: 1e8, micro_employees: 5 };
const RETAIL: Limits =
    Limits { divisions: &[(56, 61), (76, 77)], sme_employees: 50, sme_capital_jpy: 5e7, micro_employees: 5 };
const SERVICES: Limits = Limits {
    divisions: &[(38, 39), (41, 41), (70, 75), (78, 96)],
    sme_employees: 100,
    sme_capital_jpy: 5e7,
    micro_employees: 5,
};
const ALL_OTHERS: Limits =
    Limits { divisions: &[(1, 99)], sme_employees: 300, sme_capital_jpy: 3e8, micro_employees: 20 };

/// The sections of JSIC revision 14, each with its last division.
pub(crate) const SECTIONS: [(&str, i64); 20] = [
    ("A", 2),
    ("B", 4),
    ("C", 5),
    ("D", 8),
    ("E", 32),
    ("F", 36),
    ("G", 41),
    ("H", 49),
    ("I", 61),
    ("J", 67),
    ("K", 70),
    ("L", 74),
    ("M", 77),
    ("N", 80),
    ("O", 82),
    ("P", 85),
    ("Q", 87),
    ("R", 96),
    ("S", 98),
    ("T", 99),
];

/// Returns `micro`, `sme`, `large`, or `unknown` without a division or with neither figure.
///
/// Reads:  `jsic_division`, `employee_count`, `capital_jpy`; null = unknown
/// Source: scoring-model.md, section 1
pub(crate) fn size_class() -> Expr {
    let is_unknown = col(JSIC_DIVISION).is_null().or(col(EMPLOYEE_COUNT).is_null().and(col(CAPITAL_JPY).is_null()));
    let by_limits = [WHOLESALE, RETAIL, SERVICES]
        .into_iter()
        .rev()
        .fold(ALL_OTHERS.class(), |rest, limits| when(limits.covers()).then(limits.class()).otherwise(rest));
    when(is_unknown).then(lit("unknown")).otherwise(by_limits).alias(SIZE_CLASS)
}

/// Returns the section letter, or `unknown` without a division.
pub(crate) fn jsic_section() -> Expr {
    SECTIONS
        .iter()
        .rev()
        .fold(lit("unknown"), |rest, (section, last)| {
            when(col(JSIC_DIVISION).lt_eq(lit(*last))).then(lit(*section)).otherwise(rest)
        })
        .alias(JSIC_SECTION)
}

impl Limits {
    fn covers(&self) -> Expr {
        self.divisions
            .iter()
            .map(|(first, last)| col(JSIC_DIVISION).gt_eq(lit(*first)).and(col(JSIC_DIVISION).lt_eq(lit(*last))))
            .reduce(Expr::or)
            .unwrap_or_else(|| lit(false))
    }

    /// Returns the class by these limits. An unknown figure is below no limit.
    fn class(&self) -> Expr {
        let employees_up_to = |limit: i64| col(EMPLOYEE_COUNT).lt_eq(lit(limit)).fill_null(lit(false));
        let capital_up_to = |limit: f64| col(CAPITAL_JPY).lt_eq(lit(limit)).fill_null(lit(false));
        when(employees_up_to(self.micro_employees))
            .then(lit("micro"))
            .when(employees_up_to(self.sme_employees).or(capital_up_to(self.sme_capital_jpy)))
            .then(lit("sme"))
            .otherwise(lit("large"))
    }
}
