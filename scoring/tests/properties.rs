//! The properties of every portfolio: section 5 of the model, point by point.

use chrono::Days;
use polars::prelude::*;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use scoring::{Format, Model, Portfolio, contributions, name};

use crate::plain::{
    ASSURANCES, Assessment, CONTROLS, Certification, Enrollment, Firm, Incident, Plain, assessment, certification, day,
    enrollment, found, portfolio, sole, total,
};
use crate::support::{as_of, cases, score_table};

/// What rounding may add where the model says never.
const ROUNDING: f64 = 1e-12;

/// The controls that are met or not.
const WITH_STATUS: [&str; 6] = ["mfa", "patching", "hardening", "remote_access", "edr", "backup"];
/// The contributions of the controls that change the rate, in their order.
const CONTROL_POINTS: [&str; 6] = [
    name::POINTS_MFA,
    name::POINTS_PATCHING,
    name::POINTS_HARDENING,
    name::POINTS_REMOTE_ACCESS,
    name::POINTS_EDR,
    name::POINTS_SELF_ASSESSMENT,
];
/// What 2026.2 changed for suppliers without assessments.
const CHANGED: [&str; 7] = [
    name::OWN_RATE_LOW,
    name::OWN_RATE_HIGH,
    name::RISK_SCORE_LOW,
    name::RISK_SCORE_HIGH,
    name::INCIDENT_PROBABILITY,
    name::GRADE,
    name::CHAIN_GRADE,
];

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
        for control in WITH_STATUS {
            changed.assessments.push(found(&code, control, true, "verified_by_third_party", later));
        }
        changed.assessments.push(total(&code, 100, "verified_by_third_party", later));
        prop_assert!(same_bits(&score(&plain), &score(&changed)));
    }

    #[test]
    fn a_control_in_place_never_raises_the_own_rate_or_the_downtime_and_a_missing_one_never_lowers_the_rate(
        plain in portfolio(), who in any::<Index>(), control in select(WITH_STATUS.to_vec()),
        assurance in select(ASSURANCES.to_vec()), age in 0..1500u64,
    ) {
        let code = plain.pick(&who);
        let row = plain.row_of(&code);
        let on = as_of() - Days::new(age);
        let with = |is_met| {
            let mut changed = plain.clone();
            changed.assessments.push(found(&code, control, is_met, assurance, on));
            score(&changed)
        };
        let (before, met, not_met) = (score(&plain), with(true), with(false));
        for column in [name::OWN_RATE, name::MEAN_DOWNTIME_DAYS] {
            let [before, met, not_met] = [&before, &met, &not_met].map(|table| number(table, column, row));
            prop_assert!(at_most(met, before), "{column}: {before} to {met} if met");
            prop_assert!(at_most(before, not_met), "{column}: {before} to {not_met} if not");
        }
    }

    #[test]
    fn a_control_in_place_never_raises_the_direct_loss(
        plain in portfolio(), who in any::<Index>(), is_backup in any::<bool>(), control in select(WITH_STATUS.to_vec()),
        assurance in select(ASSURANCES.to_vec()), age in 0..1500u64,
    ) {
        let (mut plain, code) = (plain.clone(), plain.pick(&who));
        // Its peers learn nothing from a supplier that nobody watches, so that their own rates stay.
        plain.enrollments.retain(|enrollment| enrollment.code != code);
        firm(&mut plain, &code).reports = None;
        let before = score(&plain);
        let control = if is_backup { "backup" } else { control };
        plain.assessments.push(found(&code, control, true, assurance, as_of() - Days::new(age)));
        let after = score(&plain);
        let own = [&before, &after].map(|table| numbers(table, name::OWN_RATE));
        let losses = [&before, &after].map(|table| numbers(table, name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY));
        for row in 0..plain.firms.len() {
            prop_assert!(row == plain.row_of(&code) || own[1][row].to_bits() == own[0][row].to_bits());
            prop_assert!(at_most(losses[1][row], losses[0][row]), "{} to {}", losses[0][row], losses[1][row]);
        }
    }

    #[test]
    fn a_higher_total_of_the_only_self_assessment_never_raises_the_own_rate(
        plain in portfolio(), who in any::<Index>(), on in day(), assurance in select(ASSURANCES.to_vec()),
        low in -25..=100i64, more in 0..=125i64,
    ) {
        let (mut plain, code) = (plain.clone(), plain.pick(&who));
        plain.assessments.retain(|found| found.code != code || found.control != "self_assessment");
        plain.assessments.push(total(&code, low, assurance, on));
        let (before, after) = own_rates(&plain, &code, |plain| {
            plain.assessments.last_mut().unwrap().total = Some(100.min(low + more));
        });
        prop_assert!(at_most(after, before), "{before} to {after}");
    }

    #[test]
    fn rows_that_are_replaced_or_in_the_future_or_long_expired_change_no_bit(
        plain in portfolio(), who in any::<Index>(), control in select(CONTROLS.to_vec()), which in any::<Index>(),
        other in assessment(String::new(), "mfa"), new in assessment(String::new(), "self_assessment"),
        days in 1..900u64, trusted_less in 0..3usize,
    ) {
        let (mut plain, code) = (plain.clone(), plain.pick(&who));
        plain.assessments.retain(|found| (&found.code, found.control) != (&code, control));
        let mut changed = plain.clone();
        let of_control = |row: &Assessment| match control {
            "self_assessment" => Assessment { code: code.clone(), ..new.clone() },
            _ => Assessment { code: code.clone(), control, ..row.clone() },
        };
        // Nothing else is known of the control, so that there is nothing to replace.
        let expired = as_of() - Days::new(180 + days);
        changed.assessments.push(Assessment {
            assessed: expired - Days::new(days), expires: Some(expired), ..of_control(&other)
        });
        let future = as_of() + Days::new(days);
        changed.assessments.push(Assessment { assessed: future, expires: None, ..of_control(&other) });
        let known: Vec<_> = plain.assessments.iter().filter(|found| found.assessed <= as_of()).collect();
        if !known.is_empty() {
            let by = *which.get(&known);
            let trust = ASSURANCES.iter().position(|assurance| *assurance == by.assurance).unwrap();
            let lesser = trust.saturating_sub(trusted_less);
            // One that is trusted less may be of the same day.
            let earlier = if lesser < trust { days - 1 } else { days };
            changed.assessments.push(Assessment {
                status: by.status.map(|_| other.status.unwrap()), total: by.total.map(|_| new.total.unwrap()),
                assessed: by.assessed - Days::new(earlier), expires: None, assurance: ASSURANCES[lesser], ..by.clone()
            });
        }
        prop_assert!(same_bits(&score(&plain), &score(&changed)));
    }

    #[test]
    fn what_is_known_of_controls_fades_to_nothing(plain in portfolio()) {
        let mut without = plain.clone();
        without.assessments.clear();
        let [aged, bare] = [&plain, &without].map(|plain| {
            let portfolio = Portfolio::try_new(plain.tables()).unwrap();
            scoring::score(&portfolio, &Model::default(), as_of() + Days::new(100 * 365)).unwrap().table().unwrap()
        });
        for points in CONTROL_POINTS {
            prop_assert!(numbers(&aged, points).iter().all(|points| points.abs() < 1e-9), "{points}");
        }
        for (aged, bare) in numbers(&aged, name::MEAN_DOWNTIME_DAYS).into_iter().zip(numbers(&bare, name::MEAN_DOWNTIME_DAYS)) {
            prop_assert!((aged - bare).abs() < 1e-9, "{aged}, {bare}");
        }
    }

    #[test]
    fn without_assessments_only_intervals_probabilities_and_grades_differ_from_2026_1(plain in portfolio()) {
        let assessed = score_table(plain.tables(), &model_before());
        let mut plain = plain;
        plain.assessments.clear();
        let (before, now) = (score_table(plain.tables(), &model_before()), score(&plain));
        prop_assert!(same_bits(&assessed, &before), "a model of format 1 reads assessments");
        prop_assert_eq!(before.width(), 30);
        for before in before.columns().iter().filter(|column| !CHANGED.contains(&column.name().as_str())) {
            let now = now.column(before.name()).unwrap();
            let is_same = match before.f64() {
                // A zero of format 1 may have a sign.
                Ok(before) => before.iter().zip(now.f64().unwrap().iter()).all(|(before, now)| {
                    (before.unwrap() + 0.0).to_bits() == now.unwrap().to_bits()
                }),
                Err(_) => before.equals(now),
            };
            prop_assert!(is_same, "{}: {before:?}, {now:?}", before.name());
        }
    }

    #[test]
    fn no_zero_has_a_sign(plain in portfolio()) {
        let table = score(&plain);
        for column in table.columns().iter().filter_map(|column| column.f64().ok()) {
            let has_sign = column.iter().flatten().any(|number| number == 0.0 && number.is_sign_negative());
            prop_assert!(!has_sign, "{}", column.name());
        }
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
    let just_over = as_of() - Days::new(180);
    for control in WITH_STATUS {
        let row = found("S0000", control, control != "edr", "verified_by_provider", just_over);
        expired.assessments.push(Assessment { expires: Some(just_over), ..row });
    }
    let row = total("S0000", 90, "self_reported", just_over);
    expired.assessments.push(Assessment { expires: Some(just_over), ..row });

    assert!(same_bits(&score(&bare), &score(&expired)));
}

