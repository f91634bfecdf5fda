//! The ten portfolios of the model, to the tolerance that it names: by the shipped model, and by the one before.

use scoring::{Model, Unit, results};

use crate::support::{example, read_rows, read_tables, score_table};

/// The examples without assessments, which models of format 1 score too.
const WITHOUT_ASSESSMENTS: [&str; 5] = ["basics", "limits", "chain", "graph", "portfolio"];

#[test]
fn examples_are_reproduced() {
    let with_assessments = ["assessments", "overlap", "recovery"];
    for name in WITHOUT_ASSESSMENTS.into_iter().chain(with_assessments) {
        reproduce(name, &Model::default(), "expected.csv");
    }
}

#[test]
fn examples_are_reproduced_by_the_model_before() {
    let model = Model::parse(Model::TOML_2026_1).unwrap();
    for name in WITHOUT_ASSESSMENTS {
        reproduce(name, &model, "expected-2026.1.csv");
    }
}

#[test]
fn examples_with_models_of_their_own_are_reproduced() {
    for name in ["other-model", "skewed"] {
        let text = std::fs::read_to_string(example(name).join("model.toml")).unwrap();
        reproduce(name, &Model::parse(&text).unwrap(), "expected.csv");
    }
}

fn reproduce(name: &str, model: &Model, expected: &str) {
    let table = score_table(read_tables(&example(name)), model);
    let expected = read_rows(&example(name).join(expected));

    assert_eq!(table.height(), expected.len());
    for (row, expected) in expected.iter().enumerate() {
        assert_eq!(expected.len(), results(model.format()).count());
        for column in results(model.format()) {
            let (found, expected) = (table.column(column.name).unwrap(), &expected[column.name]);
            let agrees = if column.unit == Unit::Text {
                found.str().unwrap().get(row) == Some(expected)
            } else {
                let (found, expected) = (found.f64().unwrap().get(row).unwrap(), expected.parse::<f64>().unwrap());
                let is_tiny = |number: f64| column.name == scoring::name::OWN_RATE_LOW && number < 1e-30;
                (is_tiny(found) && is_tiny(expected))
                    || (found - expected).abs() <= f64::max(1e-9 * expected.abs(), absolute_tolerance(column.unit))
            };
            assert!(agrees, "{name}, {}, row {row}: {:?}, expected {expected}", column.name, found.get(row));
        }
    }
}

fn absolute_tolerance(unit: Unit) -> f64 {
    match unit {
        Unit::Yen => 1e-6,
        Unit::Score | Unit::Points => 1e-9,
        _ => 0.0,
    }
}
