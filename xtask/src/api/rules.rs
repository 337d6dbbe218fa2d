//! `validate.FieldRules` -> words of the rules table.
//!
//! A rule set is `[kind | message flags << 8, rule count, (PGV field number << 24 | operand)...]`.
//! What the operand is follows from the rule; see [`Operand`].

use super::emit::Pools;
use super::wire::{self, WireValue};

/// How a rule's value is kept in the operand's 24 bits.
#[derive(Clone, Copy)]
enum Operand {
    /// The value itself, a flag or a small enum.
    Literal,
    /// An index in the pool of 64-bit numbers.
    Number(Scalar),
    /// A string's id.
    Text,
    /// An index in the pool of 64-bit numbers: seconds, then nanoseconds.
    Time,
    /// The offset of another rule set.
    Rules,
}

/// The wire form of a number.
#[derive(Clone, Copy, PartialEq)]
enum Scalar {
    Float,
    Double,
    Signed,
    ZigZag,
    Unsigned,
    Fixed,
    FixedSigned32,
}

const MESSAGE_RULES: u32 = 17;

/// Adds a rule set to the pools and returns its offset in words.
pub(crate) fn emit(rules: &[u8], pools: &mut Pools) -> u32 {
    let mut kind = 0;
    let mut flags = 0;
    let mut body: Vec<u8> = Vec::new();
    for part in wire::fields(rules) {
        if part.number == MESSAGE_RULES {
            for flag in wire::fields(part.value.bytes()) {
                flags |= u32::from(flag.value.flag()) << (flag.number - 1);
            }
        } else {
            kind = part.number;
            body.extend_from_slice(part.value.bytes());
        }
    }
    let mut words = vec![kind | flags << 8, 0];
    for (number, values) in grouped(kind, &body) {
        let Some(shape) = shape(kind, number) else {
            panic!("no shape for rule {number} of rule kind {kind}")
        };
        let value = operand_of(shape, &values, pools);
        assert!(value < 1 << 24, "an operand needs more than 24 bits");
        words.push(number << 24 | value);
        words[1] += 1;
    }
    pools.rules(&words)
}

fn operand_of(shape: (Operand, bool), values: &[WireValue<'_>], pools: &mut Pools) -> u32 {
    match shape {
        // Protobuf merges a message that is written in parts by joining its bytes.
        (Operand::Rules, _) => {
            let parts: Vec<&[u8]> = values.iter().map(|value| value.bytes()).collect();
            emit(&parts.concat(), pools)
        }
        (operand, true) => {
            let operands: Vec<u32> = values
                .iter()
                .map(|value| encode(operand, *value, pools))
                .collect();
            pools.list(&operands)
        }
        (operand, false) => values
            .last()
            .map_or(0, |value| encode(operand, *value, pools)),
    }
}

/// The values of each rule, packed lists unpacked, in the order of rule numbers.
fn grouped(kind: u32, body: &[u8]) -> Vec<(u32, Vec<WireValue<'_>>)> {
    let mut groups: Vec<(u32, Vec<WireValue<'_>>)> = Vec::new();
    for part in wire::fields(body) {
        let values = match (shape(kind, part.number), part.value) {
            (Some((Operand::Number(scalar), true)), WireValue::Bytes(packed)) => {
                unpack(scalar, packed)
            }
            (_, value) => vec![value],
        };
        match groups.iter_mut().find(|group| group.0 == part.number) {
            Some(group) => group.1.extend(values),
            None => groups.push((part.number, values)),
        }
    }
    groups.sort_by_key(|group| group.0);
    groups
}

fn unpack(scalar: Scalar, mut packed: &[u8]) -> Vec<WireValue<'_>> {
    let mut values = Vec::new();
    while !packed.is_empty() {
        match scalar {
            Scalar::Signed | Scalar::ZigZag | Scalar::Unsigned => {
                values.push(WireValue::Varint(wire::varint(&mut packed)))
            }
            _ => panic!("a packed list of fixed-width numbers"),
        }
    }
    values
}

/// What rule `number` of rule kind `kind` carries, and whether it is a list.
fn shape(kind: u32, number: u32) -> Option<(Operand, bool)> {
    use Operand::{Literal, Number, Rules, Text, Time};
    let count = Number(Scalar::Unsigned);
    let shape = match (kind, number) {
        (1..=12, 1..=5) => (Number(scalar(kind)), false),
        (1..=12, 6 | 7) => (Number(scalar(kind)), true),
        (1..=12, 8) | (13, 1) => (Literal, false),
        (14, 1 | 6..=9 | 23) | (15, 1 | 4..=7) => (Text, false),
        (14, 10 | 11) | (15, 8 | 9) | (20, 2 | 3) => (Text, true),
        (14, 2..=5 | 19 | 20) | (15, 2 | 3 | 13) => (count, false),
        (14, 12..=18 | 21 | 22 | 24..=26) | (15, 10..=12 | 14) => (Literal, false),
        (16, 1) => (Number(Scalar::Signed), false),
        (16, 2) => (Literal, false),
        (16, 3 | 4) => (Number(Scalar::Signed), true),
        (18 | 19, 1 | 2) => (count, false),
        (18, 3 | 5) | (19, 3 | 6) => (Literal, false),
        (18, 4) | (19, 4 | 5) => (Rules, false),
        (20, 1) | (21 | 22, 1) | (22, 7 | 8) => (Literal, false),
        (21 | 22, 2..=6) | (22, 9) => (Time, false),
        (21, 7 | 8) => (Time, true),
        _ => return None,
    };
    Some(shape)
}

fn scalar(kind: u32) -> Scalar {
    match kind {
        1 => Scalar::Float,
        2 => Scalar::Double,
        3 | 4 => Scalar::Signed,
        5 | 6 => Scalar::Unsigned,
        7 | 8 => Scalar::ZigZag,
        11 => Scalar::FixedSigned32,
        _ => Scalar::Fixed,
    }
}

fn encode(operand: Operand, value: WireValue<'_>, pools: &mut Pools) -> u32 {
    match operand {
        Operand::Literal => value.number() as u32,
        Operand::Number(scalar) => pools.number(bits(scalar, value.number())),
        Operand::Text => {
            let text = String::from_utf8(value.bytes().to_vec()).expect("rules hold text");
            pools.string(&text)
        }
        Operand::Time => {
            let part =
                |number| wire::field(value.bytes(), number).map_or(0, |value| value.number());
            pools.number_pair(part(1), part(2))
        }
        Operand::Rules => emit(value.bytes(), pools),
    }
}

/// A number as its pool keeps it: floats as `f64` bits, signed ones sign-extended.
fn bits(scalar: Scalar, raw: u64) -> u64 {
    match scalar {
        Scalar::Float => f64::from(f32::from_bits(raw as u32)).to_bits(),
        Scalar::ZigZag => (raw >> 1) ^ (raw & 1).wrapping_neg(),
        Scalar::FixedSigned32 => i64::from(raw as u32 as i32) as u64,
        Scalar::Double | Scalar::Signed | Scalar::Unsigned | Scalar::Fixed => raw,
    }
}
