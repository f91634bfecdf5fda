//! Tokens: who may do what, and which tokens are invalid.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::support::{App, Client};

/// How long a token counts as valid after it was checked.
const SECOND: Duration = Duration::from_secs(1);

fn with(client: &Client, token: &str) -> Client {
    Client { token: Some(token.to_owned()), ..client.clone() }
}

#[test]
fn a_revoked_token_and_those_of_a_suspended_buyer_are_refused_within_a_second() {
    let app = App::start();
    let viewer = app.client("viewer");
    assert_eq!(viewer.get("/v1/suppliers").status, 200);
    let listed = app.sonae(&["token", "list"]);
    let name =
        listed.lines().find(|line| line.contains("viewer")).unwrap().split_whitespace().next().unwrap().to_owned();

    app.sonae(&["token", "revoke", &name]);
    app.clock.advance(SECOND);
    viewer.get("/v1/suppliers").is_problem(401, "invalid-token", &[]);

    let other = app.client("viewer");
    assert_eq!(other.get("/v1/suppliers").status, 200);
    app.sonae(&["tenant", "suspend", "default"]);
    app.clock.advance(SECOND);
    other.get("/v1/suppliers").is_problem(401, "invalid-token", &[]);
    app.sonae(&["tenant", "resume", "default"]);
    assert_eq!(other.get("/v1/suppliers").status, 200);
}

#[test]
fn what_is_no_token_of_ours_is_refused() {
    let app = App::start();
    let viewer = app.client("viewer");
    let token = viewer.token.clone().unwrap();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let decoded = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).unwrap()).unwrap();
    let encoded = |value: &Value| BASE64.encode(value.to_string());
    let changed = |part: &str, name: &str, value: Value| {
        let mut changed = decoded(part);
        changed[name] = value;
        encoded(&changed)
    };
    let mut cases = vec![
        String::new(),
        "x".to_owned(),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{}", BASE64.encode([0; 64])),
        format!("{header}.{claims}.{signature}AA"),
        format!("{header}.{claims}.{signature}.{signature}"),
        "x".repeat(9000),
        format!("{header}.{}.{signature}", changed(claims, "role", json!("admin"))),
        format!("{header}.{}.{signature}", changed(claims, "exp", json!(9_999_999_999_i64))),
    ];
    for algorithm in ["none", "None", "nOnE", "HS256", "RS256", "ES384"] {
        cases.push(format!("{}.{claims}.{signature}", changed(header, "alg", json!(algorithm))));
        cases.push(format!("{}.{claims}.", changed(header, "alg", json!(algorithm))));
    }
    for (name, value) in [
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("x".repeat(200))),
        ("kid", Value::Null),
        ("typ", json!("JWT")),
        ("jku", json!("https://example.jp/keys")),
        ("crit", json!(["exp"])),
    ] {
        cases.push(format!("{}.{claims}.{signature}", changed(header, name, value)));
    }
    for case in cases {
        with(&viewer, &case).get("/v1/suppliers").is_problem(401, "invalid-token", &[]);
    }
    let answer = app.stranger().get("/v1/suppliers");
    answer.is_problem(401, "invalid-token", &[]);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    for value in ["Basic abc", &token, &format!("Token {token}")] {
        app.stranger().send("GET", "/v1/suppliers", &[("authorization", value)], None).is_problem(
            401,
            "invalid-token",
            &[],
        );
    }
    assert_eq!(viewer.get("/v1/suppliers").status, 200);
}

#[test]
fn a_token_of_another_installation_is_refused() {
    let (app, other) = (App::start(), App::start());
    with(&app.stranger(), &other.client("admin").token.unwrap()).get("/v1/suppliers").is_problem(
        401,
        "invalid-token",
        &[],
    );
}

#[test]
fn the_public_keys_are_served_and_fit_the_tokens() {
    let app = App::start();
    let token = app.client("viewer").token.unwrap();
    let keys = app.stranger().get("/.well-known/jwks.json").json;
    let header: Value = serde_json::from_slice(&BASE64.decode(token.split('.').next().unwrap()).unwrap()).unwrap();

    assert_eq!(
        (&keys["keys"][0]["kid"], &keys["keys"][0]["alg"], &keys["keys"][0]["crv"]),
        (&header["kid"], &json!("ES256"), &json!("P-256"))
    );
    assert_eq!(keys["keys"][0]["d"], Value::Null, "the private part is nobody's business");
    assert_eq!(header["typ"], "at+jwt");
}

#[test]
fn tokens_live_twelve_hours_usually_and_ninety_days_at_most() {
    let app = App::start();
    let life = |token: &str| {
        let claims: Value = serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    let create = |name: &str, hours: &[&str]| {
        app.sonae(&[&["token", "create", "--name", name, "--role", "viewer"], hours].concat())
    };

    assert_eq!(life(&create("a", &[])), 12 * 3600);
    assert_eq!(life(&create("b", &["--hours", "2160"])), 90 * 24 * 3600);
    let refused =
        crate::support::command(&app.data, &["token", "create", "--name", "c", "--role", "viewer", "--hours", "2161"])
            .output()
            .unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn the_same_command_again_makes_another_token_of_a_name_of_its_own() {
    let app = App::start();
    let create = || {
        let arguments = ["token", "create", "--name", "me", "--role", "analyst"];
        let done = crate::support::command(&app.data, &arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        (String::from_utf8(done.stdout).unwrap().trim().to_owned(), String::from_utf8(done.stderr).unwrap())
    };

    let (first, note) = create();
    assert!(!note.contains("already"), "{note}");
    let (second, note) = create();
    assert!(note.contains("\"me 2\""), "{note}");
    let (third, _) = create();

    for (place, token) in [first, second, third].into_iter().enumerate() {
        let client = Client { address: app.address, token: Some(token), lang: "en" };
        let made = client.supplier(&format!("S{place}"));
        assert_eq!(made["recorded_by"], ["me", "me 2", "me 3"][place]);
    }
}

#[cfg(unix)]
#[test]
fn keys_and_data_can_be_read_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let app = App::start();
    let keys = app.data.path().join("keys");
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
    for key in std::fs::read_dir(keys).unwrap().map(Result::unwrap).filter(|key| key.file_name() != ".lock") {
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
