//! MaxMind's format, version 2: a tree over the bits of addresses, whose leaves are places in a section of data.

use std::net::IpAddr;

/// Stands before the description of the database, which is at the end.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// How far from the end the description may begin.
const DESCRIPTION_BYTES: usize = 128 << 10;
/// Zeros between the tree and the data.
const SEPARATOR_BYTES: usize = 16;
const MAX_DEPTH: u32 = 32;

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

/// A database in memory.
pub(super) struct Database {
    bytes: Vec<u8>,
    node_count: usize,
    record_bits: usize,
    is_ipv6: bool,
    /// Where IPv4 begins in a tree of IPv6.
    ipv4_start: usize,
    data_start: usize,
    data_end: usize,
}

/// What stands in an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A text.
    Text(&'a [u8]),
    /// A number of 32 bits.
    Number(u32),
    /// Yes or no.
    Boolean(bool),
}

/// Why bytes are no database, or an entry none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A value's type, and its bytes or how many entries follow.
struct Field {
    kind: u8,
    size: usize,
    /// Where its content begins.
    at: usize,
}

impl Database {
    /// Reads one.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, Broken> {
        let tail_start = bytes.len().saturating_sub(DESCRIPTION_BYTES);
        let tail = bytes.get(tail_start..).ok_or(Broken)?;
        let marker = memchr::memmem::rfind(tail, MARKER).ok_or(Broken)?;
        let marker = tail_start + marker;
        let description = bytes.get(marker + MARKER.len()..).ok_or(Broken)?;
        let section = Section(description);
        let number = |name: &str| -> Result<u64, Broken> {
            let field = section.find(0, &[name])?.ok_or(Broken)?;
            section.number(&field)
        };
        let node_count = usize::try_from(number("node_count")?).map_err(|_| Broken)?;
        let record_bits = usize::try_from(number("record_size")?).map_err(|_| Broken)?;
        let is_ipv6 = number("ip_version")? == 6;
        if !matches!(record_bits, 24 | 28 | 32) || number("binary_format_major_version")? != 2 {
            return Err(Broken);
        }
        let tree_bytes = node_count.checked_mul(record_bits / 4).ok_or(Broken)?;
        let data_start = tree_bytes.checked_add(SEPARATOR_BYTES).ok_or(Broken)?;
        if data_start > marker {
            return Err(Broken);
        }
        let mut database = Database {
            node_count,
            record_bits,
            is_ipv6,
            ipv4_start: 0,
            data_start,
            data_end: marker,
            bytes,
        };
        if is_ipv6 {
            let zeros = [0; 12];
            database.ipv4_start = database.walk(0, &zeros)?;
        }
        Ok(database)
    }

    /// Where the entry of an address is; none if there is none.
    pub(super) fn entry(&self, address: IpAddr) -> Result<Option<usize>, Broken> {
        let record = match address {
            IpAddr::V4(address) => self.walk(self.ipv4_start, &address.octets())?,
            IpAddr::V6(_) if !self.is_ipv6 => return Err(Broken),
            IpAddr::V6(address) => self.walk(0, &address.octets())?,
        };
        if record <= self.node_count {
            return Ok(None);
        }
        let offset = record - self.node_count;
        offset.checked_sub(SEPARATOR_BYTES).map(Some).ok_or(Broken)
    }

    /// What stands in an entry under a path of names and, in lists, numbers.
    pub(super) fn value(&self, entry: usize, path: &[&str]) -> Result<Option<Value<'_>>, Broken> {
        let data = self.bytes.get(self.data_start..self.data_end);
        let section = Section(data.ok_or(Broken)?);
        let Some(field) = section.find(entry, path)? else {
            return Ok(None);
        };
        Ok(match field.kind {
            TEXT => Some(Value::Text(section.content(&field)?)),
            BOOLEAN => Some(Value::Boolean(field.size != 0)),
            UINT32 => {
                let number = section.number(&field)?;
                Some(Value::Number(u32::try_from(number).map_err(|_| Broken)?))
            }
            _ => None,
        })
    }

    /// Follows bits from a node on; the record where they end, or that of a leaf before.
    fn walk(&self, start: usize, octets: &[u8]) -> Result<usize, Broken> {
        let mut node = start;
        for octet in octets {
            for shift in (0..8).rev() {
                if node >= self.node_count {
                    return Ok(node);
                }
                node = self.record(node, octet >> shift & 1)?;
            }
        }
        Ok(node)
    }

    fn record(&self, node: usize, side: u8) -> Result<usize, Broken> {
        let bytes = self.record_bits / 4;
        let start = node.checked_mul(bytes).ok_or(Broken)?;
        let node = self.bytes.get(start..start + bytes).ok_or(Broken)?;
        let number = |bytes: &[u8]| {
            let bytes = bytes.iter();
            bytes.fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
        };
        Ok(match (node, side) {
            ([a, b, c, middle, _, _, _], 0) => number(&[middle >> 4, *a, *b, *c]),
            ([_, _, _, middle, d, e, f], _) => number(&[middle & 15, *d, *e, *f]),
            (node, 0) => number(node.get(..bytes / 2).ok_or(Broken)?),
            (node, _) => number(node.get(bytes / 2..).ok_or(Broken)?),
        })
    }
}

