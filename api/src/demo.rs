//! The made-up portfolio of `sonae demo`, as files to import: 1,117 firms that do not exist, in the proportions of the
//! お助け隊 demonstration project of FY2020. The bytes are the same each time.

mod assessments;
mod chain;
mod draw;
mod evidence;
mod firms;
mod incidents;
mod names;
mod trades;

use std::io;
use std::path::Path;

use chrono::{Months, NaiveDate};
use serde::Serialize;

use draw::Draw;

/// The day for which the portfolio is scored; nothing in it happened later.
pub(crate) const AS_OF: NaiveDate = match NaiveDate::from_ymd_opt(2026, 9, 30) {
    Some(day) => day,
    // The day exists in the calendar.
    None => unreachable!(),
};

/// Returns the first day of a month of the made-up year, from 2025-10-01 (0) to 2026-09-30.
fn month(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 10, 1).unwrap_or(AS_OF) + Months::new(number)
}

/// Writes `suppliers.csv` and its five companion files to a folder.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    // Each file has a seed of its own. Other seeds would do too; with these all five grades occur.
    let firms = firms::firms(&mut Draw::new(1));
    let enrollments = evidence::enrollments(&mut Draw::new(3), &firms);
    let certifications = evidence::certifications(&mut Draw::new(4), &firms);
    let assessments = assessments::assessments(&mut Draw::new(5), &firms, &enrollments, &certifications);
    table(folder, "suppliers.csv", &firms)?;
    table(folder, "relationships.csv", &chain::relationships(&mut Draw::new(2), &firms))?;
    table(folder, "certifications.csv", &certifications)?;
    table(folder, "assessments.csv", &assessments)?;
    table(folder, "incidents.csv", &incidents::incidents(&mut Draw::new(9), &firms, &enrollments))?;
    table(folder, "enrollments.csv", &enrollments)
}

