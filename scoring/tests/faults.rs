//! What is refused: every fault of a portfolio, and every fault of a model, at once.

use polars::prelude::*;
use scoring::{Fault, Faults, Model, ModelError, Portfolio, PortfolioError, Table, Tables};

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
fn every_parameter_of_the_model_is_required() {
    let model: toml::Table = Model::DEFAULT_TOML.parse().unwrap();
    let optional = |path: &str| path.contains("section_multiplier.") || path.contains("validity_days.");
    let paths = leaves(&model, "");
    assert!(paths.len() > 50);
    for path in paths.iter().filter(|path| !optional(path)) {
        let mut short = model.clone();
        remove(&mut short, path);
        assert_eq!(model_faults(&short.to_string()), [path.as_str()], "without {path}");
    }
}

#[test]
fn parameters_out_of_range_are_named_all_at_once() {
    let wrong = [
        ("version = \"2026.1\"", "version = 3", "version"),
        ("annual_probability = 0.233", "annual_probability = 1.0", "base_rate.annual_probability"),
        ("micro = 0.7", "micro = 0", "base_rate.size_multiplier.micro"),
        ("G = 1.2", "G = -1.2", "base_rate.section_multiplier.G"),
        ("shape = 2.0", "shape = \"two\"", "prior.shape"),
        ("factor_limit = 4.0", "factor_limit = 0.5", "segment.factor_limit"),
        ("default_coverage_share = 0.5", "default_coverage_share = 1.5", "controls.default_coverage_share"),
        ("scs_4 = 1095", "scs_4 = 1095.5", "controls.validity_days.scs_4"),
        ("class_2 = 0.65", "class_2 = 1.65", "controls.otasuketai.class_2"),
        ("half_life_days = 730\ncontained", "half_life_days = inf\ncontained", "history.half_life_days"),
        ("tail_index = 2.2", "tail_index = 1.0", "downtime.tail_index"),
        ("max_iterations = 10000", "max_iterations = 0", "propagation.max_iterations"),
        ("routine = 0.1", "routine = nan", "propagation.criticality.routine"),
    ];
    let mut text = Model::DEFAULT_TOML.to_owned();
    for (right, wrong, _) in wrong {
        assert!(text.contains(right), "{right}");
        text = text.replace(right, wrong);
    }

    assert_eq!(model_faults(&text), wrong.map(|(.., key)| key));
}

#[test]
fn parameters_out_of_order_are_named() {
    for (right, wrong, key) in [
        ("silent = 0.05", "silent = 0.5", "observation.reporting"),
        ("monitored = 0.90", "monitored = 0.3", "observation.monitored"),
        ("rate_low = 0.0078125", "rate_low = 2.0", "scale.rate_high"),
        ("B = 56.0", "B = 50.0", "scale.grade_upper.B"),
        ("E = 100.1", "E = 100.0", "scale.grade_upper.E"),
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
