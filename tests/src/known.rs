//! Differences from Envoy that are known and said: `differential/known_differences.tsv`.
//!
//! Three columns: case, section (`*` for all of the case), reason. An entry whose section no
//! longer differs is an error, so that the list only shrinks by being true.

use std::fs;
use std::io;

use crate::case::data_directory;

/// One known difference.
#[derive(Clone, Debug)]
pub struct Known {
    /// Id of the case.
    pub case: String,
    /// Section, or `*`.
    pub section: String,
    /// Why.
    pub reason: String,
}

impl Known {
    /// Whether it speaks of this section of this case.
    #[must_use]
    pub fn covers(&self, case: &str, section: &str) -> bool {
        self.case == case && (self.section == "*" || self.section == section)
    }
}

/// Reads the list.
///
/// # Errors
/// If it cannot be read or a line has not three columns.
pub fn load() -> io::Result<Vec<Known>> {
    let text = fs::read_to_string(data_directory().join("known_differences.tsv"))?;
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [case, section, reason] = columns[..] else {
                return Err(io::Error::other(format!(
                    "known_differences.tsv: not three columns: {line}"
                )));
            };
            Ok(Known {
                case: case.to_owned(),
                section: section.to_owned(),
                reason: reason.to_owned(),
            })
        })
        .collect()
}
