//! The tokens that are no scalars: directives, brackets, commas, dashes, colons, anchors and tags.

use super::scan::{Outcome, Scanner};
use super::stream::{Failure, is_space};
use super::token::{Kind, TagForm, Token};

impl Scanner<'_> {
    /// A line that begins with `%`.
    pub(super) fn directive(&mut self) {
        self.close_all_indents();
        self.forget_keys();
        self.key_allowed = false;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        // A comment ends the words only where one would begin.
        let mut words = Vec::new();
        self.input.get();
        loop {
            while self.input.blank() && !words.is_empty() {
                self.input.get();
            }
            let ends = !self.input.has_more() || self.input.line_end() > 0;
            if ends || !words.is_empty() && self.input.peek() == b'#' {
                break;
            }
            let start = self.input.mark().at;
            while self.input.has_more() && !is_space(self.input.peek()) {
                self.input.get();
            }
            words.push(String::from_utf8_lossy(self.input.since(start)).into_owned());
        }
        let end = self.input.mark().at;
        self.push(Token::with_text(
            Kind::Directive,
            mark,
            end,
            words.join(" "),
        ));
    }

    /// `---` or `...`.
    pub(super) fn document(&mut self, kind: Kind) {
        self.close_all_indents();
        self.forget_keys();
        self.key_allowed = false;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        self.input.eat(3);
        self.push_kind(kind, mark);
    }

    pub(super) fn flow_start(&mut self, is_list: bool) -> Outcome<()> {
        self.maybe_key();
        self.key_allowed = true;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        self.input.get();
        self.flows.push((is_list, mark.at));
        let kind = match is_list {
            true => Kind::FlowListStart,
            false => Kind::FlowMapStart,
        };
        self.push_kind(kind, mark);
        Ok(())
    }

    pub(super) fn flow_end(&mut self, is_list: bool) -> Outcome<()> {
        self.end_flow_entry()?;
        self.key_allowed = false;
        self.colon_may_touch = true;
        let mark = self.input.mark();
        if self.flows.last().map(|(of_list, _)| *of_list) != Some(is_list) {
            return Err(self.failure("illegal flow end"));
        }
        self.flows.pop();
        self.input.get();
        let kind = match is_list {
            true => Kind::FlowListEnd,
            false => Kind::FlowMapEnd,
        };
        self.push_kind(kind, mark);
        Ok(())
    }

    /// A key without a colon, in braces, has no value; in brackets it is no key.
    fn end_flow_entry(&mut self) -> Outcome<()> {
        match self.flows.last() {
            None => return Err(self.failure("illegal flow end")),
            Some((false, _)) => {
                if self.verify_key() {
                    let mark = self.input.mark();
                    self.push_kind(Kind::Value, mark);
                }
            }
            Some((true, _)) => self.invalidate_key(),
        }
        Ok(())
    }

    pub(super) fn comma(&mut self) -> Outcome<()> {
        if self.input.column() == 0 {
            return Err(self.failure("plain value cannot start with flow indicator character"));
        }
        if !self.scalar_allowed {
            return Err(self.failure("unexpected scalar"));
        }
        if self.in_flow() {
            self.end_flow_entry()?;
        }
        self.key_allowed = true;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        self.input.get();
        self.push_kind(Kind::Comma, mark);
        Ok(())
    }

    pub(super) fn dash(&mut self) -> Outcome<()> {
        if self.in_flow() || !self.key_allowed {
            return Err(self.failure("illegal block entry"));
        }
        self.open_list();
        self.key_allowed = true;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        self.input.get();
        self.push_kind(Kind::Dash, mark);
        Ok(())
    }

    /// `?`
    pub(super) fn explicit_key(&mut self) -> Outcome<()> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.failure("illegal map key"));
            }
            self.open_map();
        }
        self.key_allowed = !self.in_flow();
        let mark = self.input.mark();
        self.input.get();
        self.push_kind(Kind::Key, mark);
        Ok(())
    }

    pub(super) fn colon(&mut self) -> Outcome<()> {
        let follows_key = self.verify_key();
        self.colon_may_touch = false;
        if follows_key {
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(self.failure("illegal map value"));
                }
                self.open_map();
            }
            self.key_allowed = !self.in_flow();
        }
        self.scalar_allowed = true;
        let mark = self.input.mark();
        self.input.get();
        self.push_kind(Kind::Value, mark);
        Ok(())
    }

    pub(super) fn anchor_or_alias(&mut self, is_alias: bool) -> Outcome<()> {
        self.maybe_key();
        self.key_allowed = false;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        self.input.get();
        let start = self.input.mark().at;
        let in_name = |byte: u8| !is_space(byte) && !b"[]{},".contains(&byte);
        while self.input.has_more() && in_name(self.input.peek()) {
            self.input.get();
        }
        let name = String::from_utf8_lossy(self.input.since(start)).into_owned();
        if name.is_empty() {
            return Err(self.failure(match is_alias {
                true => "alias not found after *",
                false => "anchor not found after &",
            }));
        }
        let next = self.input.peek();
        if self.input.has_more() && !is_space(next) && !b"?:,]}%@`".contains(&next) {
            return Err(self.failure(match is_alias {
                true => "illegal character found while scanning alias",
                false => "illegal character found while scanning anchor",
            }));
        }
        let kind = if is_alias { Kind::Alias } else { Kind::Anchor };
        let end = self.input.mark().at;
        self.push(Token::with_text(kind, mark, end, name));
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Outcome<()> {
        self.maybe_key();
        self.key_allowed = false;
        self.colon_may_touch = false;
        let mark = self.input.mark();
        self.input.get();
        let (text, form) = if self.input.has_more() && self.input.peek() == b'<' {
            (self.verbatim_tag()?, TagForm::Verbatim)
        } else {
            self.short_tag()?
        };
        let end = self.input.mark().at;
        let mut token = Token::with_text(Kind::Tag, mark, end, text);
        token.tag = form;
        self.push(token);
        Ok(())
    }

    fn verbatim_tag(&mut self) -> Outcome<String> {
        self.input.get();
        let start = self.input.mark().at;
        while self.input.has_more() {
            if self.input.peek() == b'>' {
                let tag = String::from_utf8_lossy(self.input.since(start)).into_owned();
                self.input.get();
                return Ok(tag);
            }
            match self.tag_bytes(b"#;/?:@&=+$,_.!~*'()[]") {
                0 => break,
                bytes => self.input.eat(bytes),
            }
        }
        Err(self.failure("end of verbatim tag not found"))
    }

    fn short_tag(&mut self) -> Outcome<(String, TagForm)> {
        let start = self.input.mark().at;
        let mut odd: Option<Failure> = None;
        while self.input.has_more() {
            let byte = self.input.peek();
            if byte == b'!' {
                if let Some(odd) = odd {
                    return Err(odd);
                }
                break;
            }
            if odd.is_none() && !is_word(byte) {
                odd = Some(self.failure("illegal character found while scanning tag handle"));
            }
            match self.tag_bytes(TAG) {
                0 => break,
                bytes => self.input.eat(bytes),
            }
        }
        let handle = String::from_utf8_lossy(self.input.since(start)).into_owned();
        if odd.is_none() && self.input.peek() == b'!' {
            self.input.get();
            let start = self.input.mark().at;
            while let bytes @ 1.. = self.tag_bytes(TAG) {
                self.input.eat(bytes);
            }
            let suffix = String::from_utf8_lossy(self.input.since(start)).into_owned();
            if suffix.is_empty() {
                return Err(self.failure("tag handle with no suffix"));
            }
            return Ok((suffix, TagForm::Named(handle)));
        }
        let form = match (handle.is_empty(), odd.is_some()) {
            (true, true) => TagForm::NonSpecific,
            (true, false) => TagForm::Secondary,
            (false, _) => TagForm::Primary,
        };
        Ok((handle, form))
    }

    /// How many bytes here belong to a tag.
    fn tag_bytes(&self, marks: &[u8]) -> usize {
        let byte = self.input.peek();
        if is_word(byte) || marks.contains(&byte) {
            return 1;
        }
        let hex = |place| self.input.ahead(place).is_ascii_hexdigit();
        if byte == b'%' && hex(1) && hex(2) {
            3
        } else {
            0
        }
    }
}

const TAG: &[u8] = b"#;/?:@&=+$_.~*'()";

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}
