//! The syntax of `%COMMAND(ARGUMENT):LENGTH%` inside a format string.
//!
//! The argument ends at the first `)` behind which the command can end; it may hold `%` and `)`, but no
//! newline. This is what Envoy's expression
//! `^%((?:[A-Z]|[0-9]|_)+)(?:\((.*?)\))?(?::([0-9]+))?%` accepts.

use super::error::FormatError;

/// A command as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// Its name.
    pub name: &'a str,
    /// What stands in the parentheses; empty without them.
    pub argument: &'a str,
    /// The length limit in bytes.
    pub max_length: Option<usize>,
}

/// What a command may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    /// An argument may be given.
    pub argument: Argument,
    /// A length may be given.
    pub length: bool,
}

/// Whether a command takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Never.
    None,
    /// If given.
    Optional,
    /// Always.
    Required,
}

impl<'a> Command<'a> {
    /// Reads the command at the start of `text`, which begins with `%`; also gives its length in bytes.
    pub(super) fn read(text: &'a str) -> Option<(Self, usize)> {
        let body = text.strip_prefix('%')?;
        let name_end = body.bytes().position(|byte| {
            !(byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        })?;
        if name_end == 0 {
            return None;
        }
        let (name, rest) = body.split_at(name_end);
        let (argument, max_length, tail) = match rest.strip_prefix('(') {
            None => read_end(rest).map(|(length, tail)| ("", length, tail))?,
            Some(inner) => read_argument(inner)?,
        };
        Some((
            Command {
                name,
                argument,
                max_length,
            },
            text.len() - tail.len(),
        ))
    }

    /// Checks the command against what it may be given, with Envoy's texts.
    pub(super) fn check(&self, syntax: Syntax) -> Result<(), FormatError> {
        let name = self.name;
        if syntax
            == (Syntax {
                argument: Argument::None,
                length: false,
            })
            && (!self.argument.is_empty() || self.max_length.is_some())
        {
            return Err(FormatError::new(format!(
                "{name} does not take any parameters or length"
            )));
        }
        if syntax.argument == Argument::Required && self.argument.is_empty() {
            return Err(FormatError::new(format!("{name} requires parameters")));
        }
        if !syntax.length && self.max_length.is_some() {
            return Err(FormatError::new(format!(
                "{name} does not allow length to be specified."
            )));
        }
        Ok(())
    }
}

type Ending<'a> = (&'a str, Option<usize>, &'a str);

fn read_argument(inner: &str) -> Option<Ending<'_>> {
    let line = inner.split('\n').next()?;
    line.match_indices(')').find_map(|(at, _)| {
        let (length, tail) = read_end(inner.get(at + 1..)?)?;
        Some((inner.get(..at)?, length, tail))
    })
}

/// Reads `%` or `:DIGITS%`; gives the number and what follows.
fn read_end(text: &str) -> Option<(Option<usize>, &str)> {
    if let Some(tail) = text.strip_prefix('%') {
        return Some((None, tail));
    }
    let (digits, tail) = text.strip_prefix(':')?.split_once('%')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((Some(digits.parse().ok()?), tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(&str, &str, Option<usize>, usize)> {
        Command::read(text)
            .map(|(command, length)| (command.name, command.argument, command.max_length, length))
    }

    #[test]
    fn a_command_has_a_name_and_perhaps_an_argument_and_a_length() {
        assert_eq!(read("%PROTOCOL% x"), Some(("PROTOCOL", "", None, 10)));
        assert_eq!(read("%REQ(A?:B)%"), Some(("REQ", "A?:B", None, 11)));
        assert_eq!(read("%REQ(A):12%"), Some(("REQ", "A", Some(12), 11)));
        assert_eq!(
            read("%START_TIME(%Y%m)%%"),
            Some(("START_TIME", "%Y%m", None, 18))
        );
    }

    #[test]
    fn the_argument_ends_where_the_command_can_end() {
        assert_eq!(read("%REQ(a)b)%"), Some(("REQ", "a)b", None, 10)));
        assert_eq!(read("%REQ(a)%b)%"), Some(("REQ", "a", None, 8)));
    }

    #[test]
    fn what_envoy_can_not_read_is_not_read() {
        for text in [
            "%",
            "%lower%",
            "%REQ",
            "%REQ(",
            "%REQ(a",
            "%REQ(a)",
            "%REQ(a\nb)%",
            "%REQ(a):x%",
            "%REQ(a):%",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("%REQ(a):99999999999999999999999%"), None);
    }
}
