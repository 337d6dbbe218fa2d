//! From arguments to the flags that were given, read as Envoy's TCLAP reads them.
//!
//! `--flag value`, and both in one argument; never `--flag=value`. A flag is given once, but for those that may be
//! repeated. Whatever is no flag is a mistake, until `--`. `--help` and `--version` count as soon as they are
//! met, before later mistakes.

use super::flags::{self, Flag, Kind};

/// The value of a flag that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Set,
    Text(String),
    Number(u32),
}

/// The flags that were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    values: Vec<(&'static str, Value)>,
}

impl Given {
    /// Whether the flag was given.
    pub(super) fn has(&self, long: &str) -> bool {
        self.of(long).next().is_some()
    }

    /// The text of a flag.
    pub(super) fn text(&self, long: &str) -> Option<String> {
        self.texts(long).into_iter().next()
    }

    /// All texts of a flag that may be repeated.
    pub(super) fn texts(&self, long: &str) -> Vec<String> {
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        self.of(long).filter_map(text).collect()
    }

    /// The number of a flag.
    pub(super) fn number(&self, long: &str) -> Option<u32> {
        self.of(long).find_map(|value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    fn of(&self, long: &str) -> impl Iterator<Item = &Value> {
        debug_assert!(flags::all().any(|flag| flag.long == long), "{long}");
        let given = self.values.iter();
        given
            .filter(move |(name, _)| *name == long)
            .map(|(_, value)| value)
    }
}

/// Why the arguments give no options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// `--help` was met.
    Help,
    /// `--version` was met.
    Version,
    /// A mistake: which argument, and what is wrong with it.
    Mistake { argument: String, error: String },
}

fn mistake(argument: impl Into<String>, error: impl Into<String>) -> Stop {
    Stop::Mistake {
        argument: argument.into(),
        error: error.into(),
    }
}

/// Reads the arguments after the program's name.
pub(super) fn parse(arguments: &[String]) -> Result<Given, Stop> {
    let mut given = Given::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) = split(argument);
        match flags::all().find(|flag| is_named(flag, name)) {
            Some(flag) if flag.kind == Kind::Switch && inline.is_none() => {
                if switch(flag, &mut given)? {
                    break;
                }
            }
            Some(flag) if flag.kind != Kind::Switch => {
                let value = value(
                    flag,
                    inline.filter(|value| !value.is_empty()),
                    &mut rest,
                    &given,
                )?;
                given.values.push((flag.long, value));
            }
            _ if matches!(argument.as_str(), "" | "-") => {}
            _ => letters(argument)?,
        }
    }
    Ok(given)
}

/// Whether the arguments name the flag with its letter or its name.
fn is_named(flag: &Flag, argument: &str) -> bool {
    match argument.as_bytes() {
        [b'-', short] if *short == flag.short => true,
        _ => argument.strip_prefix("--") == Some(flag.long),
    }
}

/// A flag and its value may stand in one argument with a space between.
fn split(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once(' ') {
        Some((flag, value)) if flag.len() > 1 => (flag, Some(value)),
        _ => (argument, None),
    }
}

/// Notes a switch; true when nothing after it counts.
fn switch(flag: &'static Flag, given: &mut Given) -> Result<bool, Stop> {
    match flag.long {
        flags::HELP => return Err(Stop::Help),
        flags::VERSION => return Err(Stop::Version),
        flags::IGNORE_REST => return Ok(true),
        _ => {}
    }
    if given.has(flag.long) {
        return Err(mistake(describe(flag), "Argument already set!"));
    }
    given.values.push((flag.long, Value::Set));
    Ok(false)
}

fn value<'a>(
    flag: &Flag,
    inline: Option<&str>,
    rest: &mut impl Iterator<Item = &'a String>,
    given: &Given,
) -> Result<Value, Stop> {
    if flag.kind != Kind::Texts && given.has(flag.long) {
        return Err(mistake(describe(flag), "Argument already set!"));
    }
    let Some(text) = inline.or_else(|| rest.next().map(String::as_str)) else {
        let error = "Missing a value for this argument!";
        return Err(mistake(describe(flag), error));
    };
    match flag.kind {
        Kind::Number => number(text)
            .map(Value::Number)
            .map_err(|error| mistake(describe(flag), error)),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// `-xyz` may be letters of several switches; of Envoy's, only `-h` is one.
fn letters(argument: &str) -> Result<(), Stop> {
    let is_group =
        argument.starts_with('-') && !argument.starts_with("--") && !argument.contains(' ');
    match argument.get(1..).unwrap_or("").matches('h').count() {
        1 if is_group => Err(Stop::Help),
        0 => Err(mistake(argument, "Couldn't find match for argument")),
        _ if is_group => Err(mistake("-h (--help)", "Argument already set!")),
        _ => Err(mistake(argument, "Couldn't find match for argument")),
    }
}

/// A flag as TCLAP's messages name it.
fn describe(flag: &Flag) -> String {
    match flag.short {
        0 => format!("(--{})", flag.long),
        short => format!("-{} (--{})", char::from(short), flag.long),
    }
}

/// Reads a number as C++'s streams do: a sign may stand before it, and a negative one wraps around.
fn number(text: &str) -> Result<u32, String> {
    let unreadable = || format!("Couldn't read argument value from string '{text}'");
    let trimmed = text.trim_start();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return if text.is_empty() {
            Ok(0)
        } else {
            Err(unreadable())
        };
    }
    let end = digits
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    let magnitude: u32 = digits.parse().map_err(|_| unreadable())?;
    if !after.is_empty() {
        let has_more = number(after.trim_start()).is_ok() && !after.trim_start().is_empty();
        return Err(match has_more {
            true => format!("More than one valid value parsed from string '{text}'"),
            false => unreadable(),
        });
    }
    Ok(if trimmed.starts_with('-') {
        magnitude.wrapping_neg()
    } else {
        magnitude
    })
}