fn table<T: Serialize>(folder: &Path, name: &str, rows: &[T]) -> io::Result<()> {
    let mut file = csv::Writer::from_path(folder.join(name))?;
    for row in rows {
        file.serialize(row)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
    use std::fs;

    use schema::CorporateNumber;
    use scoring::{Model, Summary};
    use tempfile::TempDir;

    use super::*;

    const FILES: [&str; 6] = [
        "suppliers.csv",
        "relationships.csv",
        "enrollments.csv",
        "certifications.csv",
        "assessments.csv",
        "incidents.csv",
    ];

    type Row = HashMap<String, String>;

    fn written() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        folder
    }

    fn rows(folder: &TempDir, name: &str) -> Vec<Row> {
        let mut file = csv::Reader::from_path(folder.path().join(name)).unwrap();
        file.deserialize().collect::<Result<_, _>>().unwrap()
    }

    /// Returns whom each firm supplies. `""` is the buyer.
    fn supplied(folder: &TempDir) -> BTreeMap<String, Vec<String>> {
        let mut supplied: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows(folder, "relationships.csv") {
            supplied.entry(row["upstream_code"].clone()).or_default().push(row["downstream_code"].clone());
        }
        supplied
    }

    #[test]
    fn the_proportions_are_those_of_the_demonstration_project() {
        let folder = written();
        let incidents = rows(&folder, "incidents.csv");
        let sum = |category, outcome| -> u64 {
            let fits = |row: &&Row| row["category"] == category && row["outcome"] == outcome;
            incidents.iter().filter(fits).map(|row| row["count"].parse::<u64>().unwrap()).sum()
        };
        let enrollments = rows(&folder, "enrollments.csv");
        let enrolled: BTreeSet<_> = enrollments.iter().map(|row| &row["supplier_code"]).collect();
        assert_eq!((rows(&folder, "suppliers.csv").len(), enrolled.len()), (1_117, 1_117));
        assert_eq!(sum("suspicious_access", "blocked"), 181_536);
        assert_eq!(sum("malware", "contained"), 1_345);
        assert_eq!(incidents.iter().filter(|row| row["outcome"] == "harmful").count(), 45);
    }

    #[test]
    fn names_codes_and_numbers_differ_and_the_numbers_check() {
        let folder = written();
        let suppliers = rows(&folder, "suppliers.csv");
        for column in ["supplier_code", "name", "corporate_number"] {
            assert_eq!(suppliers.iter().map(|row| &row[column]).collect::<BTreeSet<_>>().len(), 1_117, "{column}");
        }
        for row in &suppliers {
            CorporateNumber::parse(&row["corporate_number"]).unwrap();
            assert!(row["kana"].chars().all(|letter| ('ァ'..='ー').contains(&letter)), "{}", row["kana"]);
        }
        for name in &FILES[1..] {
            let rows = rows(&folder, name);
            assert_eq!(rows.iter().map(|row| &row["external_id"]).collect::<BTreeSet<_>>().len(), rows.len(), "{name}");
        }
    }

    #[test]
    fn nothing_happened_after_the_day() {
        let folder = written();
        let last = format!("{AS_OF}T23:59:59+09:00");
        let columns = [
            "reports_incidents_since",
            "starts_on",
            "issued_on",
            "assessed_on",
            "occurred_on",
            "detected_at",
            "reported_at",
        ];
        for row in FILES.into_iter().flat_map(|name| rows(&folder, name)) {
            for value in columns.into_iter().filter_map(|column| row.get(column)) {
                assert!(*value <= last, "{row:?}");
            }
            assert!(!row.get("scheme").is_some_and(|scheme| scheme.starts_with("scs")), "{row:?}");
        }
    }

    #[test]
    fn what_was_blocked_or_contained_was_watched_in_the_year() {
        let folder = written();
        let enrollments = rows(&folder, "enrollments.csv");
        for row in rows(&folder, "incidents.csv").iter().filter(|row| row["outcome"] != "harmful") {
            let day = &row["occurred_on"];
            let is_active = |enrollment: &Row| {
                let ends_on = &enrollment["ends_on"];
                enrollment["starts_on"] <= *day && (ends_on.is_empty() || day < ends_on)
            };
            let mut own = enrollments.iter().filter(|enrollment| enrollment["supplier_code"] == row["supplier_code"]);
            assert!(day.as_str() >= "2025-10-01" && own.any(is_active), "{row:?}");
        }
    }

    #[test]
    fn a_third_is_assessed_mostly_by_its_own_word_and_as_often_in_place_as_the_model_says() {
        let rows = rows(&written(), "assessments.csv");
        let assessed: BTreeSet<_> = rows.iter().map(|row| &row["supplier_code"]).collect();
        assert!((335..=410).contains(&assessed.len()), "{}", assessed.len());
        let by = |assurance| rows.iter().filter(|row| row["assurance"] == assurance).count();
        let [own, provider, third] = ["self_reported", "verified_by_provider", "verified_by_third_party"].map(by);
        assert!(own > 5 * provider && provider > third && third > 20, "{own} {provider} {third}");
        let percent = |control| {
            let asked = || rows.iter().filter(move |row| row["control"] == control && row["total_score"].is_empty());
            100 * asked().filter(|row| row["status"] == "met").count() / asked().count()
        };
        // More than have them: the word of a firm is often too good.
        for (control, low, high) in
            [("mfa", 25, 45), ("hardening", 20, 40), ("remote_access", 50, 75), ("backup", 25, 45)]
        {
            assert!((low..=high).contains(&percent(control)), "{control}: {}", percent(control));
        }
        let verdicts = rows.iter().map(|row| (&row["supplier_code"], &row["control"], &row["assurance"]));
        assert_eq!(verdicts.clone().collect::<BTreeSet<_>>().len(), verdicts.count());
        assert!(rows.iter().any(|row| !row["expires_on"].is_empty() && row["expires_on"] < AS_OF.to_string()));
        for row in rows {
            assert_ne!(row["status"].is_empty(), row["total_score"].is_empty(), "{row:?}");
            assert_eq!(row["assurance"] == "self_reported", row["assessor_name"].is_empty(), "{row:?}");
        }
    }

    #[test]
    fn the_chain_has_four_tiers_and_leaves_three_firms_out() {
        let folder = written();
        let mut suppliers_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (upstream, downstream) in supplied(&folder) {
            downstream.into_iter().for_each(|code| suppliers_of.entry(code).or_default().push(upstream.clone()));
        }
        let (mut tiers, mut queue) = (BTreeMap::from([(String::new(), 0)]), VecDeque::from([String::new()]));
        while let Some(code) = queue.pop_front() {
            let tier = tiers[&code] + 1;
            for upstream in suppliers_of.get(&code).into_iter().flatten() {
                if !tiers.contains_key(upstream) {
                    tiers.insert(upstream.clone(), tier);
                    queue.push_back(upstream.clone());
                }
            }
        }
        assert_eq!((suppliers_of[""].len(), tiers.values().max(), tiers.len()), (220, Some(&4), 1 + 1_117 - 3));
    }

    #[test]
    fn the_only_circle_is_of_three_firms() {
        let mut left = supplied(&written());
        loop {
            // A firm that supplies none of those left, or that none of those left supplies, is in no circle.
            let supplied: BTreeSet<String> = left.values().flatten().cloned().collect();
            let codes: BTreeSet<String> = left.keys().filter(|code| supplied.contains(*code)).cloned().collect();
            let before = left.len();
            left.retain(|code, _| codes.contains(code));
            left.values_mut().for_each(|downstream| downstream.retain(|code| codes.contains(code)));
            left.retain(|_, downstream| !downstream.is_empty());
            if left.len() == before {
                break;
            }
        }
        assert_eq!(left.len(), 3, "{left:?}");
        let (first, next) = left.iter().next().unwrap();
        assert!(left.values().all(|downstream| downstream.len() == 1) && left[&left[&next[0]][0]][0] == *first);
    }

    #[test]
    fn the_same_bytes_are_written_each_time() {
        let (one, other) = (written(), written());
        for name in FILES {
            assert!(fs::read(one.path().join(name)).unwrap() == fs::read(other.path().join(name)).unwrap(), "{name}");
        }
    }

    #[test]
    fn the_scores_spread_over_all_grades() {
        let folder = written();
        let columns = |table| crate::resources::imports::scored_columns(table, false);
        let read = crate::files::folder::read(folder.path(), columns, &|_| {}).map_err(|_| "faults").unwrap();
        let scores = scoring::score(&read.portfolio, &Model::default(), AS_OF).unwrap();
        let grades = Summary::new(&read.portfolio, &scores).unwrap().grades;
        // Grade A takes controls that somebody has verified, which few have.
        assert!((15..50).contains(&grades[0]) && (1..20).contains(&grades[4]), "{grades:?}");
        assert!(grades[1..4].iter().all(|count| *count >= 50), "{grades:?}");
    }
}
