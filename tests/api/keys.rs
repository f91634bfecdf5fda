//! The keys that tokens are signed with, changed by the command while the service runs.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{App, Client};

/// Returns the ids of the keys, the oldest first.
fn keys(app: &App) -> Vec<String> {
    let listed = app.sonae(&["key", "list"]);
    listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Waits until a token is refused.
fn is_refused(client: &Client) {
    let start = Instant::now();
    while client.get("/v1/suppliers").status == 200 {
        assert!(start.elapsed() < Duration::from_secs(60), "the token is not refused");
    }
    client.get("/v1/suppliers").is_problem(401, "invalid-token", &[]);
}

#[test]
fn a_new_key_signs_at_once_and_tokens_of_the_old_one_stay_good() {
    let app = App::start();
    let old = app.client("viewer");
    let made = app.sonae(&["key", "rotate"]);

    let new = app.client("viewer");
    assert_eq!((new.get("/v1/suppliers").status, old.get("/v1/suppliers").status), (200, 200));
    let public = app.stranger().get("/.well-known/jwks.json").json;
    let ids: Vec<_> = public["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(ids, keys(&app));
    assert!(made.starts_with(ids[1]), "{made}");
}

#[test]
fn a_page_that_was_begun_before_a_key_was_made_goes_on() {
    let app = App::start();
    let analyst = app.analyst();
    for code in ["A", "B"] {
        analyst.supplier(code);
    }
    let first = analyst.get("/v1/suppliers?limit=1");
    app.sonae(&["key", "rotate"]);
    // The service reads the new key.
    assert_eq!(app.client("viewer").get("/v1/suppliers").status, 200);

    let cursor = first.json["next_cursor"].as_str().unwrap();
    let next = analyst.get(&format!("/v1/suppliers?limit=1&cursor={cursor}"));
    assert_eq!((next.status, &next.json["items"][0]["supplier_code"]), (200, &json!("B")), "{next:?}");
}

#[test]
fn a_retired_key_is_gone_from_a_running_service() {
    let app = App::start();
    let old = app.client("viewer");
    app.sonae(&["key", "rotate"]);
    let new = app.client("viewer");
    assert_eq!(new.get("/v1/suppliers").status, 200);

    app.sonae(&["key", "retire", &keys(&app)[0], "--now"]);
    is_refused(&old);
    assert_eq!(new.get("/v1/suppliers").status, 200);
}

#[test]
fn a_key_whose_tokens_may_be_in_use_and_the_one_that_signs_are_not_retired() {
    let app = App::start();
    let viewer = app.client("viewer");
    let refused = |id: &str, more: &[&str]| {
        let done = crate::support::command(&app.data, &[&["key", "retire", id], more].concat()).output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(refused(&keys(&app)[0], &["--now"]).contains("run `sonae key rotate` first"));
    app.sonae(&["key", "rotate"]);
    assert!(refused(&keys(&app)[0], &[]).contains("add --now"));
    assert!(refused("x", &["--now"]).contains("there is no key x"));
    assert_eq!(viewer.get("/v1/suppliers").status, 200);
}
