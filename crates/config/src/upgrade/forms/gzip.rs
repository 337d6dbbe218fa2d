//! The gzip filter, which v3's compressor replaced.

use crate::span::Span;
use crate::text::{Entry, Kind, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

const NAMES: [&str; 2] = ["envoy.gzip", "envoy.filters.http.gzip"];
const COMPRESSOR: &str =
    "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor";
const GZIP: &str = "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip";

/// v2's names of levels and strategies, and v3's.
const VALUES: [(&str, &str, &str); 6] = [
    ("compression_level", "DEFAULT", "DEFAULT_COMPRESSION"),
    ("compression_level", "BEST", "BEST_COMPRESSION"),
    ("compression_level", "SPEED", "BEST_SPEED"),
    ("compression_strategy", "DEFAULT", "DEFAULT_STRATEGY"),
    ("compression_strategy", "HUFFMAN", "HUFFMAN_ONLY"),
    ("compression_strategy", "FILTERED", "FILTERED"),
];

/// Turns a gzip filter into a compressor with the gzip library.
pub(super) fn filter(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if !NAMES.contains(&edit::text(entries, "name")) {
        return;
    }
    let config = edit::take_message(entries, "config")
        .or_else(|| edit::take_message(entries, "typed_config"));
    let (at, key_span) = config
        .as_ref()
        .map_or((entries.len(), Span::NONE), |taken| {
            (taken.at, taken.key_span)
        });
    let Some(name) = edit::find_mut(entries, "name") else {
        return;
    };
    upgrader.changed(
        name.span,
        "name",
        "the gzip filter is `envoy.filters.http.compressor` with the gzip library",
    );
    name.kind = Kind::Str("envoy.filters.http.compressor".into());
    let mut old = match config.map(|taken| taken.value.kind) {
        Some(Kind::Map(old)) => old,
        _ => Vec::new(),
    };
    // The newest v2 has the common part in a compressor of its own.
    if let Some(Kind::Map(common)) =
        edit::take(&mut old, "compressor").map(|taken| taken.value.kind)
    {
        old.extend(common);
    }
    edit::insert(entries, at, "typed_config", key_span, compressor(&mut old));
}

fn compressor(old: &mut Vec<Entry>) -> Node {
    let mut library = vec![("@type", edit::string(GZIP))];
    for name in [
        "memory_level",
        "compression_level",
        "compression_strategy",
        "window_bits",
        "chunk_size",
    ] {
        let Some(mut taken) = edit::take(old, name) else {
            continue;
        };
        let renamed = VALUES
            .iter()
            .find(|value| value.0 == name && taken.value.as_str() == Some(value.1));
        if let Some((_, _, new)) = renamed {
            taken.value = edit::string(new);
        }
        library.push((name, taken.value));
    }
    let library = vec![
        ("name", edit::string("text_optimized")),
        ("typed_config", edit::map(Span::NONE, library)),
    ];
    let mut fields = vec![
        ("@type", edit::string(COMPRESSOR)),
        ("compressor_library", edit::map(Span::NONE, library)),
    ];
    let mut take = |old_name: &str, new_name: &'static str| {
        edit::take(old, old_name).map(|taken| (new_name, taken.value))
    };
    let mut common = Vec::new();
    common.extend(take("content_length", "min_content_length"));
    common.extend(take("content_type", "content_type"));
    if let Some((_, enabled)) = take("runtime_enabled", "enabled") {
        common.push(("enabled", enabled));
    }
    let mut response = Vec::new();
    if !common.is_empty() {
        response.push(("common_config", edit::map(Span::NONE, common)));
    }
    response.extend(take("disable_on_etag_header", "disable_on_etag_header"));
    response.extend(take(
        "remove_accept_encoding_header",
        "remove_accept_encoding_header",
    ));
    if !response.is_empty() {
        fields.push(("response_direction_config", edit::map(Span::NONE, response)));
    }
    edit::map(Span::NONE, fields)
}
