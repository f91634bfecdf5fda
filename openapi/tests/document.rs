//! The document itself: as checked in, and by the rules.

#[test]
fn the_file_is_what_the_code_generates() {
    let drift = openapi::drift().unwrap();
    assert!(drift.is_empty(), "run `cargo run -p openapi -- write`; what differs:\n{}", drift.join("\n"));
}

#[test]
fn the_document_keeps_every_rule() {
    let document = serde_json::from_str(&openapi::generate().unwrap()).unwrap();
    let findings = openapi::lint(&document);
    assert!(findings.is_empty(), "findings: {}\n{}", findings.len(), findings.join("\n"));
}
