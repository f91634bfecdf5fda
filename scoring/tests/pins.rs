//! Results of earlier versions of the model, to the bit: runs that were stored with them must come out again.

use polars::prelude::DataFrame;
use scoring::{Model, Portfolio, Unit};
use sha2::{Digest, Sha256};

use crate::support::{as_of, example, read_tables};

/// The SHA-256 of the results of each example under model 2026.1.
const RESULTS_2026_1: [(&str, &str); 6] = [
    ("basics", "0518d3c83121c34e06cf6798725a5cb654fcda256ed54d33dacd92f015dd3899"),
    ("limits", "37f16c1881f6bd3510091e95d68b3bc14bbd9f6890460db9656712d8f46318cb"),
    ("chain", "61e74528641069da8e999f7674244a9d3a574f88fce948e15c4ea7ef59cd9a6e"),
    ("graph", "d9b9de9653e3ec43c1c81ae85563bd889f1355a14eec8c8989bded820ad29d57"),
    ("portfolio", "a43ce196d59423107862265cb1f2f9159145d8265c69388982925d3a2bdc1be7"),
    ("other-model", "f515759250c6b6544f298fe24d89a235b7e52fd6db1e5aaea19c758bdb505891"),
];

#[test]
fn results_of_2026_1_are_the_same_to_the_bit() {
    for (name, expected) in RESULTS_2026_1 {
        let text = match name {
            "other-model" => include_str!("examples/other-model/model.toml"),
            _ => Model::TOML_2026_1,
        };
        let portfolio = Portfolio::try_new(read_tables(&example(name))).unwrap();
        let scores = scoring::score(&portfolio, &Model::parse(text).unwrap(), as_of()).unwrap();
        assert_eq!(hash(&scores.table().unwrap()), expected, "{name}");
    }
}

/// Returns the SHA-256 of the names, the texts and the bits of all columns.
pub(crate) fn hash(table: &DataFrame) -> String {
    let mut hash = Sha256::new();
    for column in table.columns() {
        hash.update(column.name().as_bytes());
        let result = scoring::RESULTS.iter().find(|result| column.name().as_str() == result.name).unwrap();
        match result.unit {
            Unit::Text => column.str().unwrap().iter().for_each(|text| hash.update(text.unwrap())),
            _ => column.f64().unwrap().iter().for_each(|number| hash.update(number.unwrap().to_bits().to_le_bytes())),
        }
    }
    hex::encode(hash.finalize())
}
