//! Header names and the reason phrase as the peer wrote them, for the
//! `preserve_case` header formatter. A map has none unless the codec asks.

/// The spelling of each name that arrived, and the reason phrase if kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginalCase {
    names: Vec<Box<[u8]>>,
    reason_phrase: Box<[u8]>,
    /// Whether names that the peer did not send are spelled `In-Proper-Words`.
    pub proper_words_for_added: bool,
}

impl OriginalCase {
    /// Remembers a spelling; the first one of a name wins.
    pub fn remember(&mut self, name: &[u8]) {
        if self.find(name).is_none() {
            self.names.push(name.into());
        }
    }

    /// The spelling of `name`, given in any case.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.names
            .iter()
            .map(|spelled| &**spelled)
            .find(|spelled| spelled.eq_ignore_ascii_case(name))
    }

    /// Keeps the reason phrase of a response.
    pub fn set_reason_phrase(&mut self, phrase: &[u8]) {
        self.reason_phrase = phrase.into();
    }

    /// The reason phrase that was kept; empty when none was.
    pub fn reason_phrase(&self) -> &[u8] {
        &self.reason_phrase
    }
}
