//! Compares Nuncio's verdicts on real configurations with Envoy's; see `nuncio_tests::corpus`.
#![forbid(unsafe_code)]

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use nuncio_tests::corpus::{self, Agreement};

const USAGE: &str = "usage: corpus [--nuncio PATH] [DIR]

DIR holds verdicts.tsv; the repository's own corpus if none is given.
--nuncio defaults to $NUNCIO_BIN, then to `nuncio` beside this program.";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run() -> io::Result<bool> {
    let mut nuncio = env::var_os("NUNCIO_BIN").map(PathBuf::from);
    let mut directory = corpus::own();
    let mut words = env::args_os().skip(1);
    while let Some(word) = words.next() {
        if word == "--nuncio" {
            nuncio = words.next().map(PathBuf::from);
        } else {
            directory = PathBuf::from(word);
        }
    }
    let nuncio = match nuncio {
        Some(path) => path,
        None => env::current_exe()?.with_file_name("nuncio"),
    };
    let rows = corpus::compare(&directory, &nuncio)?;
    print!("{}", corpus::render(&rows));
    let mut disagreements = rows
        .iter()
        .filter(|row| row.agreement() == Agreement::Disagrees);
    Ok(disagreements.next().is_none())
}
