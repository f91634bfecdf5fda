//! The indicators: computed by hand, counted again in plain loops, and equal in any order of rows.

mod counts;

use std::collections::BTreeMap;

use proptest::collection;
use proptest::prelude::*;
use scoring::{ControlCoverage, Coverage, Indicators, Model, Portfolio, Scores, SoleSource, Summary, Table, Tables};

use crate::naive::Twin;
use crate::plain::{CONTROLS, Firm, Plain, Supply, portfolio};
use crate::properties::shuffle;
use crate::support::{as_of, cases, example, frame, read_tables};
use counts::Counts;

fn scored(tables: Tables, model: &Model) -> (Portfolio, Scores) {
    let portfolio = Portfolio::try_new(tables).unwrap();
    let scores = scoring::score(&portfolio, model, as_of()).unwrap();
    (portfolio, scores)
}

fn indicators(tables: Tables, model: &Model) -> Indicators {
    let (portfolio, scores) = scored(tables, model);
    Indicators::new(&portfolio, &scores, model).unwrap()
}

fn of(count: usize, of: usize) -> Coverage {
    Coverage { count, of }
}

/// Returns the coverage of all controls over some suppliers. Nothing is known of those that are not named.
fn controls(total: usize, named: &[(&str, [usize; 3])]) -> Vec<ControlCoverage> {
    let coverage = |control| {
        let [known, met, verified] = named.iter().find(|(name, _)| *name == control).map_or([0; 3], |found| found.1);
        ControlCoverage {
            control,
            known: of(known, total),
            met: (control != "self_assessment").then(|| of(met, total)),
            verified: of(verified, total),
        }
    };
    CONTROLS.map(coverage).to_vec()
}

fn rows(table: Table, text: &str) -> polars::prelude::DataFrame {
    let mut lines = text.lines().map(|line| line.split_whitespace());
    let names: Vec<_> = lines.next().unwrap().collect();
    let row = |cells: std::str::SplitWhitespace<'_>| {
        let cells = names.iter().zip(cells).filter(|(_, cell)| *cell != "-");
        cells.map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
    };
    frame(table, &lines.map(row).collect::<Vec<BTreeMap<_, _>>>())
}

/// Nine suppliers as of 2026-09-30, in rows of the results A = 0 to I = 8.
///
/// To the buyer: A, B, F, G. Upstream: C to A and B, D to C, C to D (a cycle), A to G and G to A (another), A to E,
/// which supplies nobody; H to D. I has no relationships.
fn by_hand() -> Tables {
    Tables {
        assessments: rows(
            Table::Assessments,
            "supplier_code control status total_score assessed_on expires_on assurance
             A mfa met - 2026-08-01 - self_reported
             B mfa met - 2026-08-01 - self_reported
             B mfa not_met - 2026-09-01 - verified_by_third_party
             C mfa met - 2026-10-01 - verified_by_third_party
             C backup met - 2026-01-01 2026-09-29 verified_by_third_party
             D backup met - 2020-01-01 2020-12-31 verified_by_provider
             E self_assessment - 72 2026-09-10 - self_reported
             H edr met - 2026-09-23 - verified_by_provider",
        ),
        suppliers: rows(
            Table::Suppliers,
            "supplier_code jsic_division employee_count reports_incidents_since
             A 24 100 2026-09-30
             B 24 20 -
             C 24 100 2026-10-01
             D 24 100 -
             E 24 20 -
             F 24 301 2020-01-01
             G - 5 -
             H 24 100 -
             I 24 100 -",
        ),
        relationships: rows(
            Table::Relationships,
            "upstream_code downstream_code annual_spend_jpy criticality substitutability
             A - 100 stops_line sole
             A - 20 routine multiple
             B - 50 stops_line sole
             F - 30 degrades limited
             F - - degrades sole
             G - 7 degrades limited
             C A 1 degrades sole
             C B 1 degrades limited
             D C 1 degrades limited
             C D 1 degrades limited
             A G 1 degrades limited
             G A 1 degrades limited
             A E 1 degrades limited
             H D 1 degrades limited
             H D 1 routine sole",
        ),
        enrollments: rows(
            Table::Enrollments,
            "supplier_code service_class coverage_share starts_on ends_on onsite_response
             B class_1 0.5 2026-09-30 - true
             B class_2 1 2024-01-01 2025-01-01 true
             D class_1 - 2026-01-01 2026-10-01 false
             F class_1 0 2026-01-01 - false
             C class_1 1 2025-09-30 2026-09-30 false
             E class_1 1 2025-01-01 2026-08-01 false
             H class_1 1 2026-10-01 - false",
        ),
        certifications: rows(
            Table::Certifications,
            "supplier_code scheme issued_on expires_on
             A security_action_1 2020-01-01 -
             B security_action_2 2026-09-30 -
             C security_action_2 2026-10-01 -
             D security_action_1 2026-01-01 2026-09-29
             G security_action_2 2026-01-01 2026-09-30
             A scs_3 2025-09-30 -
             B scs_3 2025-09-29 -
             D scs_4 2023-10-01 -
             F scs_5 2026-01-01 2029-01-01
             F isms 2023-10-01 2026-12-31
             I isms 2020-01-01 2023-01-01",
        ),
        incidents: rows(
            Table::Incidents,
            "supplier_code occurred_on outcome
             A 2026-09-20 blocked
             G 2026-08-31 harmful
             E 2026-10-01 harmful",
        ),
    }
}

