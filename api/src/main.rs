//! The command `sonae`.

fn main() -> std::process::ExitCode {
    api::cli::main()
}
