//! Compares two reports and shows the difference line by line.

use std::fmt::Write as _;

use crate::report::Report;

/// A section that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Name of the section: an exchange, a log or the counters.
    pub section: String,
    /// Lines with `-` as pinned, with `+` as seen now.
    pub lines: String,
}

/// All sections in which `seen` differs from `pinned`.
#[must_use]
pub fn differences(pinned: &Report, seen: &Report) -> Vec<Difference> {
    let mut names: Vec<&str> = pinned
        .sections
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for (name, _) in &seen.sections {
        if pinned.section(name).is_none() {
            names.push(name);
        }
    }
    let mut found = Vec::new();
    for name in names {
        let (before, after) = (pinned.section(name), seen.section(name));
        if before != after {
            let lines = diff(before.unwrap_or_default(), after.unwrap_or_default());
            found.push(Difference {
                section: name.to_owned(),
                lines,
            });
        }
    }
    found
}

/// A line diff by longest common subsequence. Sections are short, so the square cost is fine.
fn diff(before: &str, after: &str) -> String {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let width = new.len() + 1;
    let mut common = vec![0_usize; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let mut text = String::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let same = i < old.len() && j < new.len() && old[i] == new[j];
        let drop_old = j >= new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]);
        if same {
            let _ = writeln!(text, "    {}", old[i]);
            i += 1;
            j += 1;
        } else if drop_old {
            let _ = writeln!(text, "  - {}", old[i]);
            i += 1;
        } else {
            let _ = writeln!(text, "  + {}", new[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_are_kept_and_changed_ones_marked() {
        assert_eq!(
            diff("a\nb\nc\n", "a\nx\nc\n"),
            "    a\n  - b\n  + x\n    c\n"
        );
    }

    #[test]
    fn a_missing_section_is_a_difference() {
        let mut pinned = Report::default();
        pinned.push("one", "a\n");
        assert_eq!(differences(&pinned, &Report::default()).len(), 1);
        assert!(differences(&pinned, &pinned).is_empty());
    }
}