#[test]
fn the_indicators_are_those_worked_by_hand() {
    let model = Model::default();
    let (portfolio, scores) = scored(by_hand(), &model);
    let table = scores.table().unwrap();
    let losses = table.column("expected_annual_loss_direct_jpy").unwrap().f64().unwrap();
    let (loss_of_a, loss_of_f) = (losses.get(0).unwrap(), losses.get(5).unwrap());
    assert!(loss_of_a > 0.0 && loss_of_f > 0.0);

    let (a, c, d, g, h) = (0, 2, 3, 6, 7);
    assert_eq!(
        scores.tiers(&portfolio).unwrap(),
        [Some(1), Some(1), Some(2), Some(3), None, Some(1), Some(1), Some(4), None]
    );
    assert_eq!(
        Indicators::new(&portfolio, &scores, &model).unwrap(),
        Indicators {
            // B and D. F's enrollment covers nothing, C's ended on the day, H's has not begun.
            monitored: of(2, 9),
            annual_spend_jpy: 207.0,
            monitored_spend_jpy: 50.0,
            // A, B, F, G; C; D; H; then E and I, which have no path to the buyer.
            monitored_by_tier: vec![
                (Some(1), of(1, 4)),
                (Some(2), of(0, 1)),
                (Some(3), of(1, 1)),
                (Some(4), of(0, 1)),
                (None, of(0, 2)),
            ],
            // B, E; A, C, D, H, I; F; G.
            monitored_by_size: vec![("micro", of(1, 2)), ("sme", of(1, 5)), ("large", of(0, 1)), ("unknown", of(0, 1))],
            // A, B, G. C's is of tomorrow, D's was over yesterday, G's ends on the day.
            security_action_1: of(3, 9),
            // B, G.
            security_action_2: of(2, 9),
            // A, B of A to E, H, I.
            security_action_1_sme: of(2, 7),
            security_action_2_sme: of(1, 7),
            // A, whose 365 days end on the day; D, whose 1095 do so too (29 February 2024 lies between); F. Not B.
            scs_3: of(3, 9),
            scs_4: of(2, 9),
            scs_5: of(1, 9),
            // F.
            isms: of(1, 9),
            // A says that it has MFA, a third party that B has not, whatever B says. C's is of tomorrow, its backups were
            // over yesterday and still count, D's no longer do.
            controls: controls(
                9,
                &[("mfa", [2, 1, 1]), ("edr", [1, 1, 1]), ("backup", [1, 1, 1]), ("self_assessment", [1, 0, 0])],
            ),
            controls_by_tier: vec![
                (Some(1), controls(4, &[("mfa", [2, 1, 1])])),
                (Some(2), controls(1, &[("backup", [1, 1, 1])])),
                (Some(3), controls(1, &[])),
                (Some(4), controls(1, &[("edr", [1, 1, 1])])),
                (None, controls(2, &[("self_assessment", [1, 0, 0])])),
            ],
            controls_by_size: vec![
                ("micro", controls(2, &[("mfa", [1, 0, 1]), ("self_assessment", [1, 0, 0])])),
                ("sme", controls(5, &[("mfa", [1, 1, 0]), ("edr", [1, 1, 1]), ("backup", [1, 1, 1])])),
                ("large", controls(1, &[])),
                ("unknown", controls(1, &[])),
            ],
            // A, F.
            reporting: of(2, 9),
            // 0 of B, D, F (active) and C (ended on the day), 7 and 20 of H and E (assessments), 10 and 30 of A and G
            // (incidents), 2464 of I (issued). E's incident is of tomorrow.
            evidence_age_median_days: Some(7.0),
            // H.
            // Enrollments: B's second, C's and E's of six. Certificates: D's first, B's scs_3, I's isms of ten.
            expired: of(6, 16),
            sole_source_unmonitored: SoleSource { supplier_count: 2, expected_annual_loss_jpy: loss_of_a + loss_of_f },
            tier_1_count: 4,
            // C, D, H to A, B, G; A to G; G to A. B and F to nobody.
            stops_tier_1: vec![(c, 3), (d, 3), (h, 3), (a, 1), (g, 1)],
        }
    );
}

