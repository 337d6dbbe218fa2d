//! The tokens of scalars: plain, quoted and block.

use super::fold::{Chomp, Ends, Fold, OnDocument, Rules, read};
use super::scan::{Outcome, Scanner};
use super::token::{Kind, Token};

impl Scanner<'_> {
    pub(super) fn plain_scalar(&mut self) -> Outcome<()> {
        let in_flow = self.in_flow();
        let rules = Rules {
            ends: Ends::Plain { in_flow },
            indent: if in_flow { 0 } else { self.indent() + 1 },
            fold: Fold::Flow,
            trims: true,
            chomp: Chomp::Strip,
            on_document: OnDocument::Stop,
            refuses_tabs: true,
            ..Rules::default()
        };
        self.maybe_key();
        let mark = self.input.mark();
        let read = read(&mut self.input, rules)?;
        self.key_allowed = read.ends_by_indentation;
        self.colon_may_touch = false;
        let end = self.input.mark().at;
        self.push(Token::with_text(Kind::Plain, mark, end, read.text));
        Ok(())
    }

    pub(super) fn quoted_scalar(&mut self) -> Outcome<()> {
        let quote = self.input.peek();
        let rules = Rules {
            ends: Ends::Quote(quote),
            escape: if quote == b'\'' { quote } else { b'\\' },
            fold: Fold::Flow,
            on_document: OnDocument::Refuse,
            ..Rules::default()
        };
        self.maybe_key();
        let mark = self.input.mark();
        let before = self.long_quote.replace(mark);
        self.input.get();
        let read = read(&mut self.input, rules)?;
        if !read.is_closed {
            self.open_quote = Some(mark);
        } else if self.input.mark().line == mark.line {
            self.long_quote = before;
        }
        self.key_allowed = false;
        self.scalar_allowed = self.in_flow();
        self.colon_may_touch = true;
        let end = self.input.mark().at;
        self.push(Token::with_text(Kind::Quoted, mark, end, read.text));
        Ok(())
    }

    /// `|` or `>`, with what may stand behind it on its line.
    pub(super) fn block_scalar(&mut self) -> Outcome<()> {
        let mark = self.input.mark();
        let folds = self.input.get() == b'>';
        let mut rules = Rules {
            fold: if folds { Fold::Block } else { Fold::None },
            indent: 1,
            detects_indent: true,
            keeps_leading_blanks: true,
            refuses_tabs: true,
            ..Rules::default()
        };
        self.block_header(&mut rules)?;
        while self.input.blank() {
            self.input.get();
        }
        if self.input.peek() == b'#' {
            self.skip_line();
        }
        if self.input.has_more() && self.input.line_end() == 0 {
            return Err(self.failure("unexpected character in block scalar"));
        }
        rules.indent += self.indent().max(0);
        let read = read(&mut self.input, rules)?;
        self.key_allowed = true;
        self.colon_may_touch = false;
        let end = self.input.mark().at;
        self.push(Token::with_text(Kind::Block, mark, end, read.text));
        Ok(())
    }

    /// What to do with the last line ends, and the indentation: one of each, in any order.
    fn block_header(&mut self, rules: &mut Rules) -> Outcome<()> {
        let (mut chomp_seen, mut digit_seen) = (false, false);
        loop {
            match self.input.peek() {
                mark @ (b'+' | b'-') if !chomp_seen => {
                    chomp_seen = true;
                    rules.chomp = if mark == b'+' {
                        Chomp::Keep
                    } else {
                        Chomp::Strip
                    };
                    self.input.get();
                }
                digit @ b'0'..=b'9' if !digit_seen => {
                    digit_seen = true;
                    self.input.get();
                    if digit == b'0' {
                        return Err(self.failure("cannot set zero indentation for a block scalar"));
                    }
                    rules.indent = isize::from(digit.cast_signed() - b'0'.cast_signed());
                    rules.detects_indent = false;
                }
                _ => return Ok(()),
            }
        }
    }
}