#[test]
fn a_row_that_expired_long_ago_still_replaces_others() {
    let bare = Plain::of_firms(1);
    let on = as_of() - Days::new(400);
    let mut replaced = bare.clone();
    replaced.assessments.push(found("S0000", "mfa", true, "self_reported", on));
    assert!(!same_bits(&score(&bare), &score(&replaced)));
    replaced.assessments.push(Assessment {
        expires: Some(as_of() - Days::new(181)),
        ..found("S0000", "mfa", false, "verified_by_third_party", on)
    });

    assert!(same_bits(&score(&bare), &score(&replaced)));
}

#[test]
fn an_interval_holds_its_mean_however_small_the_shape() {
    for text in [Model::DEFAULT_TOML, Model::TOML_2026_1] {
        let skewed = text.replace("shape = 2.0", "shape = 0.01");
        let table = score_table(Plain::of_firms(1).tables(), &Model::parse(&skewed).unwrap());
        let [low, own, high] =
            [name::OWN_RATE_LOW, name::OWN_RATE, name::OWN_RATE_HIGH].map(|column| number(&table, column, 0));
        assert!(low <= own && own <= high, "{low}, {own}, {high}");
    }
}

/// Whoever is recorded as having a control, and whoever is recorded as lacking it, have the population's rate together.
#[test]
fn the_mean_of_a_controls_factor_is_one_at_any_age() {
    const AGES: [u64; 8] = [0, 10, 89, 90, 91, 400, 1000, 3000];
    for text in [Model::DEFAULT_TOML, include_str!("examples/skewed/model.toml")] {
        let parameters: toml::Table = text.parse().unwrap();
        let assessments = &parameters["assessments"];
        let share = |table: &str, of: &str, key: &str| assessments[table][of][key].as_float().unwrap();

        let kinds: Vec<_> = WITH_STATUS
            .into_iter()
            .flat_map(|control| ASSURANCES.map(|assurance| (control, assurance)))
            .flat_map(|(control, assurance)| AGES.map(|age| (control, assurance, age)))
            .collect();
        let mut plain = Plain::of_firms(2 * kinds.len());
        for (place, (control, assurance, age)) in kinds.iter().enumerate() {
            let on = as_of() - Days::new(*age);
            for (code, is_met) in [(format!("S{:04}", 2 * place), true), (format!("S{:04}", 2 * place + 1), false)] {
                plain.assessments.push(found(&code, control, is_met, assurance, on));
            }
        }
        let table = score_table(plain.tables(), &Model::parse(text).unwrap());

        for (place, (control, assurance, age)) in kinds.into_iter().enumerate() {
            let factor = |row| match CONTROL_POINTS.iter().find(|points| points.ends_with(control)) {
                Some(points) => (number(&table, points, row) / 12.5).exp2(),
                None => number(&table, name::MEAN_DOWNTIME_DAYS, row) / 5.8,
            };
            let prevalence = share("control", control, "prevalence");
            let over = share("assurance", assurance, "overclaim");
            let under = share("assurance", assurance, "underclaim");
            let recorded = prevalence * (1.0 - under) + (1.0 - prevalence) * over;
            let mean = recorded * factor(2 * place) + (1.0 - recorded) * factor(2 * place + 1);
            assert!((mean - 1.0).abs() <= 1e-12, "{control}, {assurance}, {age} days: {mean}");
        }
    }
}

