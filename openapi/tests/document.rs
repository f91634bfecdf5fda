//! The document itself: as checked in, and by the rules.

#[test]
fn the_files_are_what_the_code_generates() {
    for lang in openapi::LANGUAGES {
        let drift = openapi::drift(lang).unwrap();
        assert!(drift.is_empty(), "run `cargo run -p openapi -- write`; what differs:\n{}", drift.join("\n"));
    }
}

#[test]
fn the_document_keeps_every_rule() {
    for lang in openapi::LANGUAGES {
        let findings = openapi::check(lang).unwrap();
        assert!(findings.is_empty(), "findings: {}\n{}", findings.len(), findings.join("\n"));
    }
}
