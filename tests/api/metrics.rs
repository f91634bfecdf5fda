//! What an operator sees at `/metrics`. The list, the alerts and the dashboard name nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::http::Request;

use crate::scrape::{listed, scrape};
use crate::support::{Client, Data, Process, admin_token, agent, id};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];

fn service(data: &Data) -> (Process, Client) {
    let service = Process::start(data, &QUIET);
    let client = service.client(&admin_token(data, "default"));
    (service, client)
}

#[test]
fn the_documented_metrics_are_those_that_are_shown() {
    let data = Data::new();
    let (service, client) = service(&data);
    client.import_csv("kind=suppliers", "supplier_code\nA\n");
    client.score(&json!({}));

    let backend = if data.url().is_some() { "PostgreSQL" } else { "SQLite" };
    let shown = scrape(service.admin_address()).metrics();
    let documented: BTreeMap<_, _> = listed()
        .into_iter()
        .filter(|metric| metric.place == "all" || metric.place == backend)
        .map(|metric| (metric.name, (metric.kind, metric.labels)))
        .collect();
    assert_eq!(shown, documented);
}

#[test]
fn requests_rows_and_jobs_are_counted_by_what_became_of_them() {
    let data = Data::new();
    let (service, client) = service(&data);
    let before = scrape(service.admin_address());
    assert_eq!(before.value("sonae_jobs_ended_total", &[("kind", "import"), ("outcome", "refused")]), 0.0);
    assert_eq!(before.value("sonae_import_rows_total", &[]), 0.0);

    let bad = "supplier_code,employee_count\nA,1\nB,x\n";
    client.import_csv("kind=suppliers&mode=accept_valid", bad);
    client.import_csv("kind=suppliers", bad);
    client.import_csv("kind=suppliers&dry_run=true", "supplier_code\nZ\n");
    client.score(&json!({}));
    client.get("/v1/suppliers");
    client.get("/v1/suppliers?limit=x");
    client.get(&format!("/v1/suppliers/{}", "01999999-9999-7999-8999-999999999999"));

    let after = scrape(service.admin_address());
    for (name, labels, count) in [
        ("sonae_import_rows_total", &[("table", "suppliers"), ("outcome", "created")][..], 1.0),
        ("sonae_import_rows_total", &[("table", "suppliers"), ("outcome", "rejected")], 2.0),
        ("sonae_import_rows_total", &[], 3.0),
        ("sonae_jobs_ended_total", &[("kind", "import"), ("outcome", "partially_succeeded")], 1.0),
        ("sonae_jobs_ended_total", &[("kind", "import"), ("outcome", "refused")], 1.0),
        ("sonae_jobs_ended_total", &[("kind", "import"), ("outcome", "succeeded")], 1.0),
        ("sonae_jobs_ended_total", &[("kind", "score_run"), ("outcome", "succeeded")], 1.0),
        ("sonae_jobs_ended_total", &[], 4.0),
        ("sonae_job_seconds_count", &[("kind", "import")], 3.0),
        ("sonae_score_run_seconds_count", &[], 1.0),
        ("sonae_suppliers_scored_total", &[], 1.0),
        ("sonae_http_requests_total", &[("route", "/v1/suppliers"), ("status", "200")], 1.0),
        ("sonae_http_requests_total", &[("route", "/v1/suppliers"), ("status", "400")], 1.0),
        ("sonae_http_requests_total", &[("route", "/v1/suppliers/{id}"), ("status", "404")], 1.0),
        ("sonae_http_request_seconds_count", &[("route", "/v1/suppliers"), ("method", "GET")], 2.0),
        ("sonae_http_requests_in_flight", &[], 0.0),
        ("sonae_ready", &[], 1.0),
        ("sonae_database_away", &[], 0.0),
    ] {
        assert_eq!(after.value(name, labels), count, "{name} {labels:?}: {}", after.text);
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_threads",
        "sonae_disk_free_bytes",
        "sonae_disk_free_min_bytes",
        "sonae_database_checkouts_total",
        "sonae_database_wait_seconds_total",
    ] {
        assert!(after.value(name, &[]) > 0.0, "{name}: {}", after.text);
    }
}

