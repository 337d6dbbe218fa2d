//! The parser: from tokens to nodes.

use std::collections::HashSet;

use super::anchors::{Anchors, Properties, Size};
use super::scan::Scanner;
use super::stream::{Failure, Mark};
use super::tags::Directives;
use super::token::{Kind as Is, Token};
use super::{in_envoys_words, repeated};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;
use crate::text::{Entry, Kind, Limits, Node, scalar};

/// Why a text is refused.
pub(super) enum Trouble {
    /// It is no YAML.
    Yaml(Failure),
    /// Something else is wrong with it.
    Found(Box<Diagnostic>),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Yaml(failure)
    }
}

pub(super) type Outcome<T> = Result<T, Trouble>;

pub(super) struct Parser<'t> {
    pub(super) scanner: Scanner<'t>,
    pub(super) directives: Directives,
    text: &'t str,
    source: u32,
    pub(super) limits: &'t Limits,
    /// The end of the last token that was taken.
    taken_to: usize,
    /// What holds the node being read, innermost last: whether each is a list in brackets.
    holders: Vec<bool>,
    pub(super) anchors: Anchors,
    /// What was read so far, and what aliases repeated of it.
    pub(super) read: Size,
    /// The first key that is no single word or string, outside of what is dropped.
    bad_key: Option<Span>,
    diagnostics: &'t mut Diagnostics,
}

