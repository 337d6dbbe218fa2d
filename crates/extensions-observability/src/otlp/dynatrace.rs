//! What Dynatrace's enrichment files say of the resource that reports, read when the configuration is.
//!
//! Limit: 64 KiB of a file. A file that cannot be read says nothing. The first file holds the path of another one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

const LIMIT_BYTES: u64 = 64 << 10;
/// In the working directory, where Dynatrace puts it in front of those who look: it holds a path.
const INDIRECT: &str = "dt_metadata_e617c525669e072eebe3d0f08212e8f2.properties";
const DIRECT: [&str; 2] = [
    "/var/lib/dynatrace/enrichment/dt_metadata.properties",
    "/var/lib/dynatrace/enrichment/dt_host_metadata.properties",
];

/// Adds what the files say; of several the last word counts.
pub(super) fn detect(found: &mut BTreeMap<String, String>) {
    let indirect = read(INDIRECT).and_then(|path| read(&path));
    let direct = DIRECT.iter().map(|path| read(path));
    let texts = std::iter::once(indirect).chain(direct).flatten();
    texts.for_each(|text| found.extend(properties(&text)));
}

fn read(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LIMIT_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines with a name and a value; others say nothing.
fn properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim);
    let pairs = lines.filter_map(|line| {
        let mut parts = line.split('=').filter(|part| !part.is_empty());
        let pair = (parts.next()?.to_owned(), parts.next()?.to_owned());
        parts.next().is_none().then_some(pair)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_two_parts_are_properties() {
        let found = properties(" a=b \r\nc==d\n\ne=\n=f\ng=h=i\nj\nk=l");
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, [("a", "b"), ("c", "d"), ("k", "l")]);
    }
}