#[test]
fn assessments_are_no_evidence_by_a_model_of_format_1() {
    let model = Model::parse(include_str!("examples/other-model/model.toml")).unwrap();
    let (portfolio, scores) = scored(by_hand(), &model);
    let found = Indicators::new(&portfolio, &scores, &model).unwrap();

    assert_eq!((found.controls, found.controls_by_tier, found.controls_by_size), Default::default());
    // As above, with 60 of E, whose enrollment ended, and nothing of H.
    assert_eq!(found.evidence_age_median_days, Some(5.0));
    assert_eq!(Summary::new(&portfolio, &scores).unwrap().no_evidence_count, 1);
}

#[test]
fn an_assessment_is_evidence() {
    let without = |tables: Tables| {
        let (portfolio, scores) = scored(tables, &Model::default());
        Summary::new(&portfolio, &scores).unwrap().no_evidence_count
    };
    // H's only evidence is its assessment.
    assert_eq!(without(by_hand()), 0);
    assert_eq!(without(Tables { assessments: Table::Assessments.empty(), ..by_hand() }), 1);
}

#[test]
fn nothing_is_a_share_of_nothing() {
    assert_eq!((of(0, 0).share(), of(1, 4).share()), (None, Some(0.25)));

    let model = Model::default();
    let (portfolio, scores) = scored(Tables::of_suppliers(Table::Suppliers.empty()), &model);
    let found = Indicators::new(&portfolio, &scores, &model).unwrap();

    assert!(scores.tiers(&portfolio).unwrap().is_empty());
    assert!(found.annual_spend_jpy.is_sign_positive() && found.monitored_spend_jpy.is_sign_positive());
    assert_eq!(
        found,
        Indicators {
            monitored: of(0, 0),
            annual_spend_jpy: 0.0,
            monitored_spend_jpy: 0.0,
            monitored_by_tier: vec![],
            monitored_by_size: ["micro", "sme", "large", "unknown"].map(|size| (size, of(0, 0))).to_vec(),
            security_action_1: of(0, 0),
            security_action_2: of(0, 0),
            security_action_1_sme: of(0, 0),
            security_action_2_sme: of(0, 0),
            scs_3: of(0, 0),
            scs_4: of(0, 0),
            scs_5: of(0, 0),
            isms: of(0, 0),
            controls: controls(0, &[]),
            controls_by_tier: vec![],
            controls_by_size: ["micro", "sme", "large", "unknown"].map(|size| (size, controls(0, &[]))).to_vec(),
            reporting: of(0, 0),
            evidence_age_median_days: None,
            expired: of(0, 0),
            sole_source_unmonitored: SoleSource { supplier_count: 0, expected_annual_loss_jpy: 0.0 },
            tier_1_count: 0,
            stops_tier_1: vec![],
        }
    );
}