#[test]
fn a_job_is_shown_with_its_age_while_it_waits_or_runs_and_holds_no_scrape_up() {
    let data = Data::new();
    let (service, client) = service(&data);
    let rows: String = (0..20_000).map(|row| format!("S{row}\n")).collect();
    let file = format!("supplier_code\n{rows}");
    let headers = [("content-type", "text/csv")];
    let sent = client.send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
    assert_eq!(sent.status, 202, "{sent:?}");

    // This must be the first scrape, because its answer is kept for a moment.
    let shown = scrape(service.admin_address());
    assert_eq!(shown.value("sonae_jobs", &[("kind", "import")]), 1.0, "{}", shown.text);
    assert!(shown.value("sonae_jobs_oldest_seconds", &[("kind", "import")]) > 0.0, "{}", shown.text);
    assert_eq!(shown.value("sonae_jobs", &[]), 1.0, "{}", shown.text);
    let path = format!("/v1/jobs/{}", id(&sent.json));
    while client.get(&path).json["finished_at"].is_null() {
        let asked = Instant::now();
        let shown = scrape(service.admin_address());
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        assert_eq!(shown.value("sonae_database_away", &[]), 0.0, "{}", shown.text);
    }
}

#[test]
fn whatever_is_asked_for_adds_no_series_after_the_first_of_its_kind() {
    let data = Data::new();
    let service = Process::start(&data, &QUIET);
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"];
    let agent = agent();
    let ask = |count: usize| {
        for number in 0..count {
            let method = if number % 10 == 9 { format!("M{number}") } else { methods[number % 9].to_owned() };
            let path = match number % 7 {
                0 => format!("/v1/suppliers/{number}"),
                1 => format!("/v1/suppliers/01999999-9999-7999-8999-{number:012}"),
                2 => format!("/v1/suppliers/{number}/{number}"),
                3 => format!("/{number}.php?a={number}"),
                4 => format!("/docs/{number}"),
                5 => format!("/v1/%E5%82%99{number}"),
                _ => format!("/v1/suppliers?limit={number}&a=%22%7B{number}"),
            };
            let request = Request::builder().method(method.as_str()).uri(format!("http://{}{path}", service.address));
            agent.run(request.body(()).unwrap()).unwrap().body_mut().read_to_vec().unwrap();
        }
    };
    // Each method is used with each kind of path.
    ask(9 * 7 * 10);
    let before = scrape(service.admin_address());
    ask(3_000);

    let after = scrape(service.admin_address());
    assert_eq!(after.series_count(), before.series_count(), "{}", after.text);
    assert_eq!(after.value("sonae_http_requests_total", &[]), 3_630.0);
    let expected = ["DELETE", "GET", "PATCH", "POST", "PUT", "other"];
    assert_eq!(after.label_values("method"), BTreeSet::from(expected));
}

#[test]
fn no_label_names_a_buyer_or_a_thing() {
    let data = Data::new();
    let (service, client) = service(&data);
    let supplier = client.supplier("秘密コード");
    client.get(&format!("/v1/suppliers/{}", id(&supplier)));
    client.get("/v1/suppliers/by-code?code=%E7%A7%98%E5%AF%86%E3%82%B3%E3%83%BC%E3%83%89");

    let shown = scrape(service.admin_address());
    for secret in ["秘密", "default", id(&supplier), "%E7"] {
        assert!(!shown.text.contains(secret), "{secret}: {}", shown.text);
    }
    let labels: BTreeSet<String> = shown.metrics().into_values().flat_map(|(_, labels)| labels).collect();
    assert!(!labels.iter().any(|label| label.contains("id") || label.contains("tenant") || label.contains("path")));
}

