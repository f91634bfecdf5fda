//! What depends on the time: tests move the clock of the service instead of waiting.
//!
//! The command line uses the machine's clock, and that of a service is never behind it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use api::Limits;
use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveTime, SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::{App, Client, eventually, id};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scoring/tests/examples");
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Returns a client whose token outlives the days that a test lets pass.
fn client(app: &App, tenant: &str) -> Client {
    app.token(tenant, "admin", &["--hours", "2160"])
}

/// Sets the clock to ten minutes before the next day begins in Japan, where the first buyer is. Returns the day that
/// ends.
fn ten_minutes_before_midnight(app: &App) -> NaiveDate {
    let japan = FixedOffset::east_opt(9 * 3600).unwrap();
    let now = DateTime::parse_from_rfc3339(&app.clock.clock().now().to_string()).unwrap().with_timezone(&japan);
    let next =
        now.date_naive() + Days::new(if now.time() < NaiveTime::from_hms_opt(23, 50, 0).unwrap() { 1 } else { 2 });
    let midnight = next.and_time(NaiveTime::MIN).and_local_timezone(japan).unwrap();
    app.clock.advance((midnight - now).to_std().unwrap() - 10 * MINUTE);
    next - Days::new(1)
}

/// Waits until the scores are those of the present data, and returns them.
fn fresh(client: &Client) -> Value {
    eventually("the scores follow", || {
        let answer = client.get("/v1/scores");
        (answer.status == 200 && answer.json["stale"] == false).then_some(answer.json)
    })
}

/// Returns how many runs were requested, whatever their outcome.
fn runs_asked_for(client: &Client) -> usize {
    let jobs = client.get("/v1/jobs?limit=200").json["items"].clone();
    jobs.as_array().unwrap().iter().filter(|job| job["kind"] == "score_run").count()
}

#[test]
fn the_day_turns_over_in_the_time_zone_of_the_buyer() {
    let app = App::start();
    // It is about noon there.
    app.sonae(&["tenant", "create", "other", "--time-zone", "Etc/GMT+3"]);
    let (buyer, other) = (client(&app, "default"), client(&app, "other"));
    let day = ten_minutes_before_midnight(&app);
    let next = day + Days::new(1);
    buyer.supplier("A");
    other.supplier("A");
    let run = buyer.score(&json!({}));
    let run = buyer.get(run["result_url"].as_str().unwrap()).json;
    assert_eq!((&run["as_of"], &run["stale"]), (&json!(day), &json!(false)));
    let run_for = |client: &Client, day: NaiveDate| client.post("/v1/score-runs", &json!({ "as_of": day }));
    let incident = json!({
        "supplier_code": "A", "occurred_on": next, "outcome": "blocked",
    });
    let rows = format!("external_id,supplier_code,occurred_on,outcome,category\nI1,A,{next},blocked,malware\n");
    let import =
        |client: &Client| client.import_csv("kind=incidents&dry_run=true", &rows)["result"]["tables"][0].clone();
    let early = [("#/as_of", "in-the-future")];
    run_for(&buyer, next).is_problem(422, "invalid-body", &early);
    buyer.post("/v1/incidents", &incident).is_problem(422, "invalid-body", &[("#/occurred_on", "in-the-future")]);
    assert_eq!(import(&buyer)["rejected"], 1);

    app.clock.advance(10 * MINUTE);

    assert_eq!(buyer.get("/v1/scores").json["stale"], true);
    buyer.create("/v1/incidents", &incident);
    assert_eq!((&import(&buyer)["rejected"], &import(&other)["rejected"]), (&json!(0), &json!(1)));
    let run = buyer.score(&json!({}));
    assert_eq!(buyer.get(run["result_url"].as_str().unwrap()).json["as_of"], json!(next));
    run_for(&other, next).is_problem(422, "invalid-body", &early);
}