/// Values one behind another, pointers among them.
struct Section<'a>(&'a [u8]);

impl<'a> Section<'a> {
    /// What stands under `path` in the value at `at`.
    fn find(&self, at: usize, path: &[&str]) -> Result<Option<Field>, Broken> {
        let mut field = self.resolved(at)?;
        for step in path {
            let mut at = field.at;
            let wanted = match field.kind {
                MAP => None,
                ARRAY => Some(step.parse::<usize>().map_err(|_| Broken)?),
                _ => return Ok(None),
            };
            if wanted.is_some_and(|index| index >= field.size) {
                return Ok(None);
            }
            let mut found = None;
            for index in 0..field.size {
                let is_it = match wanted {
                    Some(wanted) => wanted == index,
                    None => {
                        let name = self.resolved(at)?;
                        let is_it = name.kind == TEXT && self.content(&name)? == step.as_bytes();
                        at = self.behind(at, 0)?;
                        is_it
                    }
                };
                if is_it {
                    found = Some(self.resolved(at)?);
                    break;
                }
                at = self.behind(at, 0)?;
            }
            match found {
                Some(inner) => field = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(field))
    }

    /// The value at `at`, or the one that it points to.
    fn resolved(&self, at: usize) -> Result<Field, Broken> {
        let field = self.field(at)?;
        match field.kind {
            POINTER => match self.field(field.size)? {
                Field { kind: POINTER, .. } => Err(Broken),
                field => Ok(field),
            },
            _ => Ok(field),
        }
    }

    /// Where the value at `at` ends.
    fn behind(&self, at: usize, depth: u32) -> Result<usize, Broken> {
        if depth > MAX_DEPTH {
            return Err(Broken);
        }
        let field = self.field(at)?;
        let count = match field.kind {
            POINTER | BOOLEAN => return Ok(field.at),
            MAP => field.size.checked_mul(2).ok_or(Broken)?,
            ARRAY => field.size,
            _ => return field.at.checked_add(field.size).ok_or(Broken),
        };
        let mut at = field.at;
        for _ in 0..count {
            at = self.behind(at, depth + 1)?;
        }
        Ok(at)
    }

    /// Type and size at `at`; of a pointer, where it points to.
    fn field(&self, at: usize) -> Result<Field, Broken> {
        let control = self.byte(at)?;
        let mut at = at + 1;
        let mut kind = control >> 5;
        if kind == POINTER {
            return self.pointer(control, at);
        }
        if kind == 0 {
            kind = self.byte(at)?.checked_add(7).ok_or(Broken)?;
            at += 1;
        }
        let short = usize::from(control & 31);
        let (more, base) = match short {
            29 => (1, 29),
            30 => (2, 285),
            31 => (3, 65_821),
            _ => (0, short),
        };
        let size = base + self.big_endian(at, more)?;
        Ok(Field {
            kind,
            size,
            at: at + more,
        })
    }

    fn pointer(&self, control: u8, at: usize) -> Result<Field, Broken> {
        let high = usize::from(control & 7);
        let (bytes, base) = match control >> 3 & 3 {
            0 => (1, 0),
            1 => (2, 2048),
            2 => (3, 526_336),
            _ => (4, 0),
        };
        let low = self.big_endian(at, bytes)?;
        let size = match bytes {
            4 => low,
            _ => (high << (8 * bytes) | low) + base,
        };
        Ok(Field {
            kind: POINTER,
            size,
            at: at + bytes,
        })
    }

    fn content(&self, field: &Field) -> Result<&'a [u8], Broken> {
        let end = field.at.checked_add(field.size).ok_or(Broken)?;
        self.0.get(field.at..end).ok_or(Broken)
    }

    fn number(&self, field: &Field) -> Result<u64, Broken> {
        match field.kind {
            UINT16 | UINT32 | UINT64 if field.size <= 8 => {
                let bytes = self.content(field)?.iter();
                Ok(bytes.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
            }
            _ => Err(Broken),
        }
    }

    fn big_endian(&self, at: usize, count: usize) -> Result<usize, Broken> {
        let end = at.checked_add(count).ok_or(Broken)?;
        let bytes = self.0.get(at..end).ok_or(Broken)?.iter();
        Ok(bytes.fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    fn byte(&self, at: usize) -> Result<u8, Broken> {
        self.0.get(at).copied().ok_or(Broken)
    }
}
