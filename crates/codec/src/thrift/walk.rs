//! A walk through the values of a payload: read in one protocol, written in another, as far as the bytes go.

use super::input::Input;
use super::values::{
    Field, copy_plain, kind, read_field, read_list, read_map, write_field, write_list, write_map,
};
use super::{DecodeError, Protocol, Read};

/// So deep may values stand in each other.
pub const MAX_DEPTH: usize = 1024;

/// What the walk is in.
enum Level {
    Struct {
        last_id: i16,
    },
    List {
        kind: u8,
        left: usize,
    },
    Map {
        key: u8,
        value: u8,
        left: usize,
        is_at_value: bool,
    },
}

/// A walk through one payload, which is a struct.
pub struct Walk {
    protocols: (Protocol, Protocol),
    levels: Vec<Level>,
}

impl Walk {
    /// One that has not begun.
    pub fn new(from: Protocol, to: Protocol) -> Self {
        Walk {
            protocols: (from, to),
            levels: vec![Level::Struct { last_id: 0 }],
        }
    }

    /// One through a single value of the binary protocol.
    pub(super) fn of_value(kind: u8) -> Self {
        Walk {
            protocols: (Protocol::Binary, Protocol::Binary),
            levels: vec![Level::List { kind, left: 1 }],
        }
    }

    /// Whether all was read.
    pub fn is_over(&self) -> bool {
        self.levels.is_empty()
    }

    /// Goes on as far as whole values are there; how many bytes were read.
    ///
    /// # Errors
    /// They are no values.
    pub fn go_on(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, DecodeError> {
        let mut input = Input::new(bytes);
        while !self.is_over() {
            let mut ahead = input;
            if self.step(&mut ahead, out)?.is_none() {
                break;
            }
            input = ahead;
        }
        Ok(input.taken())
    }

    /// A field, a member, or the end of what holds them.
    fn step(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) -> Read<()> {
        let kind = match self.levels.last_mut() {
            Some(Level::Struct { .. }) => return self.field(input, out),
            Some(Level::List { left: 0, .. } | Level::Map { left: 0, .. }) => {
                self.levels.pop();
                return Ok(Some(()));
            }
            Some(Level::List { kind, .. }) => *kind,
            Some(Level::Map {
                value,
                is_at_value: true,
                ..
            }) => *value,
            Some(Level::Map { key, .. }) => *key,
            None => return Ok(Some(())),
        };
        let level = self.levels.len();
        if self.value(kind, input, out)?.is_none() {
            return Ok(None);
        }
        match self.levels.get_mut(level.saturating_sub(1)) {
            Some(Level::List { left, .. }) => *left -= 1,
            Some(Level::Map {
                left, is_at_value, ..
            }) => {
                *left -= usize::from(*is_at_value);
                *is_at_value = !*is_at_value;
            }
            Some(Level::Struct { .. }) | None => {}
        }
        Ok(Some(()))
    }

    fn field(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) -> Read<()> {
        let Some(Level::Struct { last_id }) = self.levels.last_mut() else {
            return Ok(Some(()));
        };
        let (from, to) = self.protocols;
        let Some(mut field) = read_field(from, *last_id, input)? else {
            return Ok(None);
        };
        if field.kind == kind::STOP {
            out.push(0);
            self.levels.pop();
            return Ok(Some(()));
        }
        if field.kind == kind::BOOL && field.bool.is_none() {
            match input.byte() {
                Some(byte) => field.bool = Some(byte != 0),
                None => return Ok(None),
            }
        }
        let before = std::mem::replace(last_id, field.id);
        let written = out.len();
        write_field(to, before, &field, out)?;
        if field.bool.is_some() {
            return Ok(Some(()));
        }
        if self.value(field.kind, input, out)?.is_some() {
            return Ok(Some(()));
        }
        // As if nothing had been read.
        out.truncate(written);
        if let Some(Level::Struct { last_id }) = self.levels.last_mut() {
            *last_id = before;
        }
        Ok(None)
    }

    fn value(&mut self, kind: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Read<()> {
        let (from, to) = self.protocols;
        let level = match kind {
            kind::STRUCT => Level::Struct { last_id: 0 },
            kind::LIST | kind::SET => {
                let Some((kind, left)) = read_list(from, input)? else {
                    return Ok(None);
                };
                write_list(to, (kind, left), out)?;
                Level::List { kind, left }
            }
            kind::MAP => {
                let Some((key, value, left)) = read_map(from, input)? else {
                    return Ok(None);
                };
                write_map(to, (key, value, left), out)?;
                Level::Map {
                    key,
                    value,
                    left,
                    is_at_value: false,
                }
            }
            _ => return copy_plain(kind, self.protocols, input, out),
        };
        if self.levels.len() >= MAX_DEPTH {
            return Err(DecodeError::new("values are too deep in each other"));
        }
        self.levels.push(level);
        Ok(Some(()))
    }
}

/// The first field of a payload: whether there is none, or its number.
pub(super) fn first_field(protocol: Protocol, payload: &[u8]) -> Option<Option<i16>> {
    let field: Field = read_field(protocol, 0, &mut Input::new(payload)).ok()??;
    Some((field.kind != kind::STOP).then_some(field.id))
}
