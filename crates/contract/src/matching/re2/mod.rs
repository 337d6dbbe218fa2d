//! RE2's syntax in the words of the `regex` crate, and RE2's complaints.
//!
//! The two differ in corners: a `{` that begins no repetition, a `[` within a class, `\Q...\E`, `\C`, octal
//! escapes and names of groups are RE2's own; `&&` in a class, `\<`, `\u` and repeated repetitions the
//! crate's; `\d`, `\w`, `\s` and `\b` are about ASCII in RE2.
//!
//! Envoy has RE2 take text and pattern for Latin-1: a character is a byte, so that no byte escapes a `.`. The
//! pattern that comes out is for the crate without Unicode. Ignoring case is about ASCII alone here.
//!
//! Limit: 1,000 repetitions, as in RE2.

mod classes;
mod escapes;
#[cfg(test)]
mod tests;

use classes::{named_set, posix_class};
use escapes::{Character, escaped, literal};

const MOST_REPETITIONS: u32 = 1000;

/// The pattern for the crate, or RE2's text of what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let text: String = pattern.bytes().map(char::from).collect();
    let mut translator = Translator {
        rest: &text,
        pattern,
        out: String::with_capacity(pattern.len() + 16),
        depth: 0,
        operand: Operand::None,
    };
    while !translator.rest.is_empty() {
        translator.step()?;
    }
    if translator.depth > 0 {
        return Err(format!("missing ): {pattern}"));
    }
    Ok(translator.out)
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq)]
enum Operand<'p> {
    None,
    Thing,
    /// Something repeated already; what follows begins with that operator.
    Repeated(&'p str),
}

struct Translator<'p> {
    rest: &'p str,
    /// As it is written.
    pattern: &'p str,
    out: String,
    depth: usize,
    operand: Operand<'p>,
}

