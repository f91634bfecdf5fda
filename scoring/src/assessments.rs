//! Single controls: how sure it is that each is in place, who says so, and what that does to the rate.

use std::collections::HashMap;
use std::ops::Range;

use polars::prelude::*;
use rayon::prelude::*;

use crate::columns::name::*;
use crate::columns::{ASSURANCES, BACKUP, CONTROLS, SELF_ASSESSMENT, STATUSES, number_of};
use crate::date_from_days;
use crate::explain::{Assessment, Outweighed};
use crate::frame::days;
use crate::model::{Assessments, Assurance, Control, Model};
use crate::portfolio::Portfolio;

/// Certainties that differ by less are equal.
const SAME_CERTAINTY: f64 = 1e-12;

/// What was found out about one control of a supplier, of which one row may count.
///
/// Rows are compared in this order, so that the choice does not depend on theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    supplier: u32,
    control: u32,
    assurance: u32,
    assessed_on: i32,
    /// `None` for a self-assessment.
    is_met: Option<bool>,
    total_score: i64,
    expires_on: Option<i32>,
}

/// The row that counts for a control of a supplier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counted {
    row: Row,
    /// The chance that the control is in place, before ageing.
    pub(crate) sure: f64,
    /// The share of suppliers that have it.
    pub(crate) prevalence: f64,
    /// How much of the row still counts, 0 to 1.
    pub(crate) freshness: f64,
    /// The logarithm of the factor on the rate, or on the downtime.
    pub(crate) log_factor: f64,
    /// The latest row of the most trusted other assurance that says otherwise.
    outweighed: Option<Row>,
}

/// What counts for all suppliers, in order of supplier and control.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assessed {
    counted: Vec<Counted>,
    of_supplier: Vec<Range<usize>>,
    /// The weights of the parts of `control`, for suppliers with assessments. All others have weights of 1.
    weights: HashMap<usize, [f64; PART_COUNT]>,
}

impl Assessed {
    /// Chooses the row that counts for each control of each supplier. A model of format 1 ignores assessments.
    ///
    /// Reads:   `assessments` up to `as_of`
    /// Source:  scoring-model.md, section 2
    pub(crate) fn new(portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<Self> {
        let Some(assessments) = &model.assessments else { return Ok(Self::default()) };
        let mut rows = rows(portfolio, as_of)?;
        rows.par_sort_unstable();
        let judge = Judge { assessments, expiry_fade_days: model.expiry_fade_days, as_of };
        let is_same = |a: &Row, b: &Row| (a.supplier, a.control) == (b.supplier, b.control);
        let counted: Vec<_> = rows.par_chunk_by(is_same).filter_map(|rows| judge.choose(rows)).collect();
        let mut start = 0;
        let of_supplier = (0..portfolio.supplier_count() as u32).map(|supplier| {
            let own = counted.iter().skip(start).take_while(|counted| counted.row.supplier == supplier).count();
            start += own;
            start - own..start
        });
        let of_supplier = of_supplier.collect();
        Ok(Self { counted, of_supplier, weights: HashMap::new() })
    }

    /// Returns what counts for a supplier, in order of controls.
    pub(crate) fn of(&self, supplier: usize) -> &[Counted] {
        let range = self.of_supplier.get(supplier).cloned().unwrap_or_default();
        self.counted.get(range).unwrap_or_default()
    }

    /// Returns the logarithms of the factors of a supplier's controls, in the order of [`CONTROLS`]; 0 for those of which
    /// nothing is known.
    pub(crate) fn log_factors(&self, supplier: usize) -> [f64; CONTROLS.len()] {
        let mut factors = [0.0; CONTROLS.len()];
        for counted in self.of(supplier) {
            if let Some(factor) = factors.get_mut(counted.row.control as usize) {
                *factor = counted.log_factor;
            }
        }
        factors
    }

    /// Keeps the weights of suppliers with assessments, for explanations.
    pub(crate) fn keep_weights(&mut self, together: &[Together]) {
        let assessed = self.of_supplier.iter().enumerate().filter(|(_, own)| !own.is_empty());
        let weights = assessed.filter_map(|(supplier, _)| Some((supplier, together.get(supplier)?.weights)));
        self.weights = weights.collect();
    }

    /// Returns the weights of the parts of a supplier's `control`.
    pub(crate) fn weights(&self, supplier: usize) -> [f64; PART_COUNT] {
        self.weights.get(&supplier).copied().unwrap_or([1.0; PART_COUNT])
    }

    /// Returns the factor on the days that a supplier's stops last.
    pub(crate) fn downtime_factor(&self, supplier: usize) -> f64 {
        let backup = self.of(supplier).iter().find(|counted| counted.row.control as usize == BACKUP);
        backup.map_or(1.0, |backup| backup.log_factor.exp())
    }
}

impl Counted {
    /// Returns the position in [`CONTROLS`].
    pub(crate) fn control(&self) -> usize {
        self.row.control as usize
    }

