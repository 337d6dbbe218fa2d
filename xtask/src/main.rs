//! Chores of the project: `cargo run -p xtask -- help`.
#![forbid(unsafe_code)]

mod api;

use std::process::ExitCode;

const HELP: &str = "\
cargo run -p xtask -- CHORE

  api   generate the tables of crates/api from the published API packages
  help  print this text
";

fn main() -> ExitCode {
    let chore = std::env::args().nth(1);
    let result = match chore.as_deref() {
        Some("api") => api::run(),
        None | Some("help") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("no chore is called {other:?}; try help").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
