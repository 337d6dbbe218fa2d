//! The scanner: from a text to tokens, as yaml-cpp 0.9 finds them, so that both take and refuse the same.
//!
//! A token is made when it is asked for, with as few others as its meaning needs: the first word of a line
//! is a key only if a colon follows on that line, within 1,024 bytes. Indentation makes the tokens that
//! begin and end lists and maps.

use std::collections::VecDeque;

use super::stream::{END, Failure, Mark, Stream, is_blank};
use super::token::{Kind, Status, Token};

pub(super) type Outcome<T> = Result<T, Failure>;

/// How far a key may be from its colon.
const KEY_BYTES: usize = 1024;

/// How much text may wait as tokens for the colon of a key; above [`KEY_BYTES`].
const WAITING_BYTES: usize = 64 << 10;

pub(super) struct Scanner<'t> {
    pub(super) input: Stream<'t>,
    tokens: VecDeque<Token>,
    /// How many tokens were taken: the number of the first that is kept.
    taken: usize,
    started: bool,
    ended: bool,
    pub(super) key_allowed: bool,
    pub(super) scalar_allowed: bool,
    /// Whether a colon needs no space behind it: after a quoted key or a bracket, in brackets.
    pub(super) colon_may_touch: bool,
    keys: Vec<PossibleKey>,
    indents: Vec<Indent>,
    indents_made: usize,
    /// The brackets that are open: whether each is of a list, and where it stands.
    pub(super) flows: Vec<(bool, usize)>,
    /// The last quoted scalar that went over the end of its line, or is not closed: where it begins.
    pub(super) long_quote: Option<Mark>,
    /// The quoted scalar that is not closed and was taken nevertheless.
    pub(super) open_quote: Option<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct PossibleKey {
    mark: Mark,
    flow_level: usize,
    indent: Option<usize>,
    map_start: Option<usize>,
    key: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IndentKind {
    None,
    List,
    Map,
}

struct Indent {
    number: usize,
    /// From 0; -1 around the document.
    column: isize,
    kind: IndentKind,
    status: Status,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Scanner<'t> {
        Scanner {
            input: Stream::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            started: false,
            ended: false,
            key_allowed: false,
            scalar_allowed: false,
            colon_may_touch: false,
            keys: Vec::new(),
            indents: Vec::new(),
            indents_made: 0,
            flows: Vec::new(),
            long_quote: None,
            open_quote: None,
        }
    }

    /// The next token, which stays; `None` at the end.
    pub(super) fn peek(&mut self) -> Outcome<Option<&Token>> {
        self.fill()?;
        Ok(self.tokens.front())
    }

    /// What the next token is.
    pub(super) fn next_kind(&mut self) -> Outcome<Option<Kind>> {
        Ok(self.peek()?.map(|token| token.kind))
    }

    /// The next token, taken.
    pub(super) fn pop(&mut self) -> Outcome<Option<Token>> {
        self.fill()?;
        Ok(self.take())
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.pop_front();
        self.taken += usize::from(token.is_some());
        token
    }

    fn fill(&mut self) -> Outcome<()> {
        loop {
            match self.tokens.front().map(|token| token.status) {
                Some(Status::Valid) => return Ok(()),
                Some(Status::Invalid) => {
                    self.take();
                    continue;
                }
                Some(Status::Unverified) if self.is_far_behind() => {
                    self.take();
                    continue;
                }
                Some(Status::Unverified) | None => {}
            }
            if self.ended {
                return Ok(());
            }
            self.scan()?;
        }
    }

    /// Whether the next token may no longer become a key, and so many follow that they should not wait.
    fn is_far_behind(&self) -> bool {
        let here = self.input.mark().at;
        let next = self.tokens.front();
        next.is_some_and(|token| here - token.mark.at > WAITING_BYTES)
    }

    /// Scans on as far as yaml-cpp looks for the colon of a key: what it cannot read there, it refuses.
    pub(super) fn settle_keys(&mut self) -> Outcome<()> {
        while !self.keys.is_empty() && !self.ended {
            self.scan()?;
            while self.tokens.len() > 1 {
                self.take();
            }
        }
        Ok(())
    }

    pub(super) fn in_flow(&self) -> bool {
        !self.flows.is_empty()
    }

    fn scan(&mut self) -> Outcome<()> {
        if !self.started {
            self.start();
            return Ok(());
        }
        self.skip_to_next();
        self.close_indents_to_here();
        if !self.input.has_more() {
            self.end();
            return Ok(());
        }
        if self.input.column() == 0 {
            if self.input.peek() == b'%' {
                self.directive();
                return Ok(());
            }
            if self.input.document_mark(b'-') {
                self.document(Kind::DocumentStart);
                return Ok(());
            }
            if self.input.document_mark(b'.') {
                self.document(Kind::DocumentEnd);
                return Ok(());
            }
        }
        self.scan_content()
    }

    fn scan_content(&mut self) -> Outcome<()> {
        let (first, second) = (self.input.peek(), self.input.ahead(1));
        let parts = self.input.parts(1);
        match first {
            b'[' | b'{' => return self.flow_start(first == b'['),
            b']' | b'}' => return self.flow_end(first == b']'),
            b',' => return self.comma(),
            b'-' if parts => return self.dash(),
            b'?' if parts && second != END => return self.explicit_key(),
            b':' if self.is_colon(second) => return self.colon(),
            b'*' | b'&' => return self.anchor_or_alias(first == b'*'),
            b'!' => return self.tag(),
            b'|' | b'>' if !self.in_flow() => return self.block_scalar(),
            _ => {}
        }
        if !self.scalar_allowed {
            return Err(self.failure("unexpected scalar"));
        }
        match first {
            b'"' | b'\'' => self.quoted_scalar(),
            _ if self.begins_plain(first, second) => self.plain_scalar(),
            _ => Err(self.failure("unknown token")),
        }
    }

    fn is_colon(&self, second: u8) -> bool {
        match (self.in_flow(), self.colon_may_touch) {
            (true, true) => true,
            (true, false) => {
                matches!(second, b',' | b']' | b'}') || super::stream::is_space(second)
            }
            (false, _) => self.input.parts(1),
        }
    }

    fn begins_plain(&self, first: u8, second: u8) -> bool {
        if super::stream::is_space(first) || b",[]{}#&*!|>'\"%@`".contains(&first) {
            return false;
        }
        if self.in_flow() {
            let ends = is_blank(second) || second == END;
            first != b'?' && !(matches!(first, b'-' | b':') && ends)
        } else {
            !(matches!(first, b'-' | b'?' | b':') && self.input.parts(1))
        }
    }

    pub(super) fn failure(&self, words: &str) -> Failure {
        Failure::new(self.input.mark(), words)
    }

    fn start(&mut self) {
        self.started = true;
        self.key_allowed = true;
        self.scalar_allowed = true;
        self.indents.push(Indent {
            number: 0,
            column: -1,
            kind: IndentKind::None,
            status: Status::Valid,
        });
    }

    fn end(&mut self) {
        self.input.forget_column();
        self.close_all_indents();
        self.keys.clear();
        self.key_allowed = false;
        self.scalar_allowed = false;
        self.ended = true;
    }

    /// Passes over blanks, comments and line ends.
    fn skip_to_next(&mut self) {
        loop {
            while self.input.blank() {
                if !self.in_flow() && self.input.peek() == b'\t' {
                    self.key_allowed = false;
                }
                self.input.get();
            }
            if self.input.peek() == b'#' {
                self.skip_line();
            }
            let line_end = self.input.line_end();
            if line_end == 0 {
                return;
            }
            self.input.eat(line_end);
            self.invalidate_key();
            self.scalar_allowed = true;
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    pub(super) fn skip_line(&mut self) {
        while self.input.has_more() && self.input.line_end() == 0 {
            self.input.get();
        }
    }

    pub(super) fn push(&mut self, token: Token) -> usize {
        self.tokens.push_back(token);
        self.taken + self.tokens.len() - 1
    }

    /// Adds a token that begins at `mark` and ends here.
    pub(super) fn push_kind(&mut self, kind: Kind, mark: Mark) {
        let end = self.input.mark().at;
        self.push(Token::new(kind, mark, end));
    }

    /// A list or map that begins in this column, if the indentation says so.
    fn open_indent(&mut self, kind: IndentKind, status: Status) -> Option<(usize, usize)> {
        if self.in_flow() {
            return None;
        }
        let column = isize::try_from(self.input.column()).ok()?;
        if let Some(last) = self.indents.last() {
            let list_in_map = kind == IndentKind::List && last.kind == IndentKind::Map;
            if column < last.column || column == last.column && !list_in_map {
                return None;
            }
        }
        let start = match kind {
            IndentKind::List => Kind::ListStart,
            _ => Kind::MapStart,
        };
        let mark = self.input.mark();
        let mut token = Token::new(start, mark, mark.at);
        token.status = status;
        let start = self.push(token);
        self.indents_made += 1;
        self.indents.push(Indent {
            number: self.indents_made,
            column,
            kind,
            status,
        });
        Some((self.indents_made, start))
    }

    pub(super) fn open_list(&mut self) {
        self.open_indent(IndentKind::List, Status::Valid);
    }

    pub(super) fn open_map(&mut self) {
        self.open_indent(IndentKind::Map, Status::Valid);
    }

    fn close_indents_to_here(&mut self) {
        if self.in_flow() {
            return;
        }
        let column = isize::try_from(self.input.column()).unwrap_or(isize::MAX);
        let is_dash = self.input.peek() == b'-' && self.input.parts(1);
        while let Some(indent) = self.indents.last() {
            let may_hold = is_dash || indent.kind != IndentKind::List;
            let holds = indent.column == column && may_hold;
            if indent.column < column || holds {
                break;
            }
            self.close_indent();
        }
        while self.indents.last().map(|indent| indent.status) == Some(Status::Invalid) {
            self.close_indent();
        }
    }

    pub(super) fn close_all_indents(&mut self) {
        if self.in_flow() {
            return;
        }
        while self
            .indents
            .last()
            .is_some_and(|indent| indent.kind != IndentKind::None)
        {
            self.close_indent();
        }
    }

    fn close_indent(&mut self) {
        let Some(indent) = self.indents.pop() else {
            return;
        };
        if indent.status != Status::Valid {
            self.invalidate_key();
            return;
        }
        let mark = self.input.mark();
        match indent.kind {
            IndentKind::List => self.push_kind(Kind::ListEnd, mark),
            IndentKind::Map => self.push_kind(Kind::MapEnd, mark),
            IndentKind::None => {}
        }
    }

    /// The column of the innermost list or map, from 0; -1 around the document.
    pub(super) fn indent(&self) -> isize {
        self.indents.last().map_or(0, |indent| indent.column)
    }

    /// What comes may be a key: that is known at its colon.
    pub(super) fn maybe_key(&mut self) {
        let level = self.flows.len();
        let is_one_open = self.keys.last().is_some_and(|key| key.flow_level == level);
        if !self.key_allowed || is_one_open {
            return;
        }
        let opened = self.open_indent(IndentKind::Map, Status::Unverified);
        let mark = self.input.mark();
        let mut token = Token::new(Kind::Key, mark, mark.at);
        token.status = Status::Unverified;
        let key = self.push(token);
        self.keys.push(PossibleKey {
            mark,
            flow_level: level,
            indent: opened.map(|(indent, _)| indent),
            map_start: opened.map(|(_, start)| start),
            key,
        });
    }

    fn settle(&mut self, key: PossibleKey, status: Status) {
        if let Some(number) = key.indent
            && let Some(indent) = self
                .indents
                .iter_mut()
                .rev()
                .find(|indent| indent.number == number)
        {
            indent.status = status;
        }
        for number in [key.map_start, Some(key.key)].into_iter().flatten() {
            let place = number.checked_sub(self.taken);
            if let Some(token) = place.and_then(|place| self.tokens.get_mut(place)) {
                token.status = status;
            }
        }
    }

    fn key_of_this_level(&mut self) -> Option<PossibleKey> {
        let level = self.flows.len();
        self.keys.pop_if(|key| key.flow_level == level)
    }

    pub(super) fn invalidate_key(&mut self) {
        if let Some(key) = self.key_of_this_level() {
            self.settle(key, Status::Invalid);
        }
    }

    /// Whether what came was a key.
    pub(super) fn verify_key(&mut self) -> bool {
        let Some(key) = self.key_of_this_level() else {
            return false;
        };
        let here = self.input.mark();
        let is_key = here.line == key.mark.line && here.at - key.mark.at <= KEY_BYTES;
        let status = if is_key {
            Status::Valid
        } else {
            Status::Invalid
        };
        self.settle(key, status);
        is_key
    }

    pub(super) fn forget_keys(&mut self) {
        self.keys.clear();
    }
}