#[test]
fn the_more_trusted_find_a_control_the_lower_the_rate() {
    for control in WITH_STATUS {
        // Unknown; met, by the least trusted first; not met, likewise.
        let mut plain = Plain::of_firms(7);
        for (place, assurance) in ASSURANCES.into_iter().enumerate() {
            plain.assessments.push(found(&format!("S{:04}", 1 + place), control, true, assurance, as_of()));
            plain.assessments.push(found(&format!("S{:04}", 4 + place), control, false, assurance, as_of()));
        }
        let table = score(&plain);
        let column = if control == "backup" { name::MEAN_DOWNTIME_DAYS } else { name::OWN_RATE };
        let rates = numbers(&table, column);
        assert!(rates[..4].is_sorted_by(|more, less| less < more), "{control}: {rates:?}");
        assert!(rates[4..].iter().all(|rate| *rate > rates[0]), "{control}: {rates:?}");
    }
}

#[test]
fn a_clique_of_hundreds_of_sole_suppliers_settles_at_its_solution() {
    const COUNT: usize = 220;
    let mut plain = Plain::of_firms(COUNT);
    plain.tie_all(0..COUNT);
    let to_buyer: Vec<_> = plain.firms.iter().map(|firm| sole(&firm.code, None)).collect();
    plain.supplies.extend(to_buyer);

    let table = score(&plain);

    for row in 0..COUNT {
        let number = |name| number(&table, name, row);
        let (own, rate) = (number(name::OWN_RATE), number(name::DISRUPTION_RATE));
        let (direct, systemic) =
            (number(name::LOSS_PER_DISRUPTION_JPY), number(name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY));
        let inherited = (COUNT - 1) as f64 * 0.7 * -(-rate).exp_m1();
        assert!((own + inherited - rate).abs() <= 1e-11 * rate, "{rate}");
        // All are alike, so that g = L + (r − own)/r · g.
        let expected = direct * rate / own;
        assert!((systemic - expected).abs() <= 1e-9 * expected, "{systemic}, not {expected}");
    }
}

