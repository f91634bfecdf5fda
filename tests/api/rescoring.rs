//! Automatic scores: when they follow changes, and from which rows that are kept between runs.

use std::time::{Duration, Instant};

use api::Limits;
use serde_json::{Value, json};

use crate::support::{App, Client, etag, eventually, id};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than the service pauses after any run.
const LONG_PAUSE: Duration = Duration::from_secs(301);

/// Starts a service whose scores follow changes as their cost allows, which is the default.
fn app() -> App {
    App::with(Limits::default(), None, None)
}

/// Waits until the scores are those of the present data, and returns them.
fn wait_for_scores(client: &Client) -> Value {
    eventually("the scores follow", || {
        let answer = client.get("/v1/scores");
        (answer.status == 200 && answer.json["stale"] == false).then_some(answer.json)
    })
}

/// Waits for the first scores of a buyer, of which nothing is known yet that would make them cheap.
fn first_scores(app: &App, client: &Client) {
    client.supplier("A");
    app.clock.advance(2 * SECOND);
    wait_for_scores(client);
}

#[test]
fn a_change_is_scored_at_once_and_not_when_the_queue_is_next_polled() {
    let app = app();
    let buyer = app.client("admin");
    first_scores(&app, &buyer);
    let mut number = 0;
    // The queue was polled when the run before ended, and is polled a second later. On a busy machine a run takes that long.
    eventually("a change is scored sooner", || {
        app.clock.advance(LONG_PAUSE);
        number += 1;
        buyer.supplier(&format!("B{number}"));
        let start = Instant::now();
        wait_for_scores(&buyer);
        (start.elapsed() < SECOND / 2).then_some(())
    });
}

#[test]
fn of_a_burst_of_changes_none_is_left_unscored() {
    let app = app();
    let buyer = app.client("admin");
    first_scores(&app, &buyer);
    app.clock.advance(LONG_PAUSE);
    for number in 0..100 {
        buyer.supplier(&format!("B{number}"));
    }
    wait_for_scores(&buyer);
    assert_eq!(buyer.count("/v1/scores"), 101);
}

#[test]
fn after_a_run_that_took_long_there_is_none_for_four_times_as_long() {
    const LONG: Duration = Duration::from_secs(50);
    let app = app();
    app.sonae(&["tenant", "create", "other"]);
    let (buyer, other) = (app.client("admin"), app.client_of("other", "admin"));
    let rows: String = (0..2000).map(|row| format!("S{row}\n")).collect();
    buyer.import_csv("kind=suppliers", &format!("supplier_code\n{rows}"));
    first_scores(&app, &other);
    wait_for_scores(&buyer);
    // The clock is set forward while a run is under way, which makes the run a long one.
    eventually("a run is seen at work", || {
        let job = buyer.post("/v1/score-runs", &json!({})).json;
        let path = format!("/v1/jobs/{}", id(&job));
        eventually("it begins", || (buyer.get(&path).json["state"] != "queued").then_some(()));
        app.clock.advance(LONG);
        let run = buyer.get(buyer.ended(id(&job))["result_url"].as_str().unwrap()).json;
        (run["duration_ms"].as_u64().unwrap() >= 50_000).then_some(())
    });
    buyer.supplier("A");
    app.clock.advance(3 * LONG);
    // Whenever all buyers are looked at because of the other one, this one is too.
    other.supplier("B");
    wait_for_scores(&other);
    assert_eq!(buyer.get("/v1/scores").json["stale"], true);

    app.clock.advance(2 * LONG);

    wait_for_scores(&buyer);
}

#[test]
fn a_buyer_who_has_turned_that_off_is_not_scored_until_it_is_on_again() {
    let app = app();
    let buyer = app.client("admin");
    first_scores(&app, &buyer);
    let set =
        |is_on: bool| buyer.change("PATCH", "/v1/settings", "*", &json!({ "scores_automatically": is_on })).status;
    assert_eq!(set(false), 200);
    app.clock.advance(LONG_PAUSE);
    buyer.supplier("B");
    app.sonae(&["tenant", "create", "other"]);
    let other = app.client_of("other", "admin");
    first_scores(&app, &other);
    assert_eq!(buyer.get("/v1/scores").json["stale"], true);
    assert_eq!(set(true), 200);
    wait_for_scores(&buyer);
}

