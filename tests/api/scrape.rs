//! Reads `/metrics`, and the documented list of its metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::support::Client;

/// The content of `/metrics`.
pub(crate) struct Scrape {
    pub(crate) text: String,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Reads `/metrics`.
pub(crate) fn scrape(admin_address: SocketAddr) -> Scrape {
    let admin = Client { address: admin_address, token: None, lang: "en" };
    let answer = admin.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = String::from_utf8(answer.bytes).unwrap();
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect();
    Scrape { text, samples }
}

/// Parses a line such as `name{label="value"} 1`.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value.parse().unwrap())
}

impl Scrape {
    /// Returns the sum of the samples of a name that have these labels, or `None` if there are none.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has_all = |known: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| known.get(*label).is_some_and(|known| known == value))
        };
        let found = self.samples.iter().filter(|(known, of, _)| known == name && has_all(of));
        found.map(|(.., value)| *value).reduce(|sum, value| sum + value)
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} with {labels:?}: {}", self.text))
    }

    /// Returns how many series there are.
    pub(crate) fn series_count(&self) -> usize {
        self.samples.len()
    }

    /// Returns the values of a label.
    pub(crate) fn label_values(&self, label: &str) -> BTreeSet<&str> {
        self.samples.iter().filter_map(|(_, labels, _)| labels.get(label)).map(String::as_str).collect()
    }

    /// Returns the metrics with their types and labels, without those that a histogram adds.
    pub(crate) fn metrics(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut metrics: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for line in types {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(self.text.contains(&format!("# HELP {name} ")), "{name} has no help");
            let before = metrics.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
            assert!(before.is_none(), "{name} has two types: {}", self.text);
        }
        for (name, labels, _) in &self.samples {
            let name = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|name| metrics.get(*name).is_some_and(|(kind, _)| kind == "histogram"))
                .unwrap_or(name);
            let (_, known) = metrics.get_mut(name).unwrap_or_else(|| panic!("{name} has no type"));
            known.extend(labels.keys().filter(|label| *label != "le").cloned());
        }
        metrics
    }
}

/// A metric of the documented list.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) labels: BTreeSet<String>,
    /// `all`, `SQLite`, `PostgreSQL` or `replica`.
    pub(crate) place: String,
}

/// Returns the list in `docs/operate/metrics.md`.
pub(crate) fn listed() -> Vec<Listed> {
    let text = include_str!("../../docs/operate/metrics.md");
    let unquoted = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = text.lines().filter(|line| line.starts_with("| `sonae_") || line.starts_with("| `process_"));
    let listed = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert!(cells.len() == 6 && cells[4].trim().len() > 5, "{row}");
        let labels = cells[2].split(',').map(unquoted).filter(|label| !label.is_empty());
        Listed {
            name: unquoted(cells[0]),
            kind: unquoted(cells[1]),
            labels: labels.collect(),
            place: unquoted(cells[3]),
        }
    });
    listed.collect()
}
