//! Prints a bootstrap as `/config_dump` would: `cargo run --example dump FILE`.

use nuncio_config::bootstrap::{Input, load};
use nuncio_config::dump::{Options, to_json};
use nuncio_config::report::Style;

fn main() {
    let path = std::env::args().nth(1);
    match load(&Input {
        path,
        ..Input::default()
    }) {
        Ok(loaded) => {
            print!(
                "{}",
                to_json(
                    &loaded.tree,
                    Options {
                        pretty: true,
                        redact: true,
                        defaults: false
                    }
                )
            );
        }
        Err(refusal) => eprint!("{}", refusal.render(Style::Plain)),
    }
}
