//! The way in for fuzzing: no input may make the loader panic, hang or grow without bound.

use nuncio_api as api;

use crate::bootstrap::{BOOTSTRAP, Input, load, load_message};
use crate::diagnostic::Diagnostics;
use crate::dump::{Options, to_json};
use crate::report::{Style, render};
use crate::source::{Format, Source, Sources};
use crate::text::Limits;
use crate::tree::Message;
use crate::wire;

/// Small limits, so that a run stays quick.
const LIMITS: Limits = Limits {
    text_bytes: 1 << 20,
    depth: 100,
    nodes: 100_000,
};

/// Loads the input as a bootstrap, then reports or prints it. The first byte chooses the format (YAML
/// with the upgrade from v2, JSON, protobuf's text and binary formats) and how it is printed.
pub fn fuzz_load(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let text = || String::from_utf8_lossy(rest).into_owned();
    let style = if first & 16 == 0 {
        Style::Plain
    } else {
        Style::Json
    };
    match first % 4 {
        0 => {
            let input = Input {
                yaml: Some(text()),
                limits: LIMITS,
                ..Input::default()
            };
            match load(&input) {
                Ok(loaded) => print(*first, &loaded.tree),
                Err(refusal) => drop(refusal.render(style)),
            }
        }
        1 => from_text(*first, Format::Json, text(), style),
        2 => from_text(*first, Format::ProtoText, text(), style),
        _ => {
            let mut diagnostics = Diagnostics::default();
            let Some(bootstrap) = api::message(BOOTSTRAP) else {
                return;
            };
            if let Some(tree) = wire::decode(bootstrap, rest, &mut diagnostics) {
                print(*first, &tree);
            }
        }
    }
}

fn from_text(first: u8, format: Format, text: String, style: Style) {
    let source = Source::new("input", format, text);
    let mut sources = Sources::default();
    let index = sources.add(source.clone());
    let mut diagnostics = Diagnostics::default();
    let Some(bootstrap) = api::message(BOOTSTRAP) else {
        return;
    };
    if let Some(tree) = load_message(bootstrap, &source, index, &LIMITS, &mut diagnostics) {
        print(first, &tree);
    }
    drop(render(&diagnostics, &sources, style));
}

fn print(first: u8, tree: &Message) {
    let options = Options {
        pretty: first & 4 != 0,
        defaults: first & 8 != 0,
        redact: first & 32 != 0,
    };
    drop(to_json(tree, options));
}

#[cfg(test)]
mod tests {
    use super::fuzz_load;

    #[test]
    fn broken_pieces_of_a_config_never_panic() {
        let yaml = "node: {id: &a \"x\\u00e9\", metadata: {a: *a, b: [1, 0x1f, ~]}}\nadmin:\n- |\n  é\nstats_sinks: !x\n? y";
        let json =
            "{\"node\": {'id': \"\\ud83d\\ude00\", \"metadata\": {\"a\": [1.5e3, null, true]}}}";
        let proto = "node { id: \"a\\377\" metadata { fields { key: \"k\" value { number_value: -1.5e3 } } } } # x";
        for text in [yaml, json, proto] {
            for start in 0..text.len() {
                for end in [text.len(), (start + 7).min(text.len())] {
                    for first in [0_u8, 1, 2, 3, 60, 61, 62, 63] {
                        let mut input = vec![first];
                        input.extend_from_slice(&text.as_bytes()[start..end]);
                        fuzz_load(&input);
                    }
                }
            }
        }
    }
}
