//! spdlog's patterns, with what Envoy adds: `%j`, `%_`, `%*`, `%+` and `%N`.
//!
//! A flag may have a width of at most 64 (`%8l`, `%-8l`, `%=8l`) and be cut to it (`%3!l`). A flag that there is not
//! stands in the line as written. `%!` (the function) is empty: Rust does not tell it.

use std::fmt::Write as _;
use std::panic::Location;
use std::time::{Duration, SystemTime};

use nuncio_contract::calendar::{DAYS, MONTHS};

use super::LogLevel;
use super::moment::Moment;

const MOST_COLUMNS: usize = 64;

/// What a line is made of.
pub(super) struct Line<'a> {
    pub level: LogLevel,
    pub logger: &'a str,
    pub message: &'a str,
    pub place: &'a Location<'a>,
    pub now: SystemTime,
    pub since_last: Duration,
}

/// A pattern, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Flag(char, Padding),
}

#[derive(Clone, Copy, Debug, Default)]
struct Padding {
    width: usize,
    align: Align,
    cut: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Align {
    #[default]
    Right,
    Left,
    Center,
}

impl Pattern {
    /// Takes a pattern apart.
    pub(super) fn parse(pattern: &str) -> Pattern {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = pattern.chars().peekable();
        while let Some(next) = rest.next() {
            if next != '%' {
                text.push(next);
                continue;
            }
            let padding = Padding::parse(&mut rest);
            let Some(flag) = rest.next() else { break };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Flag(flag, padding));
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Pattern { parts }
    }

    /// The line, without its end.
    pub(super) fn write(&self, line: &Line<'_>) -> String {
        self.write_at(line, &Moment::of(line.now))
    }

    /// The line as it is at a moment.
    pub(super) fn write_at(&self, line: &Line<'_>, moment: &Moment) -> String {
        let mut out = String::with_capacity(line.message.len() + 128);
        for part in &self.parts {
            match part {
                Part::Text(text) => out += text,
                Part::Flag(flag, padding) => {
                    let value = about_line(*flag, line)
                        .or_else(|| about_time(*flag, moment))
                        .unwrap_or_else(|| format!("%{flag}"));
                    padding.write(&value, &mut out);
                }
            }
        }
        out
    }
}

impl Padding {
    fn parse(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Padding {
        let align = match rest.peek() {
            Some('-') => Align::Left,
            Some('=') => Align::Center,
            _ => Align::Right,
        };
        if !matches!(align, Align::Right) {
            rest.next();
        }
        let mut width = 0;
        while let Some(digit) = rest.peek().and_then(|next| next.to_digit(10)) {
            width = (width * 10 + usize::try_from(digit).unwrap_or(0)).min(MOST_COLUMNS);
            rest.next();
        }
        let cut = width > 0 && rest.next_if_eq(&'!').is_some();
        Padding { width, align, cut }
    }

    fn write(self, value: &str, out: &mut String) {
        let length = value.chars().count();
        if self.cut && length > self.width {
            out.extend(value.chars().take(self.width));
            return;
        }
        let missing = self.width.saturating_sub(length);
        let before = match self.align {
            Align::Left => 0,
            Align::Right => missing,
            Align::Center => missing / 2,
        };
        out.extend(std::iter::repeat_n(' ', before));
        *out += value;
        out.extend(std::iter::repeat_n(' ', missing - before));
    }
}

/// The flags about what is logged, and by whom.
fn about_line(flag: char, line: &Line<'_>) -> Option<String> {
    let file = line.place.file();
    let level = line.level.as_str();
    Some(match flag {
        'v' | '+' => line.message.to_owned(),
        '_' => line.message.replace('\n', "\\n"),
        'j' => json_escaped(line.message),
        'n' => line.logger.to_owned(),
        'l' => level.to_owned(),
        'L' => level.get(..1).unwrap_or("").to_ascii_uppercase(),
        't' => nix::unistd::gettid().to_string(),
        'P' => std::process::id().to_string(),
        's' => file.rsplit('/').next().unwrap_or(file).to_owned(),
        'g' => file.to_owned(),
        '#' => line.place.line().to_string(),
        '@' => format!("{file}:{}", line.place.line()),
        '!' | '*' | '^' | '$' => String::new(),
        'N' => crate::VERSION.to_owned(),
        'u' => line.since_last.as_nanos().to_string(),
        'i' => line.since_last.as_micros().to_string(),
        'o' => line.since_last.as_millis().to_string(),
        'O' => line.since_last.as_secs().to_string(),
        '%' => "%".to_owned(),
        _ => return None,
    })
}

/// The flags about when.
fn about_time(flag: char, at: &Moment) -> Option<String> {
    let weekday = || name(&DAYS, at.weekday);
    let month = || name(&MONTHS, at.month.saturating_sub(1));
    let clock = || format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second);
    let half = if at.hour < 12 { "AM" } else { "PM" };
    Some(match flag {
        'a' => short(weekday()).to_owned(),
        'A' => weekday().to_owned(),
        'b' | 'h' => short(month()).to_owned(),
        'B' => month().to_owned(),
        'c' => format!(
            "{} {} {} {} {}",
            short(weekday()),
            short(month()),
            at.day,
            clock(),
            at.year
        ),
        'C' => format!("{:02}", at.year % 100),
        'Y' => at.year.to_string(),
        'D' | 'x' => format!("{:02}/{:02}/{:02}", at.month, at.day, at.year % 100),
        'm' => format!("{:02}", at.month),
        'd' => format!("{:02}", at.day),
        'H' => format!("{:02}", at.hour),
        'I' => format!("{:02}", at.hour_of_12()),
        'M' => format!("{:02}", at.minute),
        'S' => format!("{:02}", at.second),
        'e' => format!("{:03}", at.nanos / 1_000_000),
        'f' => format!("{:06}", at.nanos / 1000),
        'F' => format!("{:09}", at.nanos),
        'E' => at.epoch.to_string(),
        'p' => half.to_owned(),
        'r' => format!(
            "{:02}:{:02}:{:02} {half}",
            at.hour_of_12(),
            at.minute,
            at.second
        ),
        'R' => format!("{:02}:{:02}", at.hour, at.minute),
        'T' | 'X' => clock(),
        'z' => offset(at.offset),
        _ => return None,
    })
}

/// Hours and minutes east of UTC.
fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn name(names: &[&'static str], at: u64) -> &'static str {
    usize::try_from(at)
        .ok()
        .and_then(|at| names.get(at))
        .copied()
        .unwrap_or("?")
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

/// The message as it stands inside of JSON quotes.
fn json_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\u{8}' => out += "\\b",
            '\u{c}' => out += "\\f",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            other if other < ' ' => {
                let _a_string_takes_everything = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out
}

/// A line as `--log-format-escaped` writes it: C's escapes, so that a line stays one.
pub(super) fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for byte in line.bytes() {
        match byte {
            b'\n' => out += "\\n",
            b'\r' => out += "\\r",
            b'\t' => out += "\\t",
            b'"' => out += "\\\"",
            b'\'' => out += "\\'",
            b'\\' => out += "\\\\",
            0x20..=0x7e => out.push(char::from(byte)),
            other => {
                let _a_string_takes_everything = write!(out, "\\{other:03o}");
            }
        }
    }
    out
}
