//! Tags and the directives before a document, which say what tags mean.

use std::collections::HashMap;

use super::scan::Outcome;
use super::stream::Failure;
use super::token::{TagForm, Token};

#[derive(Default)]
pub(super) struct Directives {
    version_seen: bool,
    handles: HashMap<String, String>,
}

impl Directives {
    /// Reads a line that begins with `%`.
    pub(super) fn read(&mut self, token: &Token) -> Outcome<()> {
        let mut words = token.text.split(' ');
        let outcome = match words.next() {
            Some("YAML") => self.version(&words.collect::<Vec<_>>()),
            Some("TAG") => self.tag(&words.collect::<Vec<_>>()),
            _ => Ok(()),
        };
        outcome.map_err(|words| Failure::new(token.mark, words))
    }

    fn version(&mut self, arguments: &[&str]) -> Result<(), String> {
        let [version] = arguments else {
            return Err("YAML directives must have exactly one argument".to_owned());
        };
        if self.version_seen {
            return Err("repeated YAML directive".to_owned());
        }
        let parts = version.split_once(|character: char| !character.is_ascii_digit());
        let number = |text: &str| text.parse::<i32>().ok();
        let read = parts.and_then(|(major, minor)| number(major).zip(number(minor)));
        match read {
            None => Err(format!("bad YAML version: {version}")),
            Some((2.., _)) => Err("YAML major version too large".to_owned()),
            Some(_) => {
                self.version_seen = true;
                Ok(())
            }
        }
    }

    fn tag(&mut self, arguments: &[&str]) -> Result<(), String> {
        let [handle, prefix] = arguments else {
            return Err("TAG directives must have exactly two arguments".to_owned());
        };
        let before = self
            .handles
            .insert((*handle).to_owned(), (*prefix).to_owned());
        match before {
            Some(_) => Err("repeated TAG directive".to_owned()),
            None => Ok(()),
        }
    }

    /// The whole name of a tag.
    pub(super) fn name(&self, token: &Token) -> String {
        let text = &token.text;
        match &token.tag {
            TagForm::NonSpecific => "!".to_owned(),
            TagForm::Verbatim => text.clone(),
            TagForm::Primary => self.handle("!") + text,
            TagForm::Secondary => self.handle("!!") + text,
            TagForm::Named(handle) => self.handle(&format!("!{handle}!")) + text,
        }
    }

    fn handle(&self, handle: &str) -> String {
        match (self.handles.get(handle), handle) {
            (Some(prefix), _) => prefix.clone(),
            (None, "!!") => "tag:yaml.org,2002:".to_owned(),
            (None, handle) => handle.to_owned(),
        }
    }
}