    /// Returns what was found. None for a self-assessment.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.row.is_met
    }

    /// Returns whether somebody other than the supplier says so.
    pub(crate) fn is_verified(&self) -> bool {
        self.row.assurance() != "self_reported"
    }

    /// Returns the facts for an explanation.
    pub(crate) fn fact(&self, as_of: i32, weights: &[f64; PART_COUNT]) -> Assessment {
        let Self { row, sure, prevalence, freshness, log_factor, outweighed } = *self;
        let control = row.control as usize;
        let part = RATE_CONTROLS.iter().position(|known| *known == control);
        // What changes nothing overlaps with nothing.
        let part = part.filter(|_| log_factor != 0.0);
        let weight = part.and_then(|part| weights.get(FIRST_CONTROL + part)).copied().unwrap_or(1.0);
        let outweighed = outweighed.and_then(|row| {
            let [assurance, status] = [row.assurance(), row.status()?].map(str::to_owned);
            Some(Outweighed { assurance, status, assessed_on: date_from_days(row.assessed_on) })
        });
        Assessment {
            control: CONTROLS.get(control).copied().unwrap_or_default().to_owned(),
            status: row.status().map(str::to_owned),
            total_score: row.is_met.is_none().then_some(row.total_score),
            assurance: row.assurance().to_owned(),
            assessed_on: date_from_days(row.assessed_on),
            expired_on: row.expires_on.filter(|day| *day < as_of).map(date_from_days),
            sure,
            prevalence,
            freshness,
            weight,
            outweighed,
        }
    }
}

impl Row {
    fn assurance(&self) -> &'static str {
        ASSURANCES.get(self.assurance as usize).copied().unwrap_or_default()
    }

    fn status(&self) -> Option<&'static str> {
        STATUSES.get(usize::from(!self.is_met?)).copied()
    }
}

fn rows(portfolio: &Portfolio, as_of: i32) -> PolarsResult<Vec<Row>> {
    let known = portfolio.assessments.clone().lazy().filter(days(ASSESSED_ON).lt_eq(lit(as_of))).collect()?;
    let numbers = |name| Ok::<_, PolarsError>(known.column(name)?.u32()?.clone());
    let (suppliers, controls, assurances) = (numbers(SUPPLIER)?, numbers(CONTROL)?, numbers(ASSURANCE)?);
    let (statuses, totals) = (numbers(STATUS)?, known.column(TOTAL_SCORE)?.i64()?);
    let (assessed, expiries) =
        (known.column(ASSESSED_ON)?.date()?.physical(), known.column(EXPIRES_ON)?.date()?.physical());
    let met = number_of(STATUSES, "met");
    let keys = suppliers.into_no_null_iter().zip(controls.into_no_null_iter());
    let sources = assurances.into_no_null_iter().zip(assessed.into_no_null_iter());
    let findings = statuses.iter().zip(totals.iter()).zip(expiries.iter());
    let row = |(((supplier, control), (assurance, assessed_on)), ((status, total), expires_on)): (
        _,
        ((Option<u32>, Option<i64>), _),
    )| Row {
        supplier,
        control,
        assurance,
        assessed_on,
        is_met: status.map(|status| status == met),
        total_score: total.unwrap_or_default(),
        expires_on,
    };
    Ok(keys.zip(sources).zip(findings).map(row).collect())
}

/// Judges rows by the model.
struct Judge<'a> {
    assessments: &'a Assessments,
    expiry_fade_days: f64,
    as_of: i32,
}

