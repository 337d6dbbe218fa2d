//! Loads each file named and prints what was found: `cargo run --example check [--json] FILE...`.

use nuncio_config::bootstrap::{Input, load};
use nuncio_config::report::{Style, render};

fn main() {
    let mut style = Style::Plain;
    for path in std::env::args().skip(1) {
        if path == "--json" {
            style = Style::Json;
            continue;
        }
        match load(&Input {
            path: Some(path.clone()),
            ..Input::default()
        }) {
            Ok(loaded) => {
                print!(
                    "{path}: accepted\n{}",
                    render(&loaded.warnings, &loaded.sources, style)
                );
            }
            Err(refusal) => print!("{path}: refused\n{}", refusal.render(style)),
        }
    }
}
