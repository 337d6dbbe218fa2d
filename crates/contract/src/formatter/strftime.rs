//! strftime in the C locale, with GNU's flags (`-_0^#`), widths and `E`/`O` modifiers.

use crate::calendar::{DAYS, MONTHS};

use super::civil::Civil;
use super::time_format::{Moment, append_i64};

/// One specifier with its flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Specifier {
    field: u8,
    pad: Option<Pad>,
    upper: bool,
    swap_case: bool,
    width: u8,
    /// Colons of `%:z`.
    colons: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pad {
    None,
    Space,
    Zero,
}

/// What stands at a `%`.
pub(super) enum Read {
    /// A specifier.
    Specifier(Specifier),
    /// Fixed text.
    Text(&'static str),
    /// `%E#S`: seconds with so many digits behind the dot.
    Seconds(u8),
    /// `%E#f`: so many digits of the second.
    Subsecond(u8),
}

const FIELDS: &[u8] = b"aAbBcCdDeFgGhHIjklmMpPrRSTuUVwWxXyYzZ";
const WITH_E: &[u8] = b"cCxXyY";
const WITH_O: &[u8] = b"deHImMSuUVwWy";

/// Reads the specifier at the start of `text`, which begins with `%`; `None` if it is none.
pub(super) fn read(text: &str) -> Option<(Read, usize)> {
    for (fixed, read) in [
        ("%%", Read::Text("%")),
        ("%t", Read::Text("\t")),
        ("%ET", Read::Text("T")),
        ("%E4Y", Read::Specifier(Specifier::plain(b'Y'))),
        ("%Ez", Read::Specifier(Specifier::zone(1))),
        ("%E*z", Read::Specifier(Specifier::zone(2))),
        ("%z", Read::Specifier(Specifier::zone(0))),
        ("%:z", Read::Specifier(Specifier::zone(1))),
        ("%::z", Read::Specifier(Specifier::zone(2))),
        ("%:::z", Read::Specifier(Specifier::zone(3))),
    ] {
        if text.starts_with(fixed) {
            return Some((read, fixed.len()));
        }
    }
    read_digits(text).or_else(|| read_gnu(text.as_bytes()))
}

fn read_digits(text: &str) -> Option<(Read, usize)> {
    let rest = text.strip_prefix("%E")?;
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    // No more digits than a 64-bit count of femtoseconds has.
    let digits = rest.get(..length)?.parse::<u8>().ok()?.min(18);
    match rest.as_bytes().get(length)? {
        b'S' => Some((Read::Seconds(digits), length + 3)),
        b'f' => Some((Read::Subsecond(digits), length + 3)),
        _ => None,
    }
}

fn read_gnu(text: &[u8]) -> Option<(Read, usize)> {
    let mut specifier = Specifier::plain(0);
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'-' => specifier.pad = Some(Pad::None),
            b'_' => specifier.pad = Some(Pad::Space),
            b'0' => specifier.pad = Some(Pad::Zero),
            b'^' => specifier.upper = true,
            b'#' => specifier.swap_case = true,
            _ => break,
        }
        at += 1;
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        specifier.width = specifier
            .width
            .saturating_mul(10)
            .saturating_add(digit - b'0');
        at += 1;
    }
    let modifier = text
        .get(at)
        .copied()
        .filter(|byte| matches!(byte, b'E' | b'O'));
    at += usize::from(modifier.is_some());
    specifier.field = *text.get(at)?;
    let allowed = match modifier {
        Some(b'E') => WITH_E,
        Some(_) => WITH_O,
        None => FIELDS,
    };
    allowed
        .contains(&specifier.field)
        .then_some((Read::Specifier(specifier), at + 1))
}

impl Specifier {
    /// `%S`.
    pub(super) const SECOND: Self = Specifier::plain(b'S');

    const fn plain(field: u8) -> Self {
        Specifier {
            field,
            pad: None,
            upper: false,
            swap_case: false,
            width: 0,
            colons: 0,
        }
    }

    const fn zone(colons: u8) -> Self {
        Specifier {
            colons,
            ..Specifier::plain(b'z')
        }
    }

