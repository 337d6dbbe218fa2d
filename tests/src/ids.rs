//! Random ids of traces in what is shown: each has a name by the order in which the exchanges show it, and entries of
//! receivers are sorted, since reports may come in any order.

use std::io;

use regex::Regex;

use nuncio_testkit::mask::Masks;

use crate::case::Case;
use crate::report::Report;
use crate::setup::Setup;

/// Names the ids, and shows the entries.
///
/// # Errors
/// If the pattern of an id is none.
pub(crate) fn name(
    case: &Case,
    setup: &Setup,
    masks: &Masks,
    report: &mut Report,
) -> io::Result<()> {
    if setup.receivers.is_empty() {
        return Ok(());
    }
    let pattern = Regex::new(r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b").map_err(io::Error::other)?;
    // Datadog writes ids as decimal numbers, and the time into the first half of long ones.
    let time = Regex::new(r#"(_dd\.p\.tid(?:=|: "))([0-9a-f]{16})\b"#).map_err(io::Error::other)?;
    let decimal = Regex::new(r"(x-datadog-(?:trace|parent)-id: )([0-9]+)\b");
    let decimal = decimal.map_err(io::Error::other)?;
    let known = format!("{:?}", case.exchanges);
    let mut names: Vec<String> = Vec::new();
    // With names for new ids, or without.
    let mut named = |text: &str, only_known: bool| {
        let text = time.replace_all(text, |found: &regex::Captures<'_>| {
            match known.contains(&found[2]) {
                true => found[0].to_owned(),
                false => format!("{}<time>", &found[1]),
            }
        });
        let text = decimal.replace_all(&text, |found: &regex::Captures<'_>| {
            match found[2].parse::<u64>() {
                Ok(id) if !known.contains(&found[2]) => format!("{}{id:016x}", &found[1]),
                _ => found[0].to_owned(),
            }
        });
        let shown = pattern.replace_all(&text, |found: &regex::Captures<'_>| {
            let id = &found[0];
            if known.contains(id) {
                return id.to_owned();
            }
            // Zipkin's short ids are the second half of long ones.
            let at = names.iter().position(|name| name == id);
            let at = match at {
                None if only_known => return "<id>".to_owned(),
                None => {
                    names.push(id.to_owned());
                    names.len() - 1
                }
                Some(at) => at,
            };
            format!("<id {} of {} bytes>", at + 1, id.len() / 2)
        });
        shown.into_owned()
    };
    for (section, text) in &mut report.sections {
        if !section.starts_with('(') {
            *text = named(text, false);
        }
    }
    for (receiver, running) in &setup.receivers {
        let mut entries: Vec<_> = running.entries();
        entries.sort_by_cached_key(|entry| masks.apply(&named(entry, true)));
        let shown: String = entries.iter().map(|entry| named(entry, false)).collect();
        let title = format!("(receiver {receiver})");
        let section = report.sections.iter_mut().find(|(name, _)| *name == title);
        if let Some((_, text)) = section {
            text.push_str(&shown);
        }
    }
    for (section, text) in &mut report.sections {
        if section.starts_with("(access log") {
            *text = named(text, false);
        }
    }
    Ok(())
}
