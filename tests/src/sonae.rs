//! The command `sonae` as the tests run it.

fn main() -> std::process::ExitCode {
    api::cli::main()
}