#[test]
fn twenty_cliques_in_a_ring_settle_and_their_losses_have_one_total() {
    const CLIQUES: usize = 20;
    const MEMBERS: usize = 40;
    let mut plain = Plain::of_firms(CLIQUES * MEMBERS);
    for clique in 0..CLIQUES {
        let first = clique * MEMBERS;
        plain.tie_all(first..first + MEMBERS);
        let next = (first + MEMBERS) % plain.firms.len();
        let bridge = sole(&plain.firms[first + 1].code, Some(&plain.firms[next].code));
        plain.supplies.push(bridge);
        // Members differ in what they know of themselves and in what has happened to them.
        plain.assessments.push(found(&plain.firms[first + 2].code, "hardening", true, "self_reported", as_of()));
        plain.incidents.push(incident(&plain.firms[first + 3].code, "harmful", as_of(), None));
    }
    // Only one of 800 supplies the buyer.
    let to_buyer = sole(&plain.firms[0].code, None);
    plain.supplies.push(to_buyer);

    for model in [Model::default(), model_before()] {
        let table = score_table(plain.tables(), &model);

        let column = |name| numbers(&table, name);
        let sum =
            |rates: Vec<f64>, losses: Vec<f64>| rates.iter().zip(losses).map(|(rate, loss)| rate * loss).sum::<f64>();
        let caused = sum(column(name::OWN_RATE), column(name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY));
        let direct = sum(column(name::DISRUPTION_RATE), column(name::LOSS_PER_DISRUPTION_JPY));
        assert!(direct > 0.0 && (caused - direct).abs() <= 1e-9 * direct, "{caused}, {direct}");
    }
}

#[test]
fn many_rows_about_one_control_are_picked_from_in_a_moment() {
    const COUNT: u64 = 200_000;
    let mut plain = Plain::of_firms(1);
    // Most are replaced, two thousand share the last day, of which the third party's count against the others.
    plain.assessments.extend((0..COUNT).map(|place| {
        let on = as_of() - Days::new(place / 2000);
        found("S0000", "mfa", place % 7 < 3, ASSURANCES[place as usize % 3], on)
    }));
    let mut last = Plain::of_firms(1);
    last.assessments.push(found("S0000", "mfa", false, "verified_by_third_party", as_of()));
    last.assessments.push(found("S0000", "mfa", true, "verified_by_third_party", as_of()));

    assert!(same_bits(&score(&plain), &score(&last)));
}