    /// Appends the moment's field.
    pub(super) fn append(&self, moment: &Moment<'_>, out: &mut Vec<u8>) {
        let civil = &moment.civil;
        match self.field {
            b'C' => self.number(civil.year.div_euclid(100), 2, Pad::Zero, out),
            b'd' => self.number(civil.day.into(), 2, Pad::Zero, out),
            b'e' => self.number(civil.day.into(), 2, Pad::Space, out),
            b'g' => self.number(civil.iso_week().0.rem_euclid(100), 2, Pad::Zero, out),
            b'G' => self.number(civil.iso_week().0, 0, Pad::Zero, out),
            b'H' => self.number(civil.hour.into(), 2, Pad::Zero, out),
            b'I' => self.number(hour12(civil), 2, Pad::Zero, out),
            b'j' => self.number(i64::from(civil.yearday) + 1, 3, Pad::Zero, out),
            b'k' => self.number(civil.hour.into(), 2, Pad::Space, out),
            b'l' => self.number(hour12(civil), 2, Pad::Space, out),
            b'm' => self.number(civil.month.into(), 2, Pad::Zero, out),
            b'M' => self.number(civil.minute.into(), 2, Pad::Zero, out),
            b'S' => self.number(civil.second.into(), 2, Pad::Zero, out),
            b'u' => self.number(i64::from((civil.weekday + 6) % 7) + 1, 1, Pad::Zero, out),
            b'U' => self.number(civil.sunday_week().into(), 2, Pad::Zero, out),
            b'V' => self.number(civil.iso_week().1.into(), 2, Pad::Zero, out),
            b'w' => self.number(civil.weekday.into(), 1, Pad::Zero, out),
            b'W' => self.number(civil.monday_week().into(), 2, Pad::Zero, out),
            b'y' => self.number(civil.year.rem_euclid(100), 2, Pad::Zero, out),
            b'Y' => self.number(civil.year, 0, Pad::Zero, out),
            b'z' => self.offset(moment.offset_seconds, out),
            _ => self.text(moment, out),
        }
    }

    fn number(&self, number: i64, default_width: u8, default_pad: Pad, out: &mut Vec<u8>) {
        let plain = self.pad.is_none() && self.width == 0 && default_pad == Pad::Zero;
        if plain && default_width == 2 && (0..100).contains(&number) {
            let number = number as u8;
            out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
            return;
        }
        let start = out.len();
        append_i64(number, out);
        let fill = match self.pad.unwrap_or(default_pad) {
            Pad::None if self.width == 0 => return,
            Pad::None | Pad::Zero => b'0',
            Pad::Space => b' ',
        };
        pad_left(start, self.width.max(default_width), fill, out);
    }

    fn text(&self, moment: &Moment<'_>, out: &mut Vec<u8>) {
        let civil = &moment.civil;
        let start = out.len();
        let day = DAYS.get(usize::from(civil.weekday)).copied().unwrap_or("");
        let month = MONTHS
            .get(usize::from(civil.month).wrapping_sub(1))
            .copied()
            .unwrap_or("");
        match self.field {
            b'a' => out.extend_from_slice(&day.as_bytes()[..3]),
            b'A' => out.extend_from_slice(day.as_bytes()),
            b'b' | b'h' => out.extend_from_slice(&month.as_bytes()[..3]),
            b'B' => out.extend_from_slice(month.as_bytes()),
            b'p' => out.extend_from_slice(if civil.hour < 12 { b"AM" } else { b"PM" }),
            b'P' => out.extend_from_slice(if civil.hour < 12 { b"am" } else { b"pm" }),
            b'Z' => out.extend_from_slice(moment.zone.as_bytes()),
            b'c' => compose("%a %b %e %T %Y", moment, out),
            b'D' | b'x' => compose("%m/%d/%y", moment, out),
            b'F' => compose("%Y-%m-%d", moment, out),
            b'r' => compose("%I:%M:%S %p", moment, out),
            b'R' => compose("%H:%M", moment, out),
            b'T' | b'X' => compose("%H:%M:%S", moment, out),
            _ => {}
        }
        if self.upper || self.swap_case && matches!(self.field, b'a' | b'A' | b'b' | b'B' | b'h') {
            out[start..].make_ascii_uppercase();
        } else if self.swap_case && matches!(self.field, b'p' | b'Z') {
            out[start..].make_ascii_lowercase();
        }
        let fill = if self.pad == Some(Pad::Zero) {
            b'0'
        } else {
            b' '
        };
        pad_left(start, self.width, fill, out);
    }

    fn offset(&self, offset_seconds: i32, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(if offset_seconds < 0 { b'-' } else { b'+' });
        let offset = offset_seconds.unsigned_abs();
        let two = |number: u32, out: &mut Vec<u8>| {
            out.push(b'0' + (number / 10 % 10) as u8);
            out.push(b'0' + (number % 10) as u8);
        };
        two(offset / 3600, out);
        let (minutes, seconds) = (offset / 60 % 60, offset % 60);
        let separator: &[u8] = if self.colons == 0 { b"" } else { b":" };
        if self.colons != 3 || minutes != 0 || seconds != 0 {
            out.extend_from_slice(separator);
            two(minutes, out);
        }
        if self.colons == 2 || self.colons == 3 && seconds != 0 {
            out.extend_from_slice(separator);
            two(seconds, out);
        }
        pad_left(start, self.width, b'0', out);
    }
}

fn compose(format: &str, moment: &Moment<'_>, out: &mut Vec<u8>) {
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
        } else if let Some(field) = bytes.next() {
            Specifier::plain(field).append(moment, out);
        }
    }
}

fn hour12(civil: &Civil) -> i64 {
    match civil.hour % 12 {
        0 => 12,
        hour => hour.into(),
    }
}

fn pad_left(start: usize, width: u8, fill: u8, out: &mut Vec<u8>) {
    let missing = usize::from(width).saturating_sub(out.len() - start);
    if missing == 0 {
        return;
    }
    let end = out.len();
    out.resize(end + missing, fill);
    out.copy_within(start..end, start + missing);
    out[start..start + missing].fill(fill);
}
