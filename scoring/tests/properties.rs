//! The properties of every portfolio: section 5 of the model, point by point.

use chrono::Days;
use polars::prelude::*;
use proptest::prelude::*;
use proptest::sample::Index;
use scoring::{Format, Model, Portfolio, contributions, name};

use crate::plain::{Certification, Enrollment, Firm, Incident, Plain, certification, day, enrollment, portfolio};
use crate::support::{as_of, cases, score_table};

/// What rounding may add where the model says never.
const ROUNDING: f64 = 1e-12;

fn score(plain: &Plain) -> DataFrame {
    score_table(plain.tables(), &Model::default())
}

/// Returns the model of format 1.
fn model_before() -> Model {
    Model::parse(Model::TOML_2026_1).unwrap()
}

fn number(table: &DataFrame, name: &str, row: usize) -> f64 {
    table.column(name).unwrap().f64().unwrap().get(row).unwrap()
}

fn numbers(table: &DataFrame, name: &str) -> Vec<f64> {
    table.column(name).unwrap().f64().unwrap().into_no_null_iter().collect()
}

fn at_most(after: f64, before: f64) -> bool {
    after <= before * (1.0 + ROUNDING)
}

/// Returns whether two results are equal to the bit.
fn same_bits(a: &DataFrame, b: &DataFrame) -> bool {
    a.columns().iter().zip(b.columns()).all(|(a, b)| match a.dtype() {
        DataType::String => a.str().unwrap().iter().eq(b.str().unwrap().iter()),
        _ => a.f64().unwrap().iter().map(|x| x.map(f64::to_bits)).eq(b
            .f64()
            .unwrap()
            .iter()
            .map(|x| x.map(f64::to_bits))),
    })
}

/// Returns the own rate of a supplier before and after a change.
fn own_rates(plain: &Plain, code: &str, change: impl FnOnce(&mut Plain)) -> (f64, f64) {
    let row = plain.row_of(code);
    let mut changed = plain.clone();
    change(&mut changed);
    (number(&score(plain), name::OWN_RATE, row), number(&score(&changed), name::OWN_RATE, row))
}

fn incident(code: &str, outcome: &'static str, occurred: chrono::NaiveDate, count: Option<i64>) -> Incident {
    Incident { code: code.to_owned(), occurred, outcome, count }
}

