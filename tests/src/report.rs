//! What one run of a case showed, as text: sections that begin with `== NAME`.
//!
//! Each exchange is a section of its name; `(access log FILE)` and `(stats)` follow. A pin is this
//! text, so that comparing two runs is comparing two texts section by section.

/// Named sections in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Name and text of each section.
    pub sections: Vec<(String, String)>,
}

impl Report {
    /// Adds a section.
    pub fn push(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.sections.push((name.into(), text.into()));
    }

    /// Text of a section.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&str> {
        self.sections
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, text)| text.as_str())
    }

    /// As it is kept in a pin file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let sections: Vec<String> = self
            .sections
            .iter()
            .map(|(name, text)| format!("== {name}\n{text}"))
            .collect();
        sections.join("\n")
    }

    /// Reads a pin file.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut report = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("== ") else {
                continue;
            };
            let mut body = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("== ")) {
                body.push_str(line);
                body.push('\n');
            }
            if lines.peek().is_some() && body.ends_with('\n') {
                // The empty line between two sections belongs to neither.
                body.pop();
            }
            report.push(name, body);
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_being_written_and_read() {
        let mut report = Report::default();
        report.push("one", "a\nb\n");
        report.push("two", "");
        report.push("three", "c\n");
        assert_eq!(Report::from_text(&report.to_text()), report);
    }
}
