//! Which listener a request comes in by, and which of its filter chains takes it.

use std::sync::Arc;

use nuncio_config::tree::Message;

use super::Entry;
use super::places::server_names;
use super::url::Url;

/// A listener's filter chain and why it is the one.
pub(super) struct Choice<'a> {
    pub(super) entry: Entry<'a>,
    /// Why this listener.
    pub(super) how: String,
    /// Why this filter chain.
    pub(super) how_chain: String,
}

impl<'a> Choice<'a> {
    /// The listener of that name; or else the only one, or the one at the URL's port.
    pub(super) fn make(
        entries: &[Entry<'a>],
        tree: &Arc<Message>,
        url: &Url,
        wanted: Option<&str>,
    ) -> Result<Self, String> {
        let (chains, how) = listener(entries, url, wanted)?;
        let (entry, how_chain) = match chains.as_slice() {
            [only] => (*only, "the only one".to_owned()),
            several => by_server_name(several, tree, url)?,
        };
        Ok(Choice {
            entry,
            how,
            how_chain,
        })
    }
}

/// The chains of the listener that is meant, and why it is the one.
fn listener<'a>(
    entries: &[Entry<'a>],
    url: &Url,
    wanted: Option<&str>,
) -> Result<(Vec<Entry<'a>>, String), String> {
    let all = |wanted: &dyn Fn(&Entry<'a>) -> bool| -> Vec<Entry<'a>> {
        entries.iter().copied().filter(wanted).collect()
    };
    if let Some(wanted) = wanted {
        let found = all(&|one| one.listener.name == wanted || one.shown() == wanted);
        return match found.first() {
            Some(_) => Ok((found, "the one that was asked for".to_owned())),
            None => Err(format!(
                "there is no listener `{wanted}`; {}",
                names(entries)
            )),
        };
    }
    let Some(first) = entries.first() else {
        return Err("the configuration has no listeners for HTTP".to_owned());
    };
    if entries.iter().all(|one| one.place == first.place) {
        let beside = match first.port() {
            None => String::new(),
            Some(port) if port == url.port => String::new(),
            Some(_) => format!(", though the URL's port is {}", url.port),
        };
        return Ok((entries.to_vec(), format!("the only one{beside}")));
    }
    let at_port = all(&|one| one.port() == Some(url.port));
    let exact = at_port.iter().filter(|one| one.ip() == url.ip());
    let chosen = exact.chain(&at_port).next().copied();
    let Some(chosen) = chosen else {
        return Err(format!(
            "no listener is at port {} of the URL; say which one is meant (`listener`): {}",
            url.port,
            names(entries)
        ));
    };
    let is_clear = chosen.ip() == url.ip() || at_port.iter().all(|one| one.place == chosen.place);
    if !is_clear {
        return Err(format!(
            "several listeners are at port {}; say which one is meant (`listener`): {}",
            url.port,
            names(entries)
        ));
    }
    let chains = all(&|one| one.place == chosen.place);
    Ok((chains, format!("the one at port {}", url.port)))
}

/// Of several chains the one whose `server_names` has the URL's host: exactly, by the longest wildcard, or by
/// having none. Nothing else of `filter_chain_match` is looked at.
fn by_server_name<'a>(
    chains: &[Entry<'a>],
    tree: &Arc<Message>,
    url: &Url,
) -> Result<(Entry<'a>, String), String> {
    let host = url.host().to_ascii_lowercase();
    // How well a name fits: its length, or nothing for a chain without names.
    let fit = |name: &str| match name.strip_prefix('*') {
        Some(suffix) => {
            (host.len() > suffix.len() && host.ends_with(suffix)).then_some(suffix.len())
        }
        None => (host == name).then_some(usize::MAX),
    };
    let best = chains.iter().filter_map(|one| {
        let names = server_names(tree, one);
        match names.iter().filter_map(|name| fit(name)).max() {
            Some(fit) => Some((fit, "by `server_names`", one)),
            None if names.is_empty() => Some((0, "it takes any server name", one)),
            None => None,
        }
    });
    // Of equals the first counts.
    let best = best.rev().max_by_key(|(fit, ..)| *fit);
    let (_, how, one) = best.ok_or_else(|| {
        format!("no filter chain of the listener has `{host}` among its `server_names`")
    })?;
    let note = "nothing else of `filter_chain_match` is looked at";
    Ok((*one, format!("{how}; {note}")))
}

fn names(entries: &[Entry<'_>]) -> String {
    let mut all: Vec<String> = entries
        .iter()
        .map(|one| format!("`{}` at {}", one.listener.name, one.shown()))
        .collect();
    all.dedup();
    all.truncate(20);
    format!("there are {}", all.join(", "))
}