#[test]
fn a_past_day_is_scored_as_known_at_its_end_unless_nothing_was_known_by_then() {
    let app = App::start();
    let buyer = client(&app, "default");
    let day = ten_minutes_before_midnight(&app);
    buyer.supplier("A");
    app.clock.advance(2 * DAY);
    let known_at = |day: NaiveDate| {
        let run = buyer.score(&json!({ "as_of": day }));
        buyer.get(run["result_url"].as_str().unwrap()).json["known_at"].as_str().unwrap().to_owned()
    };
    assert_eq!(known_at(day), format!("{day}T14:59:59.999Z"));
    assert_eq!(known_at(day + Days::new(1)), format!("{}T14:59:59.999Z", day + Days::new(1)));
    // Nothing was known before that day, so it is scored as known now, which is since the latest change.
    let recorded_at = &buyer.get("/v1/suppliers/by-code?code=A").json["recorded_at"];
    assert_eq!(json!(known_at(day - Days::new(1))), *recorded_at);
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let app = App::start();
    let [one, two] = ["1", "2"].map(|hours| app.token("default", "viewer", &["--hours", hours]));
    app.clock.advance(HOUR - 5 * MINUTE);
    assert_eq!((one.get("/v1/suppliers").status, two.get("/v1/suppliers").status), (200, 200));

    app.clock.advance(5 * MINUTE);

    let answer = one.get("/v1/suppliers");
    answer.is_problem(401, "invalid-token", &[]);
    assert!(answer.json["detail"].as_str().unwrap().starts_with("the token has expired"), "{answer:?}");
    assert_eq!(two.get("/v1/suppliers").status, 200);
}

#[test]
fn scores_follow_when_a_day_begins() {
    let app = App::rescoring();
    let buyer = client(&app, "default");
    let day = ten_minutes_before_midnight(&app);
    buyer.supplier("A");
    assert_eq!(fresh(&buyer)["as_of"], json!(day));
    app.clock.advance(10 * MINUTE);
    assert_eq!(fresh(&buyer)["as_of"], json!(day + Days::new(1)));
}