impl<'t> Parser<'t> {
    pub(super) fn new(
        text: &'t str,
        source: u32,
        limits: &'t Limits,
        diagnostics: &'t mut Diagnostics,
    ) -> Parser<'t> {
        Parser {
            scanner: Scanner::new(text),
            directives: Directives::default(),
            text,
            source,
            limits,
            taken_to: 0,
            holders: Vec::new(),
            anchors: Anchors::default(),
            read: Size::default(),
            bad_key: None,
            diagnostics,
        }
    }

    /// Where the innermost bracket stands that is open, and whether it is of a list.
    pub(super) fn open_bracket(&self) -> Option<(bool, usize)> {
        self.scanner.flows.last().copied()
    }

    /// Where the last quoted scalar begins that goes over the end of its line.
    pub(super) fn long_quote(&self) -> Option<Mark> {
        self.scanner.long_quote
    }

    pub(super) fn document(&mut self) -> Outcome<Node> {
        while self.next_is(Is::Directive)? {
            if let Some(token) = self.pop()? {
                self.directives.read(&token)?;
            }
        }
        if self.scanner.peek()?.is_none() {
            return Ok(self.null());
        }
        if self.next_is(Is::DocumentStart)? {
            self.pop()?;
        }
        let (node, _) = self.node(1)?;
        while self.next_is(Is::DocumentEnd)? {
            self.pop()?;
        }
        self.warn_of_rest()?;
        match self.bad_key.take() {
            Some(span) => Err(Trouble::Found(self.complex_key(span))),
            None => Ok(node),
        }
    }

    /// Envoy never looks at what follows, so errors there are no errors.
    fn warn_of_rest(&mut self) -> Outcome<()> {
        if let Some(open) = self.scanner.open_quote {
            let span = self.span(open.at, open.at + 1);
            let text = "this quote is not closed: all to the end of the text belongs to it";
            self.diagnostics.push(Diagnostic::warning(span, text));
        }
        let source = self.source;
        let rest = self.scanner.peek()?.cloned();
        self.scanner.settle_keys()?;
        let Some(token) = rest else {
            return Ok(());
        };
        let span = Span::new(source, token.mark.at, token.mark.at);
        let text = match token.kind {
            Is::DocumentStart | Is::Directive => "only the first YAML document of a file is read",
            _ => "only the first value of a YAML text is read",
        };
        self.diagnostics.push(
            Diagnostic::warning(span, text)
                .with_note("everything from here on is passed over, as Envoy does"),
        );
        Ok(())
    }

    fn next_is(&mut self, kind: Is) -> Outcome<bool> {
        Ok(self.scanner.next_kind()? == Some(kind))
    }

    pub(super) fn pop(&mut self) -> Outcome<Option<Token>> {
        let token = self.scanner.pop()?;
        if let Some(token) = &token {
            self.taken_to = self.end_of(token);
        }
        Ok(token)
    }

    pub(super) fn null(&self) -> Node {
        Node::new(self.span(self.taken_to, self.taken_to), Kind::Null)
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, start, end)
    }

    /// The next node and its tag.
    fn node(&mut self, depth: usize) -> Outcome<(Node, Option<String>)> {
        self.count(1, self.taken_to)?;
        let Some(next) = self.scanner.next_kind()? else {
            return Ok((self.null(), None));
        };
        if next == Is::Value {
            let node = self.collection(depth, Self::pair_without_key)?;
            return Ok((node, None));
        }
        if next == Is::Alias {
            return Ok((self.alias(depth)?, None));
        }
        let outer = self.read;
        let Properties { tag, anchor } = self.properties()?;
        self.read.depth = depth - 1;
        let node = self.content(depth, tag.as_deref())?;
        if let Some(anchor) = anchor {
            self.keep(anchor, &node, outer, depth)?;
        }
        self.read.depth = self.read.depth.max(outer.depth);
        Ok((node, tag))
    }

    fn content(&mut self, depth: usize, tag: Option<&str>) -> Outcome<Node> {
        match self.scanner.next_kind()? {
            Some(Is::Plain | Is::Quoted | Is::Block) => {
                let token = self.pop()?;
                self.read.bytes += token.as_ref().map_or(0, |token| token.text.len());
                Ok(token.map_or_else(|| self.null(), |token| self.scalar(token, tag)))
            }
            Some(Is::FlowListStart) => self.collection(depth, Self::flow_list),
            Some(Is::ListStart) => self.collection(depth, Self::list),
            Some(Is::FlowMapStart) => self.collection(depth, Self::flow_map),
            Some(Is::MapStart) => self.collection(depth, Self::map),
            Some(Is::Key) if self.holders.last() == Some(&true) => {
                self.collection(depth, Self::pair)
            }
            _ => Ok(match tag {
                None => self.null(),
                Some(_) => Node::new(self.null().span, Kind::Str("".into())),
            }),
        }
    }

    fn scalar(&self, token: Token, tag: Option<&str>) -> Node {
        let kind = match (tag, token.kind) {
            // `!` alone says "a string" as quotes do; any other tag is passed over, quotes and all.
            (Some("!"), _) | (None, Is::Quoted | Is::Block) => Kind::Str(token.text.into()),
            (Some(_), _) => scalar::tagged(&token.text),
            (None, _) => scalar::plain(&token.text),
        };
        Node::new(self.span(token.mark.at, self.taken_to), kind)
    }

    fn end_of(&self, token: &Token) -> usize {
        let start = token.mark.at;
        match token.kind {
            // The scanner reads past line ends to see whether the scalar goes on.
            Is::Plain | Is::Block => start + self.slice(start, token.end).trim_end().len(),
            _ => token.end,
        }
    }

    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or("")
    }

    /// Reads a list or map that begins with the next token, or a pair that stands for a map.
    fn collection(
        &mut self,
        depth: usize,
        read: fn(&mut Self, usize) -> Outcome<Kind>,
    ) -> Outcome<Node> {
        let (start, flow_list, is_token) = match self.scanner.peek()? {
            None => (self.taken_to, false, false),
            Some(token) => {
                let is_bracket = matches!(token.kind, Is::FlowListStart | Is::FlowMapStart);
                let is_list = token.kind == Is::FlowListStart;
                (token.mark.at, is_list, is_bracket)
            }
        };
        self.check_depth(depth, start)?;
        self.holders.push(flow_list);
        let kind = read(self, depth)?;
        self.holders.pop();
        let last = match &kind {
            Kind::List(items) => items.last(),
            Kind::Map(entries) => entries.last().map(|entry| &entry.value),
            _ => None,
        };
        let end = match last.filter(|last| last.span.start as usize >= start) {
            Some(last) if !is_token => last.span.end as usize,
            _ => self.taken_to,
        };
        Ok(Node::new(self.span(start, end.max(start)), kind))
    }

    /// A failure at the next token, or where the scanner is if there is none.
    fn at_next<T>(&mut self, words: &str) -> Outcome<T> {
        let mark = self.scanner.peek()?.map(|token| token.mark);
        let mark = mark.unwrap_or_else(|| self.scanner.input.mark());
        Err(Failure::new(mark, words).into())
    }

    fn list(&mut self, depth: usize) -> Outcome<Kind> {
        self.pop()?;
        let mut items = Vec::new();
        loop {
            match self.scanner.next_kind()? {
                Some(Is::ListEnd) => {
                    self.scanner.pop()?;
                    return Ok(Kind::List(items));
                }
                Some(Is::Dash) => drop(self.pop()?),
                _ => return self.at_next("end of sequence not found"),
            }
            items.push(match self.scanner.next_kind()? {
                Some(Is::Dash | Is::ListEnd) => self.null(),
                _ => self.node(depth + 1)?.0,
            });
        }
    }

    fn flow_list(&mut self, depth: usize) -> Outcome<Kind> {
        self.pop()?;
        let mut items = Vec::new();
        loop {
            match self.scanner.next_kind()? {
                None => return self.at_next("end of sequence flow not found"),
                Some(Is::FlowListEnd) => {
                    self.pop()?;
                    return Ok(Kind::List(items));
                }
                Some(_) => items.push(self.node(depth + 1)?.0),
            }
            match self.scanner.next_kind()? {
                Some(Is::Comma) => drop(self.pop()?),
                Some(Is::FlowListEnd) => {}
                _ => return self.at_next("end of sequence flow not found"),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Outcome<Kind> {
        self.pop()?;
        let mut entries = Vec::new();
        loop {
            match self.scanner.next_kind()? {
                Some(Is::MapEnd) => {
                    self.scanner.pop()?;
                    self.drop_repeated(&mut entries);
                    return Ok(Kind::Map(entries));
                }
                Some(Is::Key | Is::Value) => self.entry(depth, &mut entries)?,
                _ => return self.at_next("end of map not found"),
            }
        }
    }

    fn flow_map(&mut self, depth: usize) -> Outcome<Kind> {
        self.pop()?;
        let mut entries = Vec::new();
        loop {
            match self.scanner.next_kind()? {
                None => return self.at_next("end of map flow not found"),
                Some(Is::FlowMapEnd) => {
                    self.pop()?;
                    self.drop_repeated(&mut entries);
                    return Ok(Kind::Map(entries));
                }
                Some(_) => self.entry(depth, &mut entries)?,
            }
            match self.scanner.next_kind()? {
                Some(Is::Comma) => drop(self.pop()?),
                Some(Is::FlowMapEnd) => {}
                _ => return self.at_next("end of map flow not found"),
            }
        }
    }

    /// `key: value` in brackets.
    fn pair(&mut self, depth: usize) -> Outcome<Kind> {
        let mut entries = Vec::new();
        self.entry(depth, &mut entries)?;
        Ok(Kind::Map(entries))
    }

    /// `: value` where a node is expected.
    fn pair_without_key(&mut self, depth: usize) -> Outcome<Kind> {
        self.pair(depth)
    }

    /// A key, if there is one, and its value, if there is one.
    fn entry(&mut self, depth: usize, entries: &mut Vec<Entry>) -> Outcome<()> {
        let bad_before = self.bad_key.is_some();
        let (key, tag) = if self.next_is(Is::Key)? {
            self.pop()?;
            self.node(depth + 1)?
        } else {
            self.count(1, self.taken_to)?;
            (self.null(), None)
        };
        let value = if self.next_is(Is::Value)? {
            self.pop()?;
            self.node(depth + 1)?.0
        } else {
            self.null()
        };
        if tag.as_deref() == Some("!ignore") {
            self.bad_key.take_if(|_| !bad_before);
            return Ok(());
        }
        let Some(name) = self.key_text(&key) else {
            self.bad_key.get_or_insert(key.span);
            return Ok(());
        };
        entries.push(Entry {
            key: name,
            key_span: key.span,
            value,
        });
        Ok(())
    }

    /// A key as it is written, not as what it means: `on` is the key `on`.
    fn key_text(&self, key: &Node) -> Option<Box<str>> {
        let written = self.slice(key.span.start as usize, key.span.end as usize);
        match &key.kind {
            Kind::List(_) | Kind::Map(_) => None,
            Kind::Null => Some("null".into()),
            Kind::Str(text) if !begins_number(written) => Some(text.clone()),
            _ => Some(written.into()),
        }
    }

    fn complex_key(&self, span: Span) -> Box<Diagnostic> {
        let before = self.text.get(..span.start as usize).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let mark = Mark {
            at: span.start as usize,
            line: before.matches('\n').count(),
            column: before.len() - line_start,
        };
        let envoy = in_envoys_words(&Failure::new(mark, "bad conversion"));
        let text = "a key must be a single word or string";
        Box::new(Diagnostic::error(span, text).with_envoy(envoy))
    }

    /// Keeps the last value of each repeated key, and says so.
    fn drop_repeated(&mut self, entries: &mut Vec<Entry>) {
        const FEW: usize = 16;
        let flags: Vec<bool> = if entries.len() <= FEW {
            let later = |at: usize, key: &str| {
                let mut others = entries.iter().skip(at + 1);
                others.any(|other| &*other.key == key)
            };
            let places = entries.iter().enumerate();
            places.map(|(at, entry)| later(at, &entry.key)).collect()
        } else {
            let mut seen = HashSet::with_capacity(entries.len());
            let backwards = entries.iter().rev();
            let mut flags: Vec<bool> = backwards.map(|entry| !seen.insert(&*entry.key)).collect();
            flags.reverse();
            flags
        };
        if !flags.contains(&true) {
            return;
        }
        let mut flags = flags.into_iter();
        entries.retain(|entry| {
            let dropped = flags.next().unwrap_or(false);
            if dropped {
                self.diagnostics.push(repeated(&entry.key, entry.key_span));
            }
            !dropped
        });
    }

    pub(super) fn count(&mut self, nodes: usize, at: usize) -> Outcome<()> {
        self.read.nodes += nodes;
        if self.read.nodes <= self.limits.nodes {
            return Ok(());
        }
        let text = format!(
            "more than {} values, those repeated by aliases included",
            self.limits.nodes
        );
        let diagnostic = Diagnostic::error(self.span(at, at), text);
        Err(Trouble::Found(Box::new(diagnostic)))
    }

    pub(super) fn check_depth(&mut self, depth: usize, at: usize) -> Outcome<()> {
        self.read.depth = self.read.depth.max(depth);
        if depth <= self.limits.depth {
            return Ok(());
        }
        let text = format!(
            "lists and maps are nested more than {} deep",
            self.limits.depth
        );
        let diagnostic = Diagnostic::error(self.span(at, at), text)
            .with_envoy("JSON content was too deeply nested");
        Err(Trouble::Found(Box::new(diagnostic)))
    }
}

fn begins_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-'))
}
