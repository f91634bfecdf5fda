//! The six portfolios of the model, to the tolerance that it names.

use scoring::{Model, RESULTS, Unit};

use crate::support::{example, read_rows, read_tables, score_table};

#[test]
fn basics_are_reproduced() {
    reproduce("basics", &Model::default());
}

#[test]
fn limits_are_reproduced() {
    reproduce("limits", &Model::default());
}

#[test]
fn the_chain_is_reproduced() {
    reproduce("chain", &Model::default());
}

#[test]
fn the_graph_is_reproduced() {
    reproduce("graph", &Model::default());
}

#[test]
fn the_portfolio_is_reproduced() {
    reproduce("portfolio", &Model::default());
}

#[test]
fn another_model_is_reproduced() {
    let text = std::fs::read_to_string(example("other-model").join("model.toml")).unwrap();
    reproduce("other-model", &Model::parse(&text).unwrap());
}

fn reproduce(name: &str, model: &Model) {
    let results = score_table(read_tables(&example(name)), model);
    let expected = read_rows(&example(name).join("expected.csv"));

    assert_eq!(results.height(), expected.len());
    for (row, expected) in expected.iter().enumerate() {
        for column in RESULTS {
            let (found, expected) = (results.column(column.name).unwrap(), &expected[column.name]);
            let agrees = if column.unit == Unit::Text {
                found.str().unwrap().get(row) == Some(expected)
            } else {
                let (found, expected) = (found.f64().unwrap().get(row).unwrap(), expected.parse::<f64>().unwrap());
                (found - expected).abs() <= f64::max(1e-9 * expected.abs(), absolute_tolerance(column.unit))
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