/// A row that was judged.
struct Judged {
    counted: Counted,
    certainty: f64,
    /// The chance that the control is in place, sunk back to what is common as the row ages.
    aged: f64,
}

impl Judge<'_> {
    /// Returns the row of a supplier's control that counts. The rows are sorted.
    ///
    /// A row is replaced by a later one of the same assurance, and by one of a more trusted assurance that is not older.
    /// Of the others, the most certain one counts.
    fn choose(&self, rows: &[Row]) -> Option<Counted> {
        let mut latest = [i32::MIN; ASSURANCES.len()];
        for row in rows {
            if let Some(latest) = latest.get_mut(row.assurance as usize) {
                *latest = row.assessed_on.max(*latest);
            }
        }
        let is_replaced = |row: &Row| {
            let mut others = (0u32..).zip(latest);
            others.any(|(assurance, latest)| {
                (assurance == row.assurance && latest > row.assessed_on)
                    || (assurance > row.assurance && latest >= row.assessed_on)
            })
        };
        let judged = rows.iter().filter(|row| !is_replaced(row)).filter_map(|row| self.judge(row));
        let best = judged.reduce(|best, next| {
            let is_better = match (next.certainty - best.certainty).abs() < SAME_CERTAINTY {
                true => next.aged < best.aged,
                false => next.certainty > best.certainty,
            };
            if is_better { next } else { best }
        })?;
        let says_otherwise = |row: &&Row| {
            row.assurance != best.counted.row.assurance && row.is_met.is_some() && row.is_met != best.counted.row.is_met
        };
        // Rows are sorted by assurance, then by day.
        Some(Counted { outweighed: rows.iter().rfind(says_otherwise).copied(), ..best.counted })
    }

    /// Formula: `sure = π(1−u) / (π(1−u) + (1−π)o)` if met, `πu / (πu + (1−π)(1−o))` if not met;
    ///          `π + score_reliability · (max(0, total_score)/100 − π)` for a self-assessment;
    ///          `aged = π + freshness · (sure − π)`; `f = ln((1 − cut · aged) / (1 − cut · π))`
    /// Source:  scoring-model.md, section 2
    fn judge(&self, row: &Row) -> Option<Judged> {
        let Control { cut, prevalence, half_life_days } = *self.assessments.controls.get(row.control as usize)?;
        let assurance = self.assessments.assurances.get(row.assurance as usize)?;
        let sure = sure(row, prevalence, assurance);
        let freshness = self.freshness(row, half_life_days);
        let aged = prevalence + freshness * (sure - prevalence);
        let certainty = match sure >= prevalence {
            true => freshness * (sure - prevalence) / (1.0 - prevalence),
            false => freshness * (prevalence - sure) / prevalence,
        };
        let log_factor = ((1.0 - cut * aged) / (1.0 - cut * prevalence)).ln();
        let counted = Counted { row: *row, sure, prevalence, freshness, log_factor, outweighed: None };
        Some(Judged { counted, certainty, aged })
    }

    /// Formula: `2^(−max(0, age − full_days) / half_life_days)`, past the expiry times
    ///          `max(0, 1 − days_past / expiry_fade_days)`
    fn freshness(&self, row: &Row, half_life_days: f64) -> f64 {
        let over = f64::from(self.as_of - row.assessed_on) - self.assessments.full_days;
        let aged = (-over.max(0.0) / half_life_days).exp2();
        match row.expires_on.map(|day| self.as_of - day).filter(|days_past| *days_past > 0) {
            Some(days_past) => aged * (1.0 - f64::from(days_past) / self.expiry_fade_days).max(0.0),
            None => aged,
        }
    }
}

fn sure(row: &Row, prevalence: f64, assurance: &Assurance) -> f64 {
    let Assurance { overclaim, underclaim, score_reliability } = *assurance;
    let lacking = 1.0 - prevalence;
    match row.is_met {
        Some(true) => {
            let rightly = prevalence * (1.0 - underclaim);
            rightly / (rightly + lacking * overclaim)
        }
        Some(false) => {
            let wrongly = prevalence * underclaim;
            wrongly / (wrongly + lacking * (1.0 - overclaim))
        }
        None => prevalence + score_reliability * (row.total_score.max(0) as f64 / 100.0 - prevalence),
    }
}

