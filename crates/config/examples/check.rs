//! Loads each file named and prints what was found: `cargo run --example check FILE...`.

use nuncio_config::bootstrap::{Input, load};
use nuncio_config::report::Style;

fn main() {
    for path in std::env::args().skip(1) {
        match load(&Input { path: Some(path.clone()), ..Input::default() }) {
            Ok(loaded) => println!("{path}: accepted, {} warnings", loaded.warnings.iter().count()),
            Err(refusal) => println!("{path}: refused\n{}", refusal.render(Style::Plain)),
        }
    }
}
