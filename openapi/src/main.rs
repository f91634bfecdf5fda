//! Writes or checks the API document in both languages.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write"] => openapi::write().map(|()| Vec::new()),
        ["check"] => check(),
        _ => {
            eprintln!("usage: cargo run -p openapi -- write | check");
            return ExitCode::from(2);
        }
    };
    let complaints = outcome.unwrap_or_else(|error| vec![error.to_string()]);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check() -> io::Result<Vec<String>> {
    let mut complaints = Vec::new();
    for lang in openapi::LANGUAGES {
        let drift = openapi::drift(lang)?;
        if !drift.is_empty() {
            complaints.extend(drift);
            complaints
                .push(format!("{} has drifted: run `cargo run -p openapi -- write`", openapi::path(lang).display()));
        }
        complaints.extend(openapi::check(lang)?);
    }
    Ok(complaints)
}