fn firm<'a>(plain: &'a mut Plain, code: &str) -> &'a mut Firm {
    plain.firms.iter_mut().find(|firm| firm.code == code).unwrap()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn starting_an_enrollment_never_raises_the_own_rate(
        plain in portfolio(), who in any::<Index>(), new in enrollment(String::new()),
    ) {
        let code = plain.pick(&who);
        let (before, after) = own_rates(&plain, &code, |plain| plain.enrollments.push(Enrollment { code: code.clone(), ..new }));
        prop_assert!(at_most(after, before), "{before} to {after}");
    }

    #[test]
    fn raising_coverage_never_raises_the_own_rate(plain in portfolio(), which in any::<Index>(), part in 0.0..1.0f64) {
        prop_assume!(!plain.enrollments.is_empty());
        let mut plain = plain;
        let place = which.index(plain.enrollments.len());
        let share = plain.enrollments[place].share.unwrap_or(0.5);
        plain.enrollments[place].share = Some(share);
        let code = plain.enrollments[place].code.clone();
        let more = share + (1.0 - share) * part;
        let (before, after) = own_rates(&plain, &code, |plain| plain.enrollments[place].share = Some(more));
        prop_assert!(at_most(after, before), "{before} to {after}");
    }

    #[test]
    fn gaining_a_certificate_never_raises_the_own_rate(
        plain in portfolio(), who in any::<Index>(), new in certification(String::new()),
    ) {
        let code = plain.pick(&who);
        let (before, after) =
            own_rates(&plain, &code, |plain| plain.certifications.push(Certification { code: code.clone(), ..new }));
        prop_assert!(at_most(after, before), "{before} to {after}");
    }

    #[test]
    fn tables_by_row_give_the_same_bits_as_tables_by_code(plain in portfolio()) {
        let by_code = Portfolio::try_new(plain.tables()).unwrap();
        let by_row = Portfolio::of_rows(by_code.tables().unwrap()).unwrap();
        let [a, b] = [by_code, by_row]
            .map(|portfolio| scoring::score(&portfolio, &Model::default(), as_of()).unwrap().table().unwrap());
        prop_assert!(same_bits(&a, &b));
    }

    #[test]
    fn a_blocked_incident_changes_nothing(plain in portfolio(), who in any::<Index>(), on in day(), count in 1..1000i64) {
        let mut changed = plain.clone();
        changed.incidents.push(incident(&plain.pick(&who), "blocked", on, Some(count)));
        prop_assert!(same_bits(&score(&plain), &score(&changed)));
    }

    #[test]
    fn a_contained_or_harmful_incident_never_lowers_the_own_rate(
        plain in portfolio(), who in any::<Index>(), on in day(), count in 1..1000i64,
    ) {
        let code = plain.pick(&who);
        for (outcome, count) in [("contained", count), ("harmful", 1)] {
            let (before, after) = own_rates(&plain, &code, |plain| plain.incidents.push(incident(&code, outcome, on, Some(count))));
            prop_assert!(at_most(before, after), "{outcome}: {before} to {after}");
        }
    }

    #[test]
    fn any_number_of_contained_incidents_weigh_at_most_a_quarter_of_a_harmful_one(
        plain in portfolio(), who in any::<Index>(), on in day(), count in 1..1_000_000i64,
    ) {
        let code = plain.pick(&who);
        let (before, contained) =
            own_rates(&plain, &code, |plain| plain.incidents.push(incident(&code, "contained", on, Some(count))));
        let (_, harmful) = own_rates(&plain, &code, |plain| plain.incidents.push(incident(&code, "harmful", as_of(), None)));
        prop_assert!(contained - before <= 0.25 * (harmful - before) + ROUNDING, "{before}, {contained}, {harmful}");
    }

    #[test]
    fn an_agreement_to_report_never_raises_the_own_rate(plain in portfolio(), who in any::<Index>(), since in day()) {
        let mut plain = plain;
        let code = plain.pick(&who);
        firm(&mut plain, &code).reports = None;
        let (before, after) = own_rates(&plain, &code, |plain| firm(plain, &code).reports = Some(since));
        prop_assert!(at_most(after, before), "{before} to {after}");
    }

    #[test]
    fn filling_in_size_or_section_never_raises_the_base(
        plain in portfolio(), who in any::<Index>(), division in 1..=99i64, employees in 0..1000i64,
    ) {
        let mut plain = plain;
        let code = plain.pick(&who);
        let row = plain.row_of(&code);
        let unknown = firm(&mut plain, &code);
        (unknown.division, unknown.employees, unknown.capital) = (None, None, None);
        let before = number(&score(&plain), name::BASE_RATE, row);
        firm(&mut plain, &code).division = Some(division);
        let with_section = number(&score(&plain), name::BASE_RATE, row);
        firm(&mut plain, &code).employees = Some(employees);
        let with_size = number(&score(&plain), name::BASE_RATE, row);
        prop_assert!(at_most(with_section, before) && at_most(with_size, with_section));
    }

    #[test]
    fn a_weaker_tie_never_raises_disruption_or_loss(plain in portfolio(), which in any::<Index>(), more_days in 0.0..60.0f64) {
        prop_assume!(!plain.supplies.is_empty());
        let place = which.index(plain.supplies.len());
        let before = score(&plain);
        let (mut removed, mut stocked, mut substitutable) = (plain.clone(), plain.clone(), plain.clone());
        removed.supplies.remove(place);
        let stock = stocked.supplies[place].stock.unwrap_or(0.0);
        stocked.supplies[place].stock = Some(stock + more_days);
        let easier = if plain.supplies[place].substitutability == "sole" { "limited" } else { "multiple" };
        substitutable.supplies[place].substitutability = easier;
        for (what, weaker) in [("removed", removed), ("stocked", stocked), ("substitutable", substitutable)] {
            let after = score(&weaker);
            let rates = numbers(&after, name::DISRUPTION_RATE).into_iter().zip(numbers(&before, name::DISRUPTION_RATE));
            for (after, before) in rates {
                prop_assert!(at_most(after, before), "{what}: rate {before} to {after}");
            }
            let total = |table| numbers(table, name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY).iter().sum::<f64>();
            prop_assert!(at_most(total(&after), total(&before)), "{what}: loss {} to {}", total(&before), total(&after));
            let risk = |table| numbers(table, name::RISK_SCORE).into_iter().map(f64::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(risk(&after), risk(&before), "{}: the chain moved a risk score", what);
        }
    }

    #[test]
    fn the_order_of_rows_changes_no_bit(plain in portfolio(), seed in any::<u64>()) {
        let mut shuffled = plain.clone();
        shuffle(&mut shuffled.firms, seed);
        shuffle(&mut shuffled.supplies, seed ^ 1);
        shuffle(&mut shuffled.enrollments, seed ^ 2);
        shuffle(&mut shuffled.certifications, seed ^ 3);
        shuffle(&mut shuffled.assessments, seed ^ 5);
        shuffle(&mut shuffled.incidents, seed ^ 4);
        prop_assert!(same_bits(&score(&plain), &score(&shuffled)));
    }

    #[test]
    fn spends_scale_losses_and_leave_scores_alone(plain in portfolio(), factor in 0.01..100.0f64) {
        let mut scaled = plain.clone();
        scaled.supplies.iter_mut().for_each(|supply| supply.spend = supply.spend.map(|spend| spend * factor));
        let (before, after) = (score(&plain), score(&scaled));
        for loss in [name::LOSS_PER_DISRUPTION_JPY, name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY] {
            for (before, after) in numbers(&before, loss).into_iter().zip(numbers(&after, loss)) {
                // The systemic iteration stops within its tolerance of 1e-12, and within 1e-12 yen below one yen.
                prop_assert!((after - before * factor).abs() <= 1e-9 * after.max(1.0), "{loss}: {before} · {factor} is not {after}");
            }
        }
        for untouched in [name::RISK_SCORE, name::CHAIN_SCORE, name::OWN_RATE_LOW, name::DISRUPTION_RATE] {
            prop_assert_eq!(numbers(&before, untouched), numbers(&after, untouched));
        }
    }

    #[test]
    fn splitting_a_row_changes_no_score(plain in portfolio(), which in any::<Index>(), parts in 2..5usize) {
        prop_assume!(!plain.supplies.is_empty());
        let mut split = plain.clone();
        let mut row = split.supplies.remove(which.index(plain.supplies.len()));
        let is_inner = row.downstream.is_some();
        if !is_inner {
            row.spend = row.spend.map(|spend| spend / parts as f64);
        }
        split.supplies.extend(std::iter::repeat_n(row, parts));
        let (before, after) = (score(&plain), score(&split));
        if is_inner {
            prop_assert!(same_bits(&before, &after));
        }
        for score in [name::RISK_SCORE, name::CHAIN_SCORE] {
            prop_assert_eq!(numbers(&before, score), numbers(&after, score));
        }
    }

    #[test]
    fn contributions_sum_to_scores_and_losses_to_one_total(plain in portfolio()) {
        for model in [Model::default(), model_before()] {
            let table = score_table(plain.tables(), &model);
            let own: Vec<_> = contributions(model.format()).filter(|key| *key != name::POINTS_UPSTREAM).collect();
            prop_assert_eq!(own.len(), if model.format() == Format::One { 6 } else { 12 });
            for row in 0..table.height() {
                let number = |name| number(&table, name, row);
                let sum: f64 = own.iter().map(|name| number(name)).sum();
                let unclamped = |rate: f64| 12.5 * (rate * 128.0).log2();
                prop_assert!((sum - unclamped(number(name::OWN_RATE))).abs() <= 1e-9);
                let chain = sum + number(name::POINTS_UPSTREAM);
                prop_assert!((chain - unclamped(number(name::DISRUPTION_RATE))).abs() <= 1e-9);
                prop_assert!((sum.clamp(0.0, 100.0) - number(name::RISK_SCORE)).abs() <= 1e-9);
                prop_assert!((chain.clamp(0.0, 100.0) - number(name::CHAIN_SCORE)).abs() <= 1e-9);
                prop_assert!(number(name::OWN_RATE_LOW) <= number(name::OWN_RATE));
                prop_assert!(number(name::OWN_RATE) <= number(name::OWN_RATE_HIGH));
                prop_assert!(number(name::DISRUPTION_RATE) >= number(name::OWN_RATE));
            }
            let total = |name| numbers(&table, name).iter().sum::<f64>();
            let (direct, caused) =
                (total(name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY), total(name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY));
            prop_assert!((direct - caused).abs() <= 1e-9 * direct.max(1.0), "{direct}, {caused}");
        }
    }

    #[test]
    fn evidence_after_the_day_changes_nothing(plain in portfolio(), who in any::<Index>(), ahead in 1..400u64) {
        let code = plain.pick(&who);
        let later = as_of() + Days::new(ahead);
        let mut changed = plain.clone();
        changed.enrollments.push(Enrollment {
            code: code.clone(), class: "class_2", share: Some(1.0), covered: None, starts: later, ends: None, onsite: true,
        });
        changed.certifications.push(Certification { code: code.clone(), scheme: "scs_5", issued: later, expires: None });
        changed.certifications.push(Certification { code: code.clone(), scheme: "isms", issued: later, expires: None });
        changed.incidents.push(incident(&code, "harmful", later, None));
        if firm(&mut changed, &code).reports.is_none() {
            firm(&mut changed, &code).reports = Some(later);
        }
        changed.incidents.push(incident(&code, "contained", later, Some(9)));
        prop_assert!(same_bits(&score(&plain), &score(&changed)));
    }

    #[test]
    fn silent_suppliers_teach_nothing(plain in portfolio()) {
        let mut silent = plain;
        silent.enrollments.clear();
        silent.firms.iter_mut().for_each(|firm| firm.reports = None);
        prop_assert!(numbers(&score(&silent), name::SEGMENT_FACTOR).iter().all(|factor| *factor == 1.0));
    }
}

/// Shuffles by Fisher and Yates, with a small generator of its own.
pub(crate) fn shuffle<T>(rows: &mut [T], mut seed: u64) {
    for last in (1..rows.len()).rev() {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        rows.swap(last, (seed >> 33) as usize % (last + 1));
    }
}

#[test]
fn expired_evidence_fades_to_nothing() {
    let bare = Plain::of_firms(1);
    let mut expired = bare.clone();
    let long_ago = as_of() - Days::new(8000);
    expired.certifications.push(Certification {
        code: "S0000".into(),
        scheme: "scs_4",
        issued: long_ago,
        expires: Some(long_ago + Days::new(1000)),
    });
    expired.enrollments.push(Enrollment {
        code: "S0000".into(),
        class: "class_2",
        share: Some(1.0),
        covered: None,
        starts: long_ago,
        ends: Some(long_ago + Days::new(1000)),
        onsite: true,
    });
    expired.incidents.push(incident("S0000", "harmful", long_ago, None));

    assert!(same_bits(&score(&bare), &score(&expired)));
}
