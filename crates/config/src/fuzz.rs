//! The way in for fuzzing: no input may make the loader panic, hang or grow without bound.

use nuncio_api as api;

use crate::bootstrap::{BOOTSTRAP, load_message};
use crate::diagnostic::Diagnostics;
use crate::dump::{Options, to_json};
use crate::report::{Style, render};
use crate::source::{Format, Source, Sources};
use crate::text::Limits;

/// Small limits, so that a run stays quick.
const LIMITS: Limits = Limits {
    text_bytes: 1 << 20,
    depth: 100,
    nodes: 100_000,
};

/// Loads the input as a bootstrap, then reports or prints it. The first byte chooses YAML or JSON.
pub fn fuzz_load(input: &[u8]) {
    let Some((first, text)) = input.split_first() else {
        return;
    };
    let format = if first % 2 == 0 {
        Format::Yaml
    } else {
        Format::Json
    };
    let source = Source::new("input", format, String::from_utf8_lossy(text).into_owned());
    let mut sources = Sources::default();
    let index = sources.add(source.clone());
    let mut diagnostics = Diagnostics::default();
    let Some(bootstrap) = api::message(BOOTSTRAP) else {
        return;
    };
    if let Some(tree) = load_message(bootstrap, &source, index, &LIMITS, &mut diagnostics) {
        let options = Options {
            pretty: first & 2 != 0,
            defaults: first & 4 != 0,
            redact: first & 8 != 0,
        };
        drop(to_json(&tree, options));
    }
    let style = if first & 16 == 0 {
        Style::Plain
    } else {
        Style::Json
    };
    drop(render(&diagnostics, &sources, style));
}

#[cfg(test)]
mod tests {
    use super::fuzz_load;

    #[test]
    fn broken_pieces_of_a_config_never_panic() {
        let yaml = "node: {id: &a \"x\\u00e9\", metadata: {a: *a, b: [1, 0x1f, ~]}}\nadmin:\n- |\n  é\nstats_sinks: !x\n? y";
        let json =
            "{\"node\": {'id': \"\\ud83d\\ude00\", \"metadata\": {\"a\": [1.5e3, null, true]}}}";
        for text in [yaml, json] {
            for start in 0..text.len() {
                for end in [text.len(), (start + 7).min(text.len())] {
                    for first in [0_u8, 1, 16, 31] {
                        let mut input = vec![first];
                        input.extend_from_slice(&text.as_bytes()[start..end]);
                        fuzz_load(&input);
                    }
                }
            }
        }
    }
}