#[test]
fn old_automatic_runs_are_dropped_and_what_people_started_or_exported_stays() {
    let app = App::rescoring();
    let buyer = client(&app, "default");
    let settings = json!({ "keep_daily_days": 2, "keep_monthly_months": 1 });
    assert_eq!(buyer.change("PATCH", "/v1/settings", "*", &settings).status, 200);
    let first = ten_minutes_before_midnight(&app);
    buyer.supplier("A");
    fresh(&buyer);
    let day = |number: u64| first + Days::new(number);
    let mut kept = BTreeSet::new();
    for number in 1..=6 {
        app.clock.advance(DAY);
        // Each run has its own input.
        buyer.supplier(&format!("S{number}"));
        assert_eq!(fresh(&buyer)["as_of"], json!(day(number)));
        match number {
            1 => assert_eq!(buyer.get("/v1/exports/scores.csv").status, 200),
            2 => drop(buyer.score(&json!({}))),
            _ => {}
        }
    }
    // The last of each month that nobody exported is kept for a month.
    let automatic = || (0..=6).filter(|number| *number != 1).map(day);
    let is_last = |day: &NaiveDate| automatic().all(|other| other <= *day || other.month() != day.month());
    kept.extend(automatic().filter(is_last));
    kept.extend([day(1), day(2), day(5), day(6)]);
    let runs = buyer.get("/v1/score-runs?limit=100").json["items"].clone();
    let left: BTreeSet<NaiveDate> =
        runs.as_array().unwrap().iter().map(|run| run["as_of"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(left, kept, "{runs}");
    let left_over = app.sonae(&["prune"]);
    assert!(left_over.contains("automatic runs: 0") && left_over.contains("inputs: 0"), "{left_over}");
}

#[test]
fn an_automatic_run_that_failed_is_asked_for_again_after_five_minutes() {
    let model = std::fs::read_to_string(format!("{EXAMPLES}/other-model/model.toml")).unwrap();
    let unsettled = NamedTempFile::new().unwrap();
    std::fs::write(unsettled.path(), model.replace("max_iterations = 10000", "max_iterations = 3")).unwrap();
    let app = App::with(Limits::default(), Some(unsettled.path().to_owned()), Duration::ZERO);
    app.sonae(&["tenant", "create", "other"]);
    let (buyer, other) = (client(&app, "default"), client(&app, "other"));
    for kind in ["suppliers", "relationships"] {
        let rows = std::fs::read(Path::new(EXAMPLES).join(format!("other-model/{kind}.csv"))).unwrap();
        let job = buyer.import(&format!("kind={kind}"), "text/csv", &rows);
        assert_eq!(job["state"], "succeeded", "{job}");
        if kind == "suppliers" {
            // Otherwise the run that was requested before the relationships may find them, and one more is requested.
            fresh(&buyer);
        }
    }
    eventually("a run fails", || {
        let failed = buyer.get("/v1/jobs?state=failed").json["items"].clone();
        (failed.as_array().unwrap().len() == 1).then_some(())
    });
    let asked_for = runs_asked_for(&buyer);
    app.clock.advance(Duration::from_secs(100));
    // Whenever the other buyer is looked at, this one is too.
    other.supplier("A");
    fresh(&other);
    assert_eq!(runs_asked_for(&buyer), asked_for);

    app.clock.advance(Duration::from_secs(200));

    eventually("it is asked for again", || (runs_asked_for(&buyer) == asked_for + 1).then_some(()));
}

#[test]
fn data_that_never_rests_is_scored_all_the_same() {
    let app = App::with(Limits::default(), None, HOUR);
    let buyer = client(&app, "default");
    let mut changes = 0;
    while buyer.get("/v1/scores").status == 404 {
        assert!(changes < 100, "the scores never follow");
        buyer.import_csv("kind=suppliers", &format!("supplier_code\nS{changes}\n"));
        app.clock.advance(50 * MINUTE);
        changes += 1;
    }
    // Scores follow once ten times the rest period has passed.
    assert!(changes >= 12, "{changes}");
}

#[test]
fn of_an_import_nothing_was_known_before_it_was_committed() {
    const ROWS: usize = 20_000;
    let app = App::start();
    let buyer = client(&app, "default");
    let rows: String = (0..ROWS).map(|row| format!("S{row},架空{row}\n")).collect();
    let file = format!("supplier_code,name\n{rows}");
    let headers = [("content-type", "text/csv")];
    let sent = buyer.send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
    let job = id(&sent.json).to_owned();
    eventually("rows are written", || {
        let job = buyer.get(&format!("/v1/jobs/{job}")).json;
        (job["progress"]["done"].as_u64() > Some(0)).then_some(())
    });
    let meanwhile = app.clock.clock().now();
    assert_eq!(buyer.count("/v1/suppliers"), 0, "it is at work");
    app.clock.advance(HOUR);
    assert_eq!(buyer.ended(&job)["state"], "succeeded");

    let supplier = buyer.get("/v1/suppliers?limit=1&sort=-recorded_at").json["items"][0].clone();
    let recorded_at = supplier["recorded_at"].as_str().unwrap();
    assert!(*recorded_at > *meanwhile.to_string(), "{supplier}");
    assert_eq!(supplier["import_id"], json!(job));
    let path = format!("/v1/suppliers/{}", id(&supplier));
    let count = |query: String| buyer.count(&format!("/v1/suppliers?{query}"));
    buyer.get(&format!("{path}?known_at={meanwhile}")).is_problem(404, "not-found", &[]);
    assert_eq!(count(format!("known_at={meanwhile}")), 0);
    assert_eq!(count(format!("known_at={recorded_at}")), ROWS as u64);
    assert_eq!(count(format!("recorded_since={recorded_at}")), ROWS as u64);
    assert_eq!(count(format!("recorded_since={}", later(recorded_at, 1))), 0);
}

#[test]
fn an_answer_says_from_which_moment_on_a_change_is_known() {
    let app = App::start();
    let buyer = client(&app, "default");
    let made = buyer.create("/v1/suppliers", &json!({ "supplier_code": "A", "name": "甲" }));
    let path = format!("/v1/suppliers/{}", id(&made));
    // These are more than fit into a millisecond: each has a moment of its own.
    let names: Vec<String> = (0..20).map(|number| format!("乙{number}")).collect();
    let changed: Vec<Value> =
        names.iter().map(|name| buyer.change("PATCH", &path, "*", &json!({ "name": name })).json).collect();
    let mut known = "甲";
    for (change, name) in changed.iter().zip(&names) {
        let recorded_at = change["recorded_at"].as_str().unwrap();
        let name_at = |moment: &str| buyer.get(&format!("{path}?known_at={moment}")).json["name"].clone();
        assert_eq!((name_at(&later(recorded_at, -1)), name_at(recorded_at)), (json!(known), json!(name)));
        known = name;
    }
    let versions = buyer.get(&format!("{path}/versions")).json["items"].clone();
    let versions = versions.as_array().unwrap();
    for (newer, older) in versions.iter().zip(&versions[1..]) {
        assert_eq!(newer["recorded_at"], older["superseded_at"]);
    }
    assert_eq!(versions[0]["recorded_at"], changed[19]["recorded_at"]);
    assert_eq!(versions[20]["recorded_at"], made["recorded_at"]);
}

/// Returns a moment `ms` milliseconds later.
fn later(moment: &str, ms: i64) -> String {
    let moment = DateTime::parse_from_rfc3339(moment).unwrap() + TimeDelta::milliseconds(ms);
    moment.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
}
