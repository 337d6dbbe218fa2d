//! What the peer's encoder and decoder of QPACK say. Neither of us has a dynamic table, so there is next to nothing that
//! they may (RFC 9204 sections 4.3 and 4.4); each instruction is refused as soon as it cannot be right.

use super::super::error::ConnectionError;
use super::super::problem::Problem;

/// Most bytes behind the first of an integer: they hold the number of any stream.
const MAX_MORE_BYTES: u32 = 9;

/// An integer with a prefix, as its bytes come.
#[derive(Clone, Copy)]
struct Integer {
    value: u64,
    more_bytes: u32,
}

/// What a byte makes of an integer.
enum Grown {
    Whole(u64),
    GoesOn,
    TooLong,
}

impl Integer {
    /// Begins with the first byte.
    fn begin(first: u8, prefix_bits: u32) -> Result<u64, Self> {
        let prefix = (1u8 << prefix_bits) - 1;
        let value = u64::from(first & prefix);
        match first & prefix == prefix {
            true => Err(Self {
                value,
                more_bytes: 0,
            }),
            false => Ok(value),
        }
    }

    fn grow(&mut self, byte: u8) -> Grown {
        let more = u64::from(byte & 0x7f) << (7 * self.more_bytes);
        self.value = self.value.saturating_add(more);
        self.more_bytes += 1;
        match byte & 0x80 == 0 {
            true => Grown::Whole(self.value),
            false if self.more_bytes < MAX_MORE_BYTES => Grown::GoesOn,
            false => Grown::TooLong,
        }
    }
}

/// What the peer's encoder says: it may set the table to nothing.
#[derive(Default)]
pub(super) struct EncoderStream {
    open: Option<Integer>,
}

impl EncoderStream {
    pub(super) fn take(&mut self, input: &[u8]) -> Result<(), ConnectionError> {
        for byte in input {
            let value = match self.open.take() {
                Some(mut open) => match open.grow(*byte) {
                    Grown::Whole(value) => value,
                    Grown::GoesOn => {
                        self.open = Some(open);
                        continue;
                    }
                    Grown::TooLong => {
                        let text = "Encoder stream error: Encoded integer too large.";
                        return Err(ConnectionError::new(Problem::EncoderInteger, text));
                    }
                },
                None => match begin_capacity(*byte)? {
                    Ok(value) => value,
                    Err(open) => {
                        self.open = Some(open);
                        continue;
                    }
                },
            };
            if value > 0 {
                let text = "Encoder stream error: Error updating dynamic table capacity.";
                return Err(ConnectionError::new(Problem::Capacity, text));
            }
        }
        Ok(())
    }
}

fn begin_capacity(first: u8) -> Result<Result<u64, Integer>, ConnectionError> {
    let (problem, text) = match first {
        0x20..0x40 => return Ok(Integer::begin(first, 5)),
        0xc0.. => (
            Problem::InsertStatic,
            "Encoder stream error: Error inserting entry with name reference.",
        ),
        0x80.. => (
            Problem::InsertDynamic,
            "Encoder stream error: Dynamic table entry not found.",
        ),
        0x40.. => (
            Problem::InsertLiteral,
            "Encoder stream error: Error inserting literal entry.",
        ),
        _ => (
            Problem::Duplicate,
            "Encoder stream error: Dynamic table entry not found.",
        ),
    };
    Err(ConnectionError::new(problem, text))
}

/// What the peer's decoder says: it may give up streams.
#[derive(Default)]
pub(super) struct DecoderStream {
    /// What an instruction is, whose integer has not come whole.
    open: Option<(Instruction, Integer)>,
}

#[derive(Clone, Copy)]
enum Instruction {
    Acknowledge,
    Cancel,
    Increment,
}

impl DecoderStream {
    pub(super) fn take(&mut self, input: &[u8]) -> Result<(), ConnectionError> {
        for byte in input {
            let (instruction, value) = match self.open.take() {
                Some((instruction, mut open)) => match open.grow(*byte) {
                    Grown::Whole(value) => (instruction, value),
                    Grown::GoesOn => {
                        self.open = Some((instruction, open));
                        continue;
                    }
                    Grown::TooLong => {
                        let text = "Decoder stream error: Encoded integer too large.";
                        return Err(ConnectionError::new(Problem::DecoderInteger, text));
                    }
                },
                None => {
                    let (instruction, prefix_bits) = match byte {
                        0x80.. => (Instruction::Acknowledge, 7),
                        0x40.. => (Instruction::Cancel, 6),
                        _ => (Instruction::Increment, 6),
                    };
                    match Integer::begin(*byte, prefix_bits) {
                        Ok(value) => (instruction, value),
                        Err(open) => {
                            self.open = Some((instruction, open));
                            continue;
                        }
                    }
                }
            };
            check(instruction, value)?;
        }
        Ok(())
    }
}

fn check(instruction: Instruction, value: u64) -> Result<(), ConnectionError> {
    let (problem, text) = match instruction {
        Instruction::Cancel => return Ok(()),
        Instruction::Acknowledge => (
            Problem::Acknowledgement,
            format!(
                "Decoder stream error: Header Acknowledgement received for stream {value} with no outstanding header blocks."
            ),
        ),
        Instruction::Increment if value == 0 => (
            Problem::IncrementOfZero,
            "Decoder stream error: Invalid increment value 0.".to_owned(),
        ),
        Instruction::Increment => (
            Problem::Increment,
            format!(
                "Decoder stream error: Increment value {value} raises known received count to {value} exceeding inserted entry count 0"
            ),
        ),
    };
    Err(ConnectionError::told(problem, text))
}
