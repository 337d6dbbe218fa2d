//! What the scanner makes of a text.

use super::stream::Mark;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directive,
    DocumentStart,
    DocumentEnd,
    ListStart,
    MapStart,
    ListEnd,
    MapEnd,
    Dash,
    FlowListStart,
    FlowMapStart,
    FlowListEnd,
    FlowMapEnd,
    Comma,
    Key,
    Value,
    Anchor,
    Alias,
    Tag,
    Plain,
    Quoted,
    Block,
}

/// Whether a token is one: a key is none before its colon is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Valid,
    Invalid,
    Unverified,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) status: Status,
    pub(super) mark: Mark,
    /// The byte behind it.
    pub(super) end: usize,
    /// A scalar's value, an anchor's name, a tag's handle, a directive's words.
    pub(super) text: String,
    /// A tag's form.
    pub(super) tag: TagForm,
}

/// How a tag is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum TagForm {
    /// `!`
    #[default]
    NonSpecific,
    /// `!<...>`
    Verbatim,
    /// `!name`
    Primary,
    /// `!` at the end of a text, which yaml-cpp takes for `!!`.
    Secondary,
    /// `!handle!name`
    Named(String),
}

impl Token {
    pub(super) fn new(kind: Kind, mark: Mark, end: usize) -> Token {
        Token {
            kind,
            status: Status::Valid,
            mark,
            end,
            text: String::new(),
            tag: TagForm::NonSpecific,
        }
    }

    pub(super) fn with_text(kind: Kind, mark: Mark, end: usize, text: String) -> Token {
        Token {
            text,
            ..Token::new(kind, mark, end)
        }
    }
}