/// The parts of `control` in the order of their points: monitoring, ladder, ISMS, then the controls that change the rate.
pub(crate) const PART_COUNT: usize = 9;
/// The position of the first control among the parts.
pub(crate) const FIRST_CONTROL: usize = 3;
/// The controls in the order of the parts, as positions in [`CONTROLS`].
pub(crate) const RATE_CONTROLS: [usize; 6] = [0, 1, 2, 3, 4, SELF_ASSESSMENT];

/// What enrollments, certificates and controls do to a rate together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Together {
    /// Each part, after its weight and the floor.
    pub(crate) parts: [f64; PART_COUNT],
    /// The weight of each part.
    pub(crate) weights: [f64; PART_COUNT],
    /// By what the floor has scaled the good parts; 1 if it does not bind.
    pub(crate) floor_scale: f64,
    /// The logarithm of the factor on the base rate.
    pub(crate) control: f64,
}

/// Adds what enrollments, certificates and controls say. What says the same thing counts once: in each family the
/// strongest member counts in full, the others by `overlap_share`.
///
/// Formula: `control = max(good, floor) + gap`;
///          `floor = ln combined_floor + max(found, ln(evidence_floor / combined_floor))`
/// Source:  scoring-model.md, section 2
pub(crate) fn together(
    [monitoring, ladder, isms]: [f64; 3],
    controls: [f64; RATE_CONTROLS.len()],
    model: &Model,
) -> Together {
    let (overlap, evidence_floor) = match &model.assessments {
        Some(assessments) => (assessments.overlap_share, assessments.evidence_floor),
        None => (1.0, model.combined_floor),
    };
    let [good, gaps] = [controls.map(|control| control.min(0.0)), controls.map(|control| control.max(0.0))];
    let prevention = |parts: &[f64; 6]| parts.iter().take(4).sum::<f64>();
    let [.., good_edr, good_self] = good;
    let [.., gap_self] = gaps;
    let (good_prevention, gap_prevention) = (prevention(&good), prevention(&gaps));
    let [watching, edr] = weights([monitoring, good_edr], overlap);
    let [certified, prevented, assessed] = weights([ladder + isms, good_prevention, good_self], overlap);
    let [open, open_self] = weights([gap_prevention, gap_self], overlap);

    let good_weights = [watching, certified, certified, prevented, prevented, prevented, prevented, edr, assessed];
    let gap_weights = [0.0, 0.0, 0.0, open, open, open, open, 1.0, open_self];
    let with_controls = |first: [f64; FIRST_CONTROL], rest: [f64; 6]| {
        let mut parts = [0.0; PART_COUNT];
        parts.iter_mut().zip(first.into_iter().chain(rest)).for_each(|(part, value)| *part = value);
        parts
    };
    let mut parts = with_controls([monitoring, ladder, isms], good);
    parts.iter_mut().zip(good_weights).for_each(|(part, weight)| *part *= weight);
    let sum = parts.iter().skip(1).fold(parts[0], |sum, part| sum + part);
    let found = good_prevention + good_edr + good_self;
    let floor = model.combined_floor.ln() + found.max((evidence_floor / model.combined_floor).ln());
    let floor_scale = if sum < floor { floor / sum } else { 1.0 };
    parts.iter_mut().for_each(|part| *part *= floor_scale);

    let mut weights = good_weights;
    let mut gap = 0.0;
    let gaps = with_controls([0.0; FIRST_CONTROL], gaps).into_iter().zip(gap_weights);
    for ((part, weight), (size, gap_weight)) in parts.iter_mut().zip(&mut weights).zip(gaps) {
        if size > 0.0 {
            (*part, *weight) = (size * gap_weight, gap_weight);
            gap += *part;
        }
    }
    Together { parts, weights, floor_scale, control: sum.max(floor) + gap }
}

/// Returns the weights of a family's members: 1 for the first of those with the greatest size, `overlap` for the others.
fn weights<const COUNT: usize>(members: [f64; COUNT], overlap: f64) -> [f64; COUNT] {
    let mut strongest = 0;
    let mut greatest = f64::NEG_INFINITY;
    for (place, member) in members.iter().enumerate() {
        if member.abs() > greatest {
            (strongest, greatest) = (place, member.abs());
        }
    }
    std::array::from_fn(|place| if place == strongest { 1.0 } else { overlap })
}
