//! The portfolio in numbers, compared with what the command prints for the same files and with plain counts.

use serde_json::{Value, json};

use crate::support::{App, Client, id};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scoring/tests/examples/portfolio");

fn imported() -> (App, Client) {
    let app = App::start();
    let analyst = app.analyst();
    for kind in ["suppliers", "relationships", "enrollments", "certifications", "incidents"] {
        let text = std::fs::read_to_string(format!("{EXAMPLE}/{kind}.csv")).unwrap();
        assert_eq!(analyst.import_csv(&format!("kind={kind}"), &text)["state"], "succeeded");
    }
    (app, analyst)
}

fn rows(kind: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(format!("{EXAMPLE}/{kind}.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn count(value: &Value) -> (u64, u64) {
    (value["count"].as_u64().unwrap(), value["of"].as_u64().unwrap())
}

#[test]
fn indicators_are_those_of_the_files() {
    let (_app, analyst) = imported();
    analyst.score(&json!({ "as_of": "2026-09-30" }));
    let portfolio = analyst.get("/v1/portfolio").json;

    let by_grade = |name: &str| -> u64 {
        portfolio[name].as_array().unwrap().iter().map(|grade| grade["supplier_count"].as_u64().unwrap()).sum()
    };
    assert_eq!((by_grade("grades"), by_grade("chain_grades")), (300, 300));
    assert_eq!(count(&portfolio["monitored"]), (78, 300));
    assert_eq!(count(&portfolio["reporting"]), (128, 300));
    assert!((portfolio["expected_annual_loss_jpy"].as_f64().unwrap() - 605_659_058.0).abs() < 1.0);
    let spend: f64 = rows("relationships")
        .iter()
        .filter(|row| row["downstream_code"].is_empty())
        .map(|row| row["annual_spend_jpy"].parse().unwrap_or(0.0))
        .sum();
    assert_eq!(portfolio["annual_spend_jpy"].as_f64().unwrap(), spend);
    for (name, part) in [("monitored_by_tier", "tier"), ("monitored_by_size_class", "size_class")] {
        let items = portfolio[name].as_array().unwrap();
        let sum = |of: &str| items.iter().map(|item| item["monitored"][of].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("count"), sum("of")), (78, 300), "by {part}");
    }
    let active: u64 =
        portfolio["operators"].as_array().unwrap().iter().map(|one| one["enrollment_count"].as_u64().unwrap()).sum();
    let day = "2026-09-30".to_owned();
    let expected = rows("enrollments");
    let expected =
        expected.iter().filter(|row| row["starts_on"] <= day && (row["ends_on"].is_empty() || row["ends_on"] > day));
    assert_eq!(active, expected.count() as u64);
    let most = portfolio["most_loss"].as_array().unwrap();
    let losses: Vec<f64> = most.iter().map(|one| one["expected_annual_loss_caused_jpy"].as_f64().unwrap()).collect();
    assert!(most.len() == 10 && losses.is_sorted_by(|a, b| a >= b), "{losses:?}");
    assert_eq!(most[0]["supplier_code"], "S0000062");
    assert_eq!(
        most[0]["main_loss_reason"],
        "access to the buyer's network (privileged) (0.27 a year × ¥50,000,000 each)"
    );
    let stops = portfolio["stops_tier_1"].as_array().unwrap();
    assert!(
        !stops.is_empty() && stops[0]["tier_1_supplier_count"].as_u64() <= portfolio["tier_1_supplier_count"].as_u64()
    );
}

#[test]
fn controls_are_counted_over_all_suppliers_by_tier_and_by_size_class() {
    let app = App::start();
    let analyst = app.analyst();
    for kind in ["suppliers", "relationships", "assessments"] {
        let text = std::fs::read_to_string(format!("{EXAMPLE}/../assessments/{kind}.csv")).unwrap();
        assert_eq!(analyst.import_csv(&format!("kind={kind}"), &text)["state"], "succeeded");
    }
    analyst.score(&json!({ "as_of": "2026-09-30" }));
    let portfolio = analyst.get("/v1/portfolio").json;

    let controls = portfolio["controls"].as_array().unwrap();
    let names: Vec<_> = controls.iter().map(|known| known["control"].as_str().unwrap()).collect();
    assert_eq!(names, ["mfa", "patching", "hardening", "remote_access", "edr", "backup", "self_assessment"]);
    let counts = |known: &Value| ["known", "met", "verified"].map(|of| known[of]["count"].as_u64());
    assert_eq!(counts(&controls[5]), [Some(17), Some(12), Some(13)]);
    assert_eq!(counts(&controls[6]), [Some(34), None, Some(23)]);
    assert_eq!(count(&controls[5]["known"]), (17, 123));
    for (name, group, groups) in [
        ("controls_by_tier", "tier", portfolio["monitored_by_tier"].as_array().unwrap()),
        ("controls_by_size_class", "size_class", portfolio["monitored_by_size_class"].as_array().unwrap()),
    ] {
        let rows = portfolio[name].as_array().unwrap();
        let found: Vec<_> = rows.iter().map(|row| (&row[group], row["control"].as_str().unwrap())).collect();
        let expected = groups.iter().flat_map(|of| names.iter().map(move |control| (&of[group], *control)));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{name}");
        for all in controls {
            let same = rows.iter().filter(|row| row["control"] == all["control"]);
            let sum = |of: &str, what: &str| same.clone().filter_map(|row| row[of][what].as_u64()).sum::<u64>();
            for of in ["known", "met", "verified"].into_iter().filter(|of| !all[of].is_null()) {
                assert_eq!((sum(of, "count"), sum(of, "of")), count(&all[of]), "{name} {of} {all}");
            }
        }
    }
}

#[test]
fn a_model_of_before_assessments_says_nothing_about_controls() {
    let (app, analyst) = imported();
    analyst.score(&json!({ "as_of": "2026-09-30" }));
    let model = format!("{EXAMPLE}/../../../model-2026.1.toml");
    let line = app.sonae(&["score-run", "start", "--model", &model]);
    let trial = line.split_whitespace().next().unwrap();
    let portfolio = analyst.get(&format!("/v1/portfolio?score_run_id={trial}")).json;

    for name in ["controls", "controls_by_tier", "controls_by_size_class"] {
        assert_eq!(portfolio[name], json!([]), "{name}");
    }
    assert_eq!(
        analyst.get("/v1/portfolio").json["controls"][0]["known"],
        json!({ "count": 0, "of": 300, "share": 0.0 })
    );
}

#[test]
fn verified_contacts_count_for_twelve_months() {
    let app = App::start();
    let analyst = app.analyst();
    let [fresh, old, _] = ["A", "B", "C"].map(|code| analyst.supplier(code));
    let run = analyst.score(&json!({}));
    let today = analyst.get(run["result_url"].as_str().unwrap()).json["as_of"].as_str().unwrap().to_owned();
    for (supplier, day) in [(&fresh, today.as_str()), (&old, "2020-01-01")] {
        let path = format!("/v1/suppliers/{}/incident-contact", id(supplier));
        let body = json!({ "name": "備 花子", "mail_address": "soc@example.jp", "verified_on": day });
        let headers = [("content-type", "application/json")];
        assert!(analyst.send("PUT", &path, &headers, Some(body.to_string().as_bytes())).status < 300);
    }
    analyst.score(&json!({}));

    assert_eq!(count(&analyst.get("/v1/portfolio").json["verified_contacts"]), (1, 3));
}

#[test]
fn the_portfolio_is_followed_over_time() {
    let (_app, analyst) = imported();
    for day in ["2025-09-30", "2026-03-31", "2026-09-30"] {
        analyst.score(&json!({ "as_of": day }));
    }
    let history = analyst.get("/v1/portfolio/history?as_of_gte=2026-01-01&limit=1").json;
    assert_eq!(history["items"][0]["as_of"], "2026-09-30");
    let next = history["next_cursor"].as_str().unwrap();
    let second = analyst.get(&format!("/v1/portfolio/history?as_of_gte=2026-01-01&limit=1&cursor={next}")).json;
    assert_eq!((&second["items"][0]["as_of"], &second["next_cursor"]), (&json!("2026-03-31"), &Value::Null));
    assert_ne!(history["items"][0]["expected_annual_loss_jpy"], second["items"][0]["expected_annual_loss_jpy"]);
}