/// Changes the only record of a kind.
fn patch(client: &Client, kind: &str, change: &Value) {
    let record = client.get(&format!("/v1/{kind}?include_retracted=true")).json["items"][0].clone();
    let answer = client.change("PATCH", &format!("/v1/{kind}/{}", id(&record)), &etag(&record), change);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn what_is_kept_between_runs_gives_the_bits_that_a_reading_of_everything_gives() {
    let mut app = App::start();
    let mut buyer = app.client("admin");
    let mut hashes = Vec::new();
    // The first run uses the rows that are kept; one for a chosen moment reads only the database.
    let mut check = |client: &Client, what: &str, changes_input: bool| {
        let run_of = |body: &Value| client.get(client.score(body)["result_url"].as_str().unwrap()).json;
        let run = run_of(&json!({}));
        let read = run_of(&json!({ "known_at": run["known_at"] }));
        assert_eq!((&run["is_trial"], &read["is_trial"]), (&json!(false), &json!(true)));
        for same in ["input_hash", "supplier_count", "relationship_count", "incident_count"] {
            assert_eq!(run[same], read[same], "{what}: {same}");
        }
        let hash = run["input_hash"].as_str().unwrap().to_owned();
        assert_eq!(hashes.last() != Some(&hash), changes_input, "{what}");
        hashes.push(hash);
    };
    let made: Vec<_> = ["A", "B", "C", "D"].map(|code| buyer.supplier(code)).into();
    let path = |supplier: &Value| format!("/v1/suppliers/{}", id(supplier));
    check(&buyer, "at first", true);
    check(&buyer, "again", false);
    let kinds = [
        (
            "relationships",
            json!({ "upstream_code": "A", "downstream_code": "B", "criticality": "stops_line", "substitutability": "sole" }),
            json!({ "stock_cover_days": 4.5 }),
        ),
        (
            "enrollments",
            json!({ "supplier_code": "A", "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true }),
            json!({ "coverage_share": 0.5 }),
        ),
        (
            "certifications",
            json!({ "supplier_code": "B", "scheme": "isms", "issued_on": "2025-04-01" }),
            json!({ "expires_on": "2028-03-31" }),
        ),
        (
            "assessments",
            json!({ "supplier_code": "A", "control": "mfa", "status": "met", "assessed_on": "2026-04-01", "assurance": "self_reported" }),
            json!({ "status": "not_met" }),
        ),
        (
            "incidents",
            json!({ "supplier_code": "A", "occurred_on": "2026-04-01", "outcome": "blocked" }),
            json!({ "count": 12 }),
        ),
    ];
    for (kind, body, change) in &kinds {
        let created = buyer.create(&format!("/v1/{kind}"), body);
        check(&buyer, &format!("{kind}: created"), true);
        patch(&buyer, kind, change);
        check(&buyer, &format!("{kind}: changed"), true);
        let record = format!("/v1/{kind}/{}", id(&created));
        buyer.change("POST", &format!("{record}/retract"), "*", &json!({ "reason": "誤り" }));
        check(&buyer, &format!("{kind}: retracted"), true);
        buyer.act("POST", &format!("{record}/restore"), "*");
        check(&buyer, &format!("{kind}: restored"), true);
    }
    buyer.change("PATCH", &path(&made[1]), "*", &json!({ "employee_count": 4000 }));
    check(&buyer, "a supplier changed", true);
    buyer.change("PATCH", &path(&made[1]), "*", &json!({ "supplier_code": "0" }));
    check(&buyer, "a supplier has another code, and so another row", true);
    buyer.change("POST", &format!("{}/merge", path(&made[0])), "*", &json!({ "into_id": id(&made[2]) }));
    check(&buyer, "merged", true);
    buyer.act("POST", &format!("{}/unmerge", path(&made[0])), "*");
    check(&buyer, "taken apart", true);
    buyer.act("POST", &format!("{}/archive", path(&made[3])), "*");
    check(&buyer, "archived", true);
    buyer.act("POST", &format!("{}/restore", path(&made[3])), "*");
    check(&buyer, "back again", true);
    let rows: String = (0..300).map(|row| format!("I{row},A,2026-03-0{},blocked\n", row % 9 + 1)).collect();
    buyer.import_csv("kind=incidents&source=siem", &format!("external_id,supplier_code,occurred_on,outcome\n{rows}"));
    check(&buyer, "imported", true);
    buyer.import_csv("kind=suppliers", "supplier_code,employee_count\nA,77\nE,88\n");
    check(&buyer, "one supplier changed and one added by a file", true);

    // A supplier that no run has scored can be deleted, although its row was kept.
    let gone = buyer.supplier("Z");
    buyer.act("POST", &format!("{}/archive", path(&gone)), "*");
    check(&buyer, "archived before it was scored", false);
    assert_eq!(buyer.act("DELETE", &path(&gone), "*").status, 204);
    buyer.supplier("Z");
    check(&buyer, "deleted, and another one with its code", true);

    app.start_again();
    buyer = app.client("admin");
    check(&buyer, "in a process that has kept nothing", false);
    buyer.change("PATCH", &path(&made[2]), "*", &json!({ "employee_count": 5 }));
    check(&buyer, "changed there", true);
}
