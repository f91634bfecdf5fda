//! Writes or checks the API document.

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
    let complaints = outcome.unwrap_or_else(|error| vec![format!("{}: {error}", openapi::path().display())]);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check() -> io::Result<Vec<String>> {
    let mut complaints = openapi::drift()?;
    if !complaints.is_empty() {
        complaints.push("openapi.json has drifted: run `cargo run -p openapi -- write`".to_owned());
    }
    complaints.extend(openapi::lint(&serde_json::from_str(&openapi::generate()?)?));
    Ok(complaints)
}
