//! What is refused: every fault of a portfolio, and every fault of a model, at once.

use polars::prelude::*;
use scoring::{Fault, Faults, Format, Model, ModelError, Portfolio, PortfolioError, Table, Tables};

fn suppliers() -> DataFrame {
    df!("supplier_code" => ["A", "B"]).unwrap()
}

fn faults(tables: Tables) -> Faults {
    match Portfolio::try_new(tables) {
        Err(PortfolioError::Faults(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

/// Returns a fault as `table row column code`.
fn brief(fault: &Fault) -> String {
    let row = fault.row.map_or("-".to_owned(), |row| row.to_string());
    format!("{} {row} {} {}", fault.table.name(), fault.column.unwrap_or("-"), fault.reason.code())
}

fn briefs(tables: Tables) -> Vec<String> {
    faults(tables).first().iter().map(brief).collect()
}

fn dates(texts: &[Option<&str>]) -> Series {
    let days: Vec<_> = texts
        .iter()
        .map(|text| {
            text.map(|text| {
                (text.parse::<chrono::NaiveDate>().unwrap() - chrono::NaiveDate::default()).num_days() as i32
            })
        })
        .collect();
    Series::new("".into(), days).cast(&DataType::Date).unwrap()
}

#[test]
fn suppliers_alone_are_a_portfolio() {
    assert_eq!(Portfolio::try_new(Tables::of_suppliers(suppliers())).unwrap().supplier_count(), 2);
}

#[test]
fn no_suppliers_give_no_results() {
    let empty = Tables::of_suppliers(Table::Suppliers.empty());
    assert_eq!(crate::support::score_table(empty, &Model::default()).height(), 0);
}

#[test]
fn all_faults_of_suppliers_come_at_once() {
    let suppliers = df!(
        "supplier_code" => [Some("A"), Some("B"), Some("A"), None, Some("")],
        "jsic_division" => [Some(0i64), Some(100), Some(24), None, None],
        "employee_count" => [Some(-1i64), Some(0), None, None, None],
        "capital_jpy" => [Some(-0.5), Some(f64::NAN), Some(0.0), Some(f64::INFINITY), None],
        "data_access" => [Some("secret"), Some("none"), None, None, None],
        "total_endpoints" => [Some(0i64), Some(1), None, None, None],
    )
    .unwrap();

    assert_eq!(
        briefs(Tables::of_suppliers(suppliers)),
        [
            "suppliers 0 jsic_division out-of-range",
            "suppliers 0 employee_count out-of-range",
            "suppliers 0 capital_jpy out-of-range",
            "suppliers 0 data_access unknown-choice",
            "suppliers 0 total_endpoints out-of-range",
            "suppliers 1 jsic_division out-of-range",
            "suppliers 1 capital_jpy out-of-range",
            "suppliers 2 supplier_code duplicate-supplier",
            "suppliers 3 supplier_code missing-value",
            "suppliers 3 capital_jpy out-of-range",
            "suppliers 4 supplier_code missing-value",
        ]
    );
}

#[test]
fn all_faults_of_relationships_come_at_once() {
    let relationships = df!(
        "upstream_code" => [Some("A"), Some("A"), Some("X"), None],
        "downstream_code" => [None, Some("A"), Some("Y"), Some("B")],
        "annual_spend_jpy" => [Some(-1.0), None, None, None],
        "criticality" => [Some("stops_line"), Some("vital"), None, Some("routine")],
        "substitutability" => ["sole", "none", "multiple", "limited"],
        "stock_cover_days" => [Some(-3.0), None, Some(0.0), None],
    )
    .unwrap();

    assert_eq!(
        briefs(Tables { relationships, ..Tables::of_suppliers(suppliers()) }),
        [
            "relationships 0 annual_spend_jpy out-of-range",
            "relationships 0 stock_cover_days out-of-range",
            "relationships 1 downstream_code self-supply",
            "relationships 1 criticality unknown-choice",
            "relationships 1 substitutability unknown-choice",
            "relationships 2 upstream_code unknown-supplier",
            "relationships 2 downstream_code unknown-supplier",
            "relationships 2 criticality missing-value",
            "relationships 3 upstream_code missing-value",
        ]
    );
}

#[test]
fn faults_of_evidence_come_at_once_over_all_tables() {
    let enrollments = df!(
        "supplier_code" => ["A", "B"],
        "service_class" => ["class_1", "class_3"],
        "coverage_share" => [1.1, 0.5],
        "covered_endpoints" => [Some(-1i64), None],
        "starts_on" => dates(&[Some("2026-01-01"), None]),
        "ends_on" => dates(&[Some("2026-01-01"), None]),
        "onsite_response" => [None, Some(true)],
    )
    .unwrap();
    let certifications = df!(
        "supplier_code" => ["A", "C"],
        "scheme" => ["iso", "isms"],
        "issued_on" => dates(&[Some("2026-01-02"), None]),
        "expires_on" => dates(&[Some("2026-01-01"), None]),
    )
    .unwrap();
    let incidents = df!(
        "supplier_code" => ["A", "B"],
        "occurred_on" => dates(&[None, Some("2026-01-01")]),
        "outcome" => ["harmful", "harmless"],
        "count" => [2i64, 0],
    )
    .unwrap();

    assert_eq!(
        briefs(Tables { enrollments, certifications, incidents, ..Tables::of_suppliers(suppliers()) }),
        [
            "enrollments 0 coverage_share out-of-range",
            "enrollments 0 covered_endpoints out-of-range",
            "enrollments 0 ends_on ends-before-start",
            "enrollments 0 onsite_response missing-value",
            "enrollments 1 service_class unknown-choice",
            "enrollments 1 starts_on missing-value",
            "certifications 0 scheme unknown-choice",
            "certifications 0 expires_on expires-before-issue",
            "certifications 1 supplier_code unknown-supplier",
            "certifications 1 issued_on missing-value",
            "incidents 0 occurred_on missing-value",
            "incidents 0 count harmful-count",
            "incidents 1 outcome unknown-choice",
            "incidents 1 count out-of-range",
        ]
    );
}

#[test]
fn all_faults_of_assessments_come_at_once() {
    let assessments = df!(
        "supplier_code" => [Some("A"), Some("A"), Some("B"), Some("B"), Some("A"), Some("X"), None, Some("B")],
        "control" => [
            Some("mfa"), Some("self_assessment"), Some("edr"), Some("self_assessment"), Some("firewall"), Some("backup"),
            None, Some("patching"),
        ],
        "status" => [
            None, Some("met"), Some("not_met"), None, Some("met"), Some("partly"), Some("met"), Some("not_met"),
        ],
        "total_score" => [None, Some(50i64), Some(0), None, None, None, None, None],
        "assessed_on" => dates(&[
            Some("2026-01-02"), Some("2026-01-02"), Some("2026-01-02"), Some("2026-01-02"), Some("2026-01-02"), None,
            Some("2026-01-02"), Some("2026-01-02"),
        ]),
        // On the day itself is a term; the day before is none.
        "expires_on" => dates(&[
            Some("2026-01-02"), None, None, None, None, None, None, Some("2026-01-01"),
        ]),
        "assurance" => [
            Some("self_reported"), Some("self_reported"), Some("verified_by_provider"), Some("verified_by_third_party"),
            Some("certified"), Some("self_reported"), None, Some("self_reported"),
        ],
    )
    .unwrap();

    assert_eq!(
        briefs(Tables { assessments, ..Tables::of_suppliers(suppliers()) }),
        [
            "assessments 0 status missing-status",
            "assessments 1 status status-of-self-assessment",
            "assessments 2 total_score total-of-control",
            "assessments 3 total_score missing-total",
            "assessments 4 control unknown-choice",
            "assessments 4 assurance unknown-choice",
            "assessments 5 supplier_code unknown-supplier",
            "assessments 5 status unknown-choice",
            "assessments 5 assessed_on missing-value",
            "assessments 6 supplier_code missing-value",
            "assessments 6 control missing-value",
            "assessments 6 assurance missing-value",
            "assessments 7 expires_on expires-before-assessment",
        ]
    );
}

#[test]
fn totals_of_self_assessments_are_minus_25_to_100() {
    let totals = [-26i64, -25, 100, 101];
    let assessments = df!(
        "supplier_code" => ["A"; 4],
        "control" => ["self_assessment"; 4],
        "total_score" => totals,
        "assessed_on" => dates(&[Some("2026-01-02"); 4]),
        "assurance" => ["self_reported"; 4],
    )
    .unwrap();

    assert_eq!(
        briefs(Tables { assessments, ..Tables::of_suppliers(suppliers()) }),
        ["assessments 0 total_score out-of-range", "assessments 3 total_score out-of-range"]
    );
}

#[test]
fn faults_of_tables_by_row_come_at_once_too() {
    let relationships = df!(
        "upstream" => [Some(0u32), Some(2), None],
        "downstream" => [Some(0u32), None, Some(7)],
        "criticality" => ["routine", "vital", "routine"],
        "substitutability" => ["sole", "sole", "sole"],
    )
    .unwrap();
    let incidents = df!(
        "supplier_code" => ["A"],
        "occurred_on" => dates(&[Some("2026-01-01")]),
        "outcome" => ["harmful"],
        "count" => [2i64],
    )
    .unwrap();
    let tables = Tables { relationships, incidents, ..Tables::of_suppliers(suppliers()) };

    let Err(PortfolioError::Faults(faults)) = Portfolio::of_rows(tables) else { panic!("faults are expected") };

    assert_eq!(
        faults.first().iter().map(brief).collect::<Vec<_>>(),
        [
            "relationships 0 downstream_code self-supply",
            "relationships 1 upstream_code unknown-supplier",
            "relationships 1 criticality unknown-choice",
            "relationships 2 upstream_code missing-value",
            "relationships 2 downstream_code unknown-supplier",
            // Tables without rows have columns for codes.
            "enrollments - supplier_code missing-column",
            "certifications - supplier_code missing-column",
            "assessments - supplier_code missing-column",
            "incidents - supplier_code missing-column",
            "incidents 0 count harmful-count",
        ]
    );
    for codes in [["B", "A"], ["A", "A"]] {
        let suppliers = df!("supplier_code" => codes).unwrap();
        let refused = Portfolio::of_rows(Tables::of_suppliers(suppliers));
        assert!(matches!(refused, Err(PortfolioError::Frame(_))), "{codes:?}: {refused:?}");
    }
}

#[test]
fn columns_that_are_missing_or_of_another_type_are_named() {
    let suppliers = df!("supplier_code" => ["A"], "employee_count" => ["many"]).unwrap();
    let incidents = df!("supplier_code" => ["A"], "count" => [1i64]).unwrap();

    assert_eq!(
        briefs(Tables { incidents, ..Tables::of_suppliers(suppliers) }),
        [
            "suppliers - employee_count wrong-type",
            "incidents - occurred_on missing-column",
            "incidents - outcome missing-column",
        ]
    );
}

#[test]
fn the_first_fifty_faults_are_kept_and_all_are_counted() {
    let codes: Vec<_> = (0..200).map(|row| format!("S{row:03}")).collect();
    let suppliers =
        df!("supplier_code" => codes, "employee_count" => vec![-1i64; 200], "capital_jpy" => vec![-1.0; 200]).unwrap();

    let faults = faults(Tables::of_suppliers(suppliers));

    assert_eq!(faults.count(), 400);
    let first: Vec<_> = faults.first().iter().map(|fault| (fault.row.unwrap(), fault.column.unwrap())).collect();
    let expected: Vec<_> = (0..25).flat_map(|row| [(row, "employee_count"), (row, "capital_jpy")]).collect();
    assert_eq!(first, expected);
}

#[test]
fn every_parameter_of_both_formats_is_required() {
    for (text, count) in [(Model::DEFAULT_TOML, 90), (Model::TOML_2026_1, 50)] {
        let model: toml::Table = text.parse().unwrap();
        // Without a format, a model is of format 1.
        let optional =
            |path: &str| path.contains("section_multiplier.") || path.contains("validity_days.") || path == "format";
        let paths = leaves(&model, "");
        assert!(paths.len() > count, "{}", paths.len());
        for path in paths.iter().filter(|path| !optional(path)) {
            let mut short = model.clone();
            remove(&mut short, path);
            assert_eq!(model_faults(&short.to_string()), [path.as_str()], "without {path}");
        }
    }
}

#[test]
fn a_format_is_2_or_left_out() {
    for wrong in ["1", "3", "0", "\"2\"", "2.0"] {
        let text = Model::DEFAULT_TOML.replace("format = 2", &format!("format = {wrong}"));
        assert_eq!(model_faults(&text), ["format"], "{wrong}");
    }
    assert_eq!(Model::default().format(), Format::Two);
    assert_eq!(Model::parse(Model::TOML_2026_1).unwrap().format(), Format::One);
}

#[test]
fn a_model_of_format_1_knows_no_parameters_of_format_2() {
    let text = Model::TOML_2026_1.replace("max_iterations", "plain_iterations = 500\nmax_iterations");
    let text = format!("{text}\n[assessments]\nfull_days = 90\n[interval]\nlevel = 0.9\n");

    assert_eq!(model_faults(&text), ["assessments", "interval", "propagation.plain_iterations"]);
}

#[test]
fn parameters_out_of_range_are_named_all_at_once() {
    let wrong = [
        ("version = \"2026.2\"", "version = 3", "version"),
        ("level = 0.90", "level = 1.0", "interval.level"),
        ("evidence_floor = 0.12", "evidence_floor = 0", "assessments.evidence_floor"),
        ("overlap_share = 0.25", "overlap_share = 1.1", "assessments.overlap_share"),
        ("full_days = 90 ", "full_days = -1 ", "assessments.full_days"),
        ("overclaim = 0.25", "overclaim = 1.0", "assessments.assurance.self_reported.overclaim"),
        ("underclaim = 0.03", "underclaim = -0.1", "assessments.assurance.verified_by_provider.underclaim"),
        (
            "score_reliability = 0.90",
            "score_reliability = 1.5",
            "assessments.assurance.verified_by_third_party.score_reliability",
        ),
        ("cut = 0.29", "cut = 1.0", "assessments.control.mfa.cut"),
        ("prevalence = 0.30", "prevalence = 0.0", "assessments.control.patching.prevalence"),
        ("half_life_days = 180", "half_life_days = 0", "assessments.control.remote_access.half_life_days"),
        ("prevalence = 0.45", "prevalence = 1", "assessments.control.self_assessment.prevalence"),
        ("annual_probability = 0.233", "annual_probability = 1.0", "base_rate.annual_probability"),
        ("micro = 0.7", "micro = 0", "base_rate.size_multiplier.micro"),
        ("G = 1.2", "G = -1.2", "base_rate.section_multiplier.G"),
        ("shape = 2.0", "shape = \"two\"", "prior.shape"),
        ("factor_limit = 4.0", "factor_limit = 0.5", "segment.factor_limit"),
        ("default_coverage_share = 0.5", "default_coverage_share = 1.5", "controls.default_coverage_share"),
        ("scs_4 = 1095", "scs_4 = 1095.5", "controls.validity_days.scs_4"),
        ("class_2 = 0.65", "class_2 = 1.65", "controls.otasuketai.class_2"),
        ("half_life_days = 730\ncontained", "half_life_days = inf\ncontained", "history.half_life_days"),
        ("contained_weight = 0.25", "contained_weight = 1.25", "history.contained_weight"),
        ("tail_index = 2.2", "tail_index = 1.0", "downtime.tail_index"),
        ("plain_iterations = 500", "plain_iterations = 0", "propagation.plain_iterations"),
        ("max_iterations = 10000", "max_iterations = 0", "propagation.max_iterations"),
        ("routine = 0.1", "routine = nan", "propagation.criticality.routine"),
    ];
    let mut text = Model::DEFAULT_TOML.to_owned();
    for (right, wrong, _) in wrong {
        assert!(text.contains(right), "{right}");
        text = text.replacen(right, wrong, 1);
    }

    assert_eq!(model_faults(&text), wrong.map(|(.., key)| key));
}

#[test]
fn shares_and_days_may_be_0_where_that_has_a_meaning() {
    let mut text = Model::DEFAULT_TOML.to_owned();
    for (right, edge) in [
        ("overlap_share = 0.25", "overlap_share = 0"),
        ("full_days = 90 ", "full_days = 0 "),
        ("evidence_floor = 0.12", "evidence_floor = 0.30"),
        ("overclaim = 0.25", "overclaim = 0.0"),
        ("underclaim = 0.05", "underclaim = 0.0"),
        ("score_reliability = 0.90", "score_reliability = 1"),
        ("cut = 0.29", "cut = 0"),
        ("plain_iterations = 500", "plain_iterations = 1"),
    ] {
        assert!(text.contains(right), "{right}");
        text = text.replacen(right, edge, 1);
    }

    Model::parse(&text).unwrap();
}

#[test]
fn parameters_out_of_order_are_named() {
    for (right, wrong, key) in [
        ("silent = 0.05", "silent = 0.5", "observation.reporting"),
        ("monitored = 0.90", "monitored = 0.3", "observation.monitored"),
        ("rate_low = 0.0078125", "rate_low = 2.0", "scale.rate_high"),
        ("B = 53.0", "B = 45.0", "scale.grade_upper.B"),
        ("E = 100.1", "E = 100.0", "scale.grade_upper.E"),
        ("evidence_floor = 0.12", "evidence_floor = 0.31", "controls.combined_floor"),
        ("overclaim = 0.25", "overclaim = 0.95", "assessments.assurance.self_reported.underclaim"),
    ] {
        assert!(Model::DEFAULT_TOML.contains(right), "{right}");
        assert_eq!(model_faults(&Model::DEFAULT_TOML.replace(right, wrong)), [key], "{wrong}");
    }
}

#[test]
fn unknown_keys_and_tables_are_refused() {
    let text = format!("surplus = 1\n{}\n[scale.more]\n[extra]\nkey = 1\n[prior.deep]\n", Model::DEFAULT_TOML);

    assert_eq!(model_faults(&text), ["extra", "prior.deep", "scale.more", "surplus"]);
}

fn model_faults(text: &str) -> Vec<String> {
    match Model::parse(text) {
        Err(ModelError::Parameters(faults)) => faults.into_iter().map(|fault| fault.key).collect(),
        other => panic!("{other:?}"),
    }
}

fn leaves(table: &toml::Table, prefix: &str) -> Vec<String> {
    let path = |name: &str| format!("{prefix}{name}");
    table
        .iter()
        .flat_map(|(name, value)| match value {
            toml::Value::Table(inner) => leaves(inner, &format!("{}.", path(name))),
            _ => vec![path(name)],
        })
        .collect()
}

fn remove(table: &mut toml::Table, path: &str) {
    match path.split_once('.') {
        Some((name, rest)) => remove(table[name].as_table_mut().unwrap(), rest),
        None => {
            table.remove(path);
        }
    }
}
