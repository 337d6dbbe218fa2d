//! The conditions of a listener's filter chains: no two alike, and each as Envoy takes it.

use std::collections::HashMap;
use std::net::IpAddr;

use nuncio_config::dump::{Options, to_json};
use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

/// Compares all chains of a listener, which is called by its address.
pub(super) fn check(listener: &Message, address: &str, checker: &mut Checker<'_>) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for chain in listener.children("filter_chains") {
        let name = chain.text("name").map_or("", |(name, _)| name);
        let conditions = chain.child("filter_chain_match");
        if let Some(conditions) = conditions {
            server_names(conditions, address, checker);
            ranges(conditions, checker);
        }
        if chain.is_refused("filter_chain_match") {
            continue;
        }
        let shown = conditions.map_or("{}".to_owned(), |conditions| {
            to_json(conditions, Options::default())
        });
        match seen.get(&shown) {
            Some(other) => {
                let text = format!(
                    "error adding listener '{address}': filter chain '{name}' has the same matching rules defined as '{other}'. duplicate matcher is: {shown}"
                );
                let place = match conditions {
                    Some(conditions) => conditions.span,
                    None => chain.span,
                };
                checker.error(place, text);
            }
            None => {
                seen.insert(shown, name);
            }
        }
    }
}

fn server_names(conditions: &Message, address: &str, checker: &mut Checker<'_>) {
    for (name, span) in conditions.texts("server_names") {
        let rest = name.strip_prefix("*.").unwrap_or(name);
        if rest.contains('*') {
            let text = format!(
                "error adding listener '{address}': partial wildcards are not supported in \"server_names\""
            );
            checker
                .error(span, text)
                .note("a wildcard stands for the whole first label: `*.example.com`");
        }
    }
}

fn ranges(conditions: &Message, checker: &mut Checker<'_>) {
    let fields = [
        "prefix_ranges",
        "source_prefix_ranges",
        "direct_source_prefix_ranges",
    ];
    for range in fields
        .into_iter()
        .flat_map(|field| conditions.children(field))
    {
        if let Some((address, span)) = range.text("address_prefix")
            && address.parse::<IpAddr>().is_err()
        {
            checker.error(span, format!("malformed IP address: {address}"));
        }
    }
}