/// The words of PromQL itself that the files use.
const PROMQL: [&str; 21] = [
    "by",
    "changes",
    "count",
    "group_left",
    "histogram_quantile",
    "ignoring",
    "increase",
    "label_values",
    "max",
    "min",
    "on",
    "rate",
    "sum",
    "topk",
    "up",
    "job",
    "instance",
    "le",
    "and",
    "or",
    "unless",
];

/// Returns the words of an expression that are neither texts, nor times, nor Grafana's variables.
fn words(expression: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut is_text = false;
    let mut is_range = false;
    for character in expression.chars() {
        match character {
            '"' => is_text = !is_text,
            '[' | ']' if !is_text => is_range = character == '[',
            _ if is_text || is_range => {}
            _ => plain.push(character),
        }
    }
    let words =
        plain.split(|character: char| !character.is_ascii_alphanumeric() && character != '_' && character != '$');
    let is_word = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    words.filter(is_word).map(str::to_owned).collect()
}

#[track_caller]
fn names_only_what_is_listed(expression: &str) {
    let metrics = listed();
    let labels: BTreeSet<&String> = metrics.iter().flat_map(|metric| &metric.labels).collect();
    for word in words(expression) {
        let is_metric = metrics.iter().any(|metric| {
            metric.name == word
                || (metric.kind == "histogram"
                    && ["_bucket", "_sum", "_count"].iter().any(|suffix| format!("{}{suffix}", metric.name) == word))
        });
        assert!(
            is_metric || labels.contains(&word) || PROMQL.contains(&word.as_str()),
            "{word} in {expression} is no metric and no label"
        );
    }
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        assert_eq!(expression.matches(open).count(), expression.matches(close).count(), "{expression}");
    }
}

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&file("deploy/prometheus/alerts.yml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).cloned().collect()
}

#[test]
fn the_alerts_are_about_metrics_that_there_are() {
    let alerts = alerts();
    let mut names = BTreeSet::new();
    for alert in &alerts {
        assert!(names.insert(alert["alert"].as_str().unwrap().to_owned()), "{alert} is there twice");
        names_only_what_is_listed(alert["expr"].as_str().unwrap());
        assert!(["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{alert}");
        let runbook = alert["annotations"]["runbook"].as_str().unwrap();
        assert!(runbook.starts_with("docs/operate/runbooks.md#"), "{alert}");
        for text in ["summary", "description"] {
            let text = alert["annotations"][text].as_str().unwrap();
            // Labels in the text are those of the result.
            for label in text.split("$labels.").skip(1) {
                let label: String = label.chars().take_while(|character| character.is_ascii_alphanumeric()).collect();
                names_only_what_is_listed(&label);
            }
        }
    }
    assert!(alerts.len() >= 15, "{}", alerts.len());
    let path = format!("{}/../deploy/prometheus/alerts.yml", env!("CARGO_MANIFEST_DIR"));
    // If Prometheus is installed, it checks the rules itself.
    if let Ok(checked) = Command::new("promtool").args(["check", "rules", &path]).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn the_dashboard_is_about_metrics_that_there_are_and_shows_all_of_them() {
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/sonae.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["title"].is_string() && panel["description"].is_string(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            names_only_what_is_listed(expression);
            shown.extend(words(expression));
        }
    }
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let missing: Vec<_> = listed()
        .into_iter()
        .filter(|metric| !shown.iter().any(|word| word.starts_with(&metric.name)))
        .map(|metric| metric.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[cfg(unix)]
#[test]
fn an_embedded_database_that_is_not_where_it_was_is_shown_as_not_ready() {
    let data = Data::new();
    if data.url().is_some() {
        return;
    }
    let (service, _) = service(&data);
    std::fs::rename(data.path().join("sonae.db"), data.path().join("moved")).unwrap();

    let shown = scrape(service.admin_address());
    assert_eq!(shown.value("sonae_ready", &[]), 0.0, "{}", shown.text);
}