impl<'p> Translator<'p> {
    fn step(&mut self) -> Result<(), String> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(());
        };
        match first {
            '(' => self.open(),
            ')' => self.close(),
            '|' => {
                self.plain(first);
                self.operand = Operand::None;
                Ok(())
            }
            '*' | '+' | '?' => self.repeat(1),
            '{' => match repetition(self.rest) {
                Some(length) => self.repeat(length),
                None => {
                    self.rest = &self.rest[1..];
                    self.out.push_str("\\{");
                    self.operand = Operand::Thing;
                    Ok(())
                }
            },
            '[' => self.class(),
            '\\' => self.escape(),
            other => {
                self.plain(other);
                Ok(())
            }
        }
    }

    /// Adds what is in the pattern's own words.
    fn push(&mut self, character: char) {
        match character.is_ascii() {
            true => self.out.push(character),
            false => self.out.push_str(&literal(character)),
        }
    }

    fn plain(&mut self, character: char) {
        self.rest = &self.rest[character.len_utf8()..];
        self.push(character);
        self.operand = Operand::Thing;
    }

    fn open(&mut self) -> Result<(), String> {
        self.depth += 1;
        self.operand = Operand::None;
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.rest = &self.rest[1..];
            self.out.push('(');
            return Ok(());
        };
        if let Some(named) = special.strip_prefix("P<").or(special.strip_prefix('<')) {
            return self.named(named);
        }
        self.flags(special)
    }

    /// `i`, `-s` and the like, and whether a group begins behind them. Of a flag that is there twice the last counts.
    fn flags(&mut self, special: &'p str) -> Result<(), String> {
        let (mut on, mut off) = (String::new(), String::new());
        let (mut negates, mut lacks_flag) = (false, false);
        for (at, character) in special.char_indices() {
            let read = 2 + at + character.len_utf8();
            match character {
                'i' | 'm' | 's' | 'U' => {
                    lacks_flag = false;
                    on.retain(|flag| flag != character);
                    off.retain(|flag| flag != character);
                    if negates { &mut off } else { &mut on }.push(character);
                }
                '-' if !negates => (negates, lacks_flag) = (true, true),
                ':' | ')' if !lacks_flag => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    let flags = [on.as_str(), minus, &off].concat();
                    match character {
                        ':' => self.out.push_str(&format!("(?{flags}:")),
                        _ if flags.is_empty() => self.depth -= 1,
                        _ => {
                            self.depth -= 1;
                            self.out.push_str(&format!("(?{flags})"));
                        }
                    }
                    self.rest = &self.rest[read..];
                    return Ok(());
                }
                _ => return Err(format!("invalid perl operator: {}", &self.rest[..read])),
            }
        }
        Err(format!("missing ): {}", self.pattern))
    }

    /// A group's name is of no use here: substitutions go by number.
    fn named(&mut self, named: &'p str) -> Result<(), String> {
        let is_word = |character: char| character == '_' || character.is_alphanumeric();
        match named.split_once('>') {
            Some((name, rest)) if !name.is_empty() && name.chars().all(is_word) => {
                self.out.push('(');
                self.rest = rest;
                Ok(())
            }
            Some((name, rest)) => {
                let length = self.rest.len() - rest.len();
                let _ = name;
                Err(format!(
                    "invalid named capture group: {}",
                    &self.rest[..length]
                ))
            }
            None => Err(format!("invalid named capture group: {}", self.rest)),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        if self.depth == 0 {
            return Err(format!("unexpected ): {}", self.pattern));
        }
        self.depth -= 1;
        self.plain(')');
        Ok(())
    }

    /// A repetition operator of `length` bytes, with the `?` behind it.
    fn repeat(&mut self, length: usize) -> Result<(), String> {
        let operator = &self.rest[..length];
        check_size(operator)?;
        match self.operand {
            Operand::None => {
                return Err(format!("no argument for repetition operator: {operator}"));
            }
            Operand::Repeated(from) => {
                let both = &from[..from.len() - self.rest.len() + length];
                return Err(format!("bad repetition operator: {both}"));
            }
            Operand::Thing => {}
        }
        let from = self.rest;
        self.out.push_str(operator);
        self.rest = &self.rest[length..];
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.out.push('?');
            self.rest = rest;
        }
        self.operand = Operand::Repeated(from);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        self.operand = Operand::Thing;
        if let Some(quoted) = self.rest.strip_prefix("\\Q") {
            let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            for character in text.chars() {
                self.out.push_str(&literal(character));
            }
            self.rest = rest;
            return Ok(());
        }
        let kept = ["\\A", "\\z"];
        let bounds = ["\\b", "\\B"];
        if let Some(kept) = kept.into_iter().find(|kept| self.rest.starts_with(kept)) {
            self.out.push_str(kept);
        } else if let Some(bound) = bounds
            .into_iter()
            .find(|bound| self.rest.starts_with(bound))
        {
            self.out.push_str(&format!("(?-u:{bound})"));
        } else if self.rest.starts_with("\\C") {
            self.out.push_str("(?s-u:.)");
        } else if let Some((set, rest)) = named_set(self.rest)? {
            self.out.push_str(&format!("[{set}]"));
            self.rest = rest;
            return Ok(());
        } else {
            let (character, rest) = escaped(self.rest)?;
            self.out.push_str(&literal(character));
            self.rest = rest;
            return Ok(());
        }
        self.rest = &self.rest[2..];
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let missing = || format!("missing ]: {whole}");
        let mut rest = &whole[1..];
        self.operand = Operand::Thing;
        self.out.push('[');
        if let Some(negated) = rest.strip_prefix('^') {
            self.out.push('^');
            rest = negated;
        }
        let mut is_first = true;
        loop {
            let character = rest.chars().next().ok_or_else(missing)?;
            if character == ']' && !is_first {
                break;
            }
            is_first = false;
            if let Some((set, after)) = posix_class(rest)? {
                self.out.push_str(set);
                rest = after;
                continue;
            }
            if let Some((set, after)) = named_set(rest)? {
                self.out.push_str(&set);
                rest = after;
                continue;
            }
            rest = self.range(rest, whole)?;
        }
        self.out.push(']');
        self.rest = &rest[1..];
        Ok(())
    }

    /// One character of a class, or a range.
    fn range(&mut self, from: &'p str, whole: &str) -> Result<&'p str, String> {
        let missing = || format!("missing ]: {whole}");
        let (low, rest) = class_character(from).ok_or_else(missing)??;
        let upper = rest
            .strip_prefix('-')
            .filter(|upper| !upper.starts_with(']'));
        let Some(upper) = upper else {
            self.out.push_str(&literal(low));
            return Ok(rest);
        };
        let (high, rest) = class_character(upper).ok_or_else(missing)??;
        if high < low {
            let range = &from[..from.len() - rest.len()];
            return Err(format!("invalid character class range: {range}"));
        }
        self.out
            .push_str(&format!("{}-{}", literal(low), literal(high)));
        Ok(rest)
    }
}

/// The length of `{2}`, `{2,}` or `{2,3}` at the start.
fn repetition(text: &str) -> Option<usize> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!least.is_empty() && is_number(least) && is_number(most)).then_some(inner.len() + 2)
}

fn check_size(operator: &str) -> Result<(), String> {
    let Some(inner) = operator
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        return Ok(());
    };
    let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
    let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
    let least = number(least);
    let most = if most.is_empty() { least } else { number(most) };
    if least > MOST_REPETITIONS || most > MOST_REPETITIONS || most < least {
        return Err(format!("invalid repetition size: {operator}"));
    }
    Ok(())
}

fn class_character(text: &str) -> Option<Character<'_>> {
    let first = text.chars().next()?;
    Some(match first {
        '\\' => escaped(text),
        other => Ok((other, &text[other.len_utf8()..])),
    })
}
