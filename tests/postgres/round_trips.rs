//! How many statements reach the server: by the batch and never by the row, because each one waits for the network.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;

use serde_json::json;
use tests::cluster::Cluster;
use tests::sql::Sql;

use crate::gate::within;
use crate::support::{Client, Data, Process, admin_token, command, id};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];
/// The rows of the smaller of two files; the larger one has twice as many.
const ROWS: usize = 1_000;
/// How many more times a statement may run for the additional rows: some batches, and the statements of other threads.
const MOST: usize = 60;

/// A server that logs every statement, with a service.
struct Logged {
    admin: Sql,
    client: Client,
    service: Process,
    data: Data,
    cluster: Cluster,
}

impl Logged {
    fn start() -> Self {
        let cluster = Cluster::with(&[("log_statement", "all"), ("log_line_prefix", "%u ")]).unwrap();
        let data = Data::on(&cluster.url("postgres"));
        let service = Process::start(&data, &QUIET);
        let client = service.client(&admin_token(&data, "default"));
        let admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
        Self { cluster, data, service, client, admin }
    }

    /// Returns how often each statement runs during `work`.
    fn statements(&mut self, work: impl FnOnce(&Self)) -> HashMap<String, usize> {
        let marks = ["begins", "ends"].map(|mark| format!("SELECT 'the work {mark}'"));
        self.admin.run(&marks[0]).unwrap();
        work(self);
        self.admin.run(&marks[1]).unwrap();
        let log = || fs::read_to_string(self.cluster.log()).unwrap();
        within(10, "logged", || log().contains(&marks[1]));
        let log = log();
        let work = log.rsplit(&marks[0]).next().unwrap().split(&marks[1]).next().unwrap();
        let mut counts = HashMap::new();
        for line in work.lines() {
            // Only those of the service.
            let Some(said) = line.strip_prefix("sonae LOG:  ") else { continue };
            // `execute NAME: SELECT …`, or `statement: SELECT …`.
            let statement =
                said.split_once(": ").filter(|(what, _)| what.starts_with("execute") || *what == "statement");
            if let Some((_, statement)) = statement {
                *counts.entry(statement.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// Waits for the end of a job without asking the service.
    fn ended(&self, job: &str) {
        let database = self.data.url().unwrap().rsplit('/').next().unwrap().to_owned();
        let mut sql = Sql::open(&self.cluster.admin_url(&database)).unwrap();
        let ask = format!("SELECT CASE WHEN finished_at IS NULL THEN '' ELSE state END FROM jobs WHERE id = '{job}'");
        let mut state = String::new();
        within(120, "ended", || {
            state = sql.text(&ask).unwrap();
            !state.is_empty()
        });
        assert_eq!(state, "succeeded");
    }

    /// Imports a file as this client.
    #[track_caller]
    fn import(&self, client: &Client, path: &str, text: &str) {
        let sent = client.send("POST", path, &[("content-type", "text/csv")], Some(text.as_bytes()));
        assert_eq!(sent.status, 202, "{sent:?}");
        self.ended(id(&sent.json));
    }

    /// Scores everything.
    fn score(&self) {
        let run = self.client.post("/v1/score-runs", &json!({}));
        assert_eq!(run.status, 202, "{run:?}");
        self.ended(id(&run.json));
    }

    /// Asserts that no statement runs as many more times as there are more rows when their number is doubled.
    #[track_caller]
    fn asks_by_the_batch(&mut self, what: &str, mut work: impl FnMut(&Self, usize)) {
        let [few, many] = [ROWS, 2 * ROWS].map(|rows| self.statements(|logged| work(logged, rows)));
        assert!(many.values().sum::<usize>() >= 3, "{what}: {many:?}");
        let by_the_row: Vec<_> = many
            .iter()
            .map(|(statement, count)| {
                (count.saturating_sub(few.get(statement).copied().unwrap_or_default()), statement)
            })
            .filter(|(more, _)| *more > MOST)
            .collect();
        assert!(by_the_row.is_empty(), "{what}: {by_the_row:?}");
        // Statements whose texts differ by the row would not be found by that.
        let [few, many] = [few, many].map(|counts| counts.values().sum::<usize>());
        assert!(many < few + 3 * MOST, "{what}: {few} statements for {ROWS} rows, {many} for {}", 2 * ROWS);
    }
}

/// Returns a table with this number of rows, each written with its number.
fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let mut text = format!("{header}\n");
    for number in 0..rows {
        writeln!(text, "{}", row(number)).unwrap();
    }
    text
}

/// A kind of record: its name, its columns, and its rows by their number and the round.
type Kind<'a> = (&'a str, &'a str, &'a dyn Fn(usize, &str) -> String);

#[test]
fn imports_ask_by_the_batch() {
    let mut logged = Logged::start();
    let header = "provider_name,service_name,service_class";
    logged.asks_by_the_batch("services", |logged, rows| {
        let file = logged.data.path().join("services.csv");
        fs::write(&file, table(header, rows, |row| format!("P{},S{row},class_1", row % 50))).unwrap();
        let done = command(&logged.data, &["service", "import", file.to_str().unwrap()]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    });
    // Each kind is sent as new, unchanged, changed, and as everything that there is.
    let kinds: [Kind<'_>; 7] = [
        ("suppliers", "supplier_code,name,corporate_number", &|row, round| {
            // The number of one firm under many codes, names that many have, and numbers that change.
            format!(
                "S{row},架空{}{round},{}",
                row % 700,
                ["1180301018771", "7000012050002"][usize::from(!round.is_empty())]
            )
        }),
        ("relationships", "external_id,upstream_code,criticality,substitutability,item", &|row, round| {
            format!("R{row},S{row},routine,multiple,品{round}")
        }),
        (
            "enrollments",
            "external_id,supplier_code,provider_name,service_name,service_class,starts_on,onsite_response,covered_endpoints",
            &|row, round| format!("E{row},S{row},P{},S{row},class_2,2026-01-01,true,1{round}", row % 50),
        ),
        ("certifications", "external_id,supplier_code,scheme,issued_on,evidence_url", &|row, round| {
            format!("C{row},S{row},isms,2026-01-01,https://example.jp/{round}")
        }),
        (
            "assessments",
            "external_id,supplier_code,control,status,assessed_on,assurance,evidence_url",
            &|row, round| format!("A{row},S{row},mfa,met,2026-01-01,self_reported,https://example.jp/{round}"),
        ),
        ("incidents", "external_id,supplier_code,occurred_on,outcome,count", &|row, round| {
            format!("I{row},S{row},2026-01-01,blocked,1{round}")
        }),
        ("supplier_codes", "system,code,supplier_code", &|row, round| {
            // In the second round each code moves to the next supplier.
            format!("sap,K{row},S{}", (row + round.len()) % ROWS)
        }),
    ];
    for (kind, header, row) in kinds {
        for (round, query) in [("", ""), ("", ""), ("2", ""), ("2", "&mode=replace&confirm=true")] {
            logged.asks_by_the_batch(&format!("{kind} {round} {query}"), |logged, rows| {
                // The smaller file of a replacing import ends half of the records, and the larger one opens them again.
                let file = table(header, rows, |number| row(number, round));
                logged.import(&logged.client, &format!("/v1/imports?kind={kind}&source=a{query}"), &file);
            });
        }
    }
    assert_eq!(logged.client.count("/v1/suppliers"), 2 * ROWS as u64);
    assert!(!logged.service.log().contains("status=500"));
}

#[test]
fn imports_of_providers_ask_by_the_batch() {
    let mut logged = Logged::start();
    let imported =
        logged.client.import_csv("kind=suppliers", &table("supplier_code", 2 * ROWS, |row| format!("S{row}")));
    assert_eq!(imported["state"], "succeeded", "{imported}");
    let assigned = table("supplier_code,provider_name", 2 * ROWS, |row| format!("S{row},事業者"));
    let assigned = logged.client.import_csv("kind=provider_assignments", &assigned);
    assert_eq!(assigned["state"], "succeeded", "{assigned}");
    let made = ["token", "create", "--name", "p", "--role", "provider", "--provider", "事業者"];
    let made = command(&logged.data, &made).output().unwrap();
    let provider = logged.service.client(String::from_utf8(made.stdout).unwrap().trim());
    let send = |logged: &Logged, rows: usize, endpoints: usize, query: &str| {
        let header = "external_id,supplier_code,service_class,starts_on,onsite_response,covered_endpoints";
        let row = |row| format!("E{row},S{row},class_1,2026-01-01,true,{endpoints}");
        let path = format!("/v1/submissions/imports?kind=enrollments{query}");
        logged.import(&provider, &path, &table(header, rows, row));
    };
    logged.asks_by_the_batch("new", |logged, rows| send(logged, rows, 1, ""));
    // What the buyer has changed is compared with what the provider sent before. Only the larger file has these
    // records.
    let first = logged.client.get(&format!("/v1/enrollments?limit={ROWS}")).json;
    let cursor = first["next_cursor"].as_str().unwrap();
    let sent = logged.client.get(&format!("/v1/enrollments?limit={ROWS}&cursor={cursor}")).json;
    for enrollment in sent["items"].as_array().unwrap().iter().step_by(3) {
        let path = format!("/v1/enrollments/{}", id(enrollment));
        let changed = logged.client.change("PATCH", &path, "*", &json!({ "covered_endpoints": 7 }));
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    logged.asks_by_the_batch("changed by the buyer", |logged, rows| send(logged, rows, 2, ""));
    logged.asks_by_the_batch("replaced", |logged, rows| send(logged, rows, 2, "&mode=replace&confirm=true"));
    logged.asks_by_the_batch("listed", |_, rows| {
        let page = provider.get(&format!("/v1/submissions/enrollments?limit={}", rows / 2));
        assert_eq!(page.json["items"].as_array().unwrap().len(), rows / 2, "{page:?}");
    });
}

#[test]
fn lists_look_ups_runs_and_exports_ask_by_the_batch() {
    let mut logged = Logged::start();
    let send = |client: &Client, kind: &str, text: &str| {
        let done = client.import_csv(&format!("kind={kind}&source=a"), text);
        assert_eq!(done["state"], "succeeded", "{done}");
    };
    let rows = 2 * ROWS;
    let suppliers = table("supplier_code,name,network_access", rows, |row| format!("S{row},架空{row},privileged"));
    send(&logged.client, "suppliers", &suppliers);
    let supplies = table("external_id,upstream_code,downstream_code,criticality,substitutability", rows, |row| {
        let downstream = if row == 0 { String::new() } else { format!("S{}", row / 2) };
        format!("R{row},S{row},{downstream},routine,multiple")
    });
    // A supplier cannot supply itself.
    send(&logged.client, "relationships", &supplies.replace("R1,S1,S0,", "R1,S1,,"));
    let incidents =
        table("external_id,supplier_code,occurred_on,outcome", rows, |row| format!("I{row},S{row},2026-01-01,harmful"));
    send(&logged.client, "incidents", &incidents);
    let enrollments = table(
        "external_id,supplier_code,provider_name,service_name,service_class,starts_on,onsite_response",
        rows,
        |row| format!("E{row},S{row},P,S,class_1,2026-01-01,true"),
    );
    send(&logged.client, "enrollments", &enrollments);
    let certifications =
        table("external_id,supplier_code,scheme,issued_on", rows, |row| format!("C{row},S{row},isms,2026-01-01"));
    send(&logged.client, "certifications", &certifications);
    let assessments = table("external_id,supplier_code,control,status,assessed_on,assurance", rows, |row| {
        format!("A{row},S{row},mfa,met,2026-01-01,self_reported")
    });
    send(&logged.client, "assessments", &assessments);
    let refused = logged
        .client
        .import_csv("kind=suppliers", &table("supplier_code,employee_count", rows, |row| format!("N{row},x")));
    let findings = refused["result"]["findings_url"].as_str().unwrap().trim_start_matches("/v1/").to_owned();
    logged.score();

    let lists = [
        "suppliers",
        "relationships",
        "enrollments",
        "certifications",
        "assessments",
        "incidents",
        "scores",
        "jobs",
        "supplier-codes",
        "provider-assignments",
        &findings,
    ];
    for list in lists {
        logged.asks_by_the_batch(list, |logged, rows| {
            let page = logged.client.get(&format!("/v1/{list}?limit={}", rows / 2));
            assert_eq!(page.status, 200, "{page:?}");
        });
    }
    let asked = logged.statements(|logged| {
        let portfolio = logged.client.get("/v1/portfolio");
        assert_eq!(portfolio.json["most_loss"].as_array().unwrap().len(), 10, "{portfolio:?}");
    });
    // Other statements of the process in the meantime concern other tables.
    let of_scores = asked.iter().filter(|(statement, _)| statement.contains("FROM \"score")).map(|(_, count)| count);
    assert!((1..10).contains(&of_scores.sum::<usize>()), "{asked:?}");
    logged.asks_by_the_batch("look-up", |logged, rows| {
        let codes: Vec<_> = (0..rows / 2).map(|row| format!("S{row}")).collect();
        let found = logged.client.post("/v1/scores/lookup", &json!({ "codes": codes }));
        assert_eq!(found.status, 200, "{found:?}");
    });
    logged.asks_by_the_batch("export", |logged, rows| {
        for format in ["csv", "ndjson", "xlsx", "parquet"] {
            let grades = if rows == ROWS { "A,B" } else { "A,B,C,D,E" };
            let file = logged.client.get(&format!("/v1/exports/scores.{format}?grade={grades}"));
            assert_eq!(file.status, 200, "{file:?}");
        }
    });
}

#[test]
fn a_run_asks_by_the_batch() {
    let mut logged = Logged::start();
    logged.asks_by_the_batch("run", |logged, rows| {
        let file = table("supplier_code", rows, |row| format!("S{row}"));
        logged.import(&logged.client, "/v1/imports?kind=suppliers&source=a", &file);
        logged.score();
    });
}

#[test]
fn an_import_after_one_that_was_undone_reads_no_table_again_and_again() {
    const ROWS: usize = 6_000;
    let cluster = Cluster::with(&[("autovacuum", "off")]).unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let folder = data.path().join("files");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("suppliers.csv"), table("supplier_code,name", ROWS, |row| format!("S{row},架空{row}")))
        .unwrap();
    let import = |more: &[&str]| {
        let arguments = [&["import", folder.to_str().unwrap(), "--source", "a"], more].concat();
        command(&data, &arguments).output().unwrap()
    };
    let database = data.url().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut admin = Sql::open(&cluster.admin_url(&database)).unwrap();

    // A trial is undone after its suppliers were written. Then the server vacuums, and believes that the tables are
    // empty.
    assert!(import(&["--dry-run"]).status.success());
    admin.run("VACUUM (ANALYZE, TRUNCATE FALSE) supplier_versions").unwrap();
    let known = "SELECT reltuples::text || ' of ' || (relpages > 50) FROM pg_class WHERE relname = 'supplier_versions'";
    assert_eq!(admin.text(known).unwrap(), "0 of true");

    let done = import(&[]);
    assert!(done.status.success(), "{done:?}");
    let read =
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'supplier_versions'";
    let counted = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'supplier_versions'";
    within(30, "counted", || admin.text(counted).unwrap() == (2 * ROWS).to_string());
    let read: usize = admin.text(read).unwrap().parse().unwrap();
    assert!(read < 10 * ROWS, "{read} rows were read to write {ROWS}");
}
