//! What a step did to a head: the difference between before and after.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::matching::plain;

/// What the value of a header made by chance is called.
const BY_CHANCE: &str = "(made at random)";

/// A header that came, went or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its value before; none if it was not there. Several values are joined for show.
    pub before: Option<String>,
    /// Its value after; none if it is gone.
    pub after: Option<String>,
}

/// A head at one moment: names with their values, in order.
pub(super) struct Snapshot(Vec<(String, Vec<Vec<u8>>)>);

impl Snapshot {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut all: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
        for header in headers.iter() {
            let name = String::from_utf8_lossy(header.name);
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(header.value.to_vec()),
                None => all.push((name.into_owned(), vec![header.value.to_vec()])),
            }
        }
        Snapshot(all)
    }

    /// What changed since, in the order of the headers; what is gone comes first.
    pub(super) fn changes_to(&self, after: &Snapshot) -> Vec<Change> {
        let change = |name: &str| {
            let (before, after) = (self.get(name), after.get(name));
            (before != after).then(|| Change {
                name: name.to_owned(),
                before: before.map(|values| shown(name, values, false)),
                after: after.map(|values| shown(name, values, true)),
            })
        };
        let gone = self.0.iter().filter(|(name, _)| after.get(name).is_none());
        gone.chain(&after.0)
            .filter_map(|(name, _)| change(name))
            .collect()
    }

    fn get(&self, name: &str) -> Option<&Vec<Vec<u8>>> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, values)| values)
    }
}

/// A request id is made by chance, and the one of now means nothing to anybody.
fn shown(name: &str, values: &[Vec<u8>], is_new: bool) -> String {
    if is_new && name == Known::XRequestId.as_str() {
        return BY_CHANCE.to_owned();
    }
    let values: Vec<_> = values.iter().map(|value| plain(value)).collect();
    values.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_came_went_and_changed() {
        let mut headers = HeaderMap::request();
        headers.append(Known::UserAgent, b"old");
        headers.append(Known::Te, b"trailers");
        headers.append(Known::Referer, b"stays");
        let before = Snapshot::of(&headers);
        headers.remove(Known::Te);
        headers.set(Known::UserAgent, b"new");
        headers.append(Known::Via, b"a");
        let change = |name: &str, before: Option<&str>, after: Option<&str>| Change {
            name: name.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        assert_eq!(
            before.changes_to(&Snapshot::of(&headers)),
            [
                change("te", Some("trailers"), None),
                change("user-agent", Some("old"), Some("new")),
                change("via", None, Some("a")),
            ]
        );
    }
}