#[test]
fn the_examples_count_the_same_in_plain_loops() {
    for name in ["basics", "limits", "chain", "graph", "portfolio", "assessments", "overlap", "recovery"] {
        agree(&Plain::read(&example(name)), read_tables(&example(name)), Model::DEFAULT_TOML).unwrap();
    }
    let (folder, model) = (example("other-model"), include_str!("examples/other-model/model.toml"));
    agree(&Plain::read(&folder), read_tables(&folder), model).unwrap();
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn frames_and_loops_count_the_same(plain in portfolio()) {
        agree(&plain, plain.tables(), Model::DEFAULT_TOML)?;
    }

    #[test]
    fn tiers_and_reach_hold_on_any_graph(plain in graph()) {
        agree(&plain, plain.tables(), Model::DEFAULT_TOML)?;
    }

    #[test]
    fn the_order_of_rows_changes_nothing(plain in portfolio(), seed in any::<u64>()) {
        let mut shuffled = plain.clone();
        shuffle(&mut shuffled.firms, seed);
        shuffle(&mut shuffled.supplies, seed);
        shuffle(&mut shuffled.enrollments, seed);
        shuffle(&mut shuffled.certifications, seed);
        shuffle(&mut shuffled.assessments, seed);
        shuffle(&mut shuffled.incidents, seed);
        let model = Model::default();
        prop_assert_eq!(indicators(plain.tables(), &model), indicators(shuffled.tables(), &model));
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let tables = || read_tables(&example("portfolio"));
    let on = |thread_count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(thread_count).build().unwrap();
        pool.install(|| indicators(tables(), &Model::default()))
    };
    assert_eq!(on(1), on(3));
}

/// Up to 40 suppliers about which nothing is known. The number of supplies varies, so that some suppliers are separate
/// and some are in one cycle.
fn graph() -> impl Strategy<Value = Plain> {
    (2..40usize, 0..120usize).prop_flat_map(|(count, supply_count)| {
        let code = |place: usize| format!("S{:02}", place * 7 % 41);
        let firm = move |place| Firm {
            code: code(place),
            division: None,
            employees: None,
            capital: None,
            data: None,
            network: None,
            endpoints: None,
            reports: None,
        };
        let supply = move |(upstream, step): (usize, usize)| Supply {
            upstream: code(upstream),
            downstream: (step > 0).then(|| code((upstream + step) % count)),
            spend: Some(1e6),
            criticality: "degrades",
            substitutability: "limited",
            stock: None,
        };
        let steps = prop_oneof![1 => Just(0), 6 => 1..count];
        collection::vec((0..count, steps).prop_map(supply), supply_count).prop_map(move |supplies| Plain {
            firms: (0..count).map(firm).collect(),
            supplies,
            enrollments: vec![],
            certifications: vec![],
            assessments: vec![],
            incidents: vec![],
        })
    })
}

fn agree(plain: &Plain, tables: Tables, model_text: &str) -> Result<(), TestCaseError> {
    let model = Model::parse(model_text).unwrap();
    let (portfolio, scores) = scored(tables, &model);
    let found = Indicators::new(&portfolio, &scores, &model).unwrap();
    let table = scores.table().unwrap();
    let losses = table.column("expected_annual_loss_direct_jpy").unwrap().f64().unwrap().into_no_null_iter().collect();

    let parameters = model_text.parse().unwrap();
    let twin = Counts::new(Twin { model: &parameters, plain, day: as_of() }, losses);
    prop_assert_eq!(scores.tiers(&portfolio).unwrap(), &twin.tiers[..]);
    let expected = twin.indicators();
    let pairs = [
        (found.annual_spend_jpy, expected.annual_spend_jpy),
        (found.monitored_spend_jpy, expected.monitored_spend_jpy),
        (
            found.sole_source_unmonitored.expected_annual_loss_jpy,
            expected.sole_source_unmonitored.expected_annual_loss_jpy,
        ),
    ];
    for (found, expected) in pairs {
        prop_assert!((found - expected).abs() <= 1e-12 * expected, "{found}, the twin {expected}");
    }
    // Yen are compared above, since loops add them in another order.
    let expected = Indicators {
        annual_spend_jpy: found.annual_spend_jpy,
        monitored_spend_jpy: found.monitored_spend_jpy,
        sole_source_unmonitored: SoleSource {
            expected_annual_loss_jpy: found.sole_source_unmonitored.expected_annual_loss_jpy,
            ..expected.sole_source_unmonitored
        },
        ..expected
    };
    prop_assert_eq!(&found, &expected);
    Ok(())
}
