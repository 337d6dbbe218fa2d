//! Queries of DNS: bytes in, a question or what is wrong with it out.
//!
//! A query has one question of the class IN; more records than that are passed over where RFC 6891 puts them, and make
//! the query invalid elsewhere. Names are texts, in which what is no plain character is escaped (`\.`, `\255`), as in
//! Envoy; their case is kept. Limits: names of 255 bytes, as they come and escaped; pointers that go back only.

/// Type of addresses of IPv4.
pub(super) const A: u16 = 1;
/// Type of addresses of IPv6.
pub(super) const AAAA: u16 = 28;
/// Type of services.
pub(super) const SRV: u16 = 33;
/// The class of the Internet, the only one.
pub(super) const CLASS_IN: u16 = 1;

const HEAD_BYTES: usize = 12;
const SHORTEST_NAME_BYTES: usize = 3;
pub(super) const LONGEST_NAME_BYTES: usize = 255;
pub(super) const LONGEST_LABEL_BYTES: usize = 63;
const IS_RESPONSE: u16 = 0x8000;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: u16,
}

/// Why a query is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    /// It ends within its head.
    Underflow,
    /// It is a response, or has records of one.
    HasAnswers,
    /// It has not one question.
    Questions,
    /// Its question cannot be read.
    Question,
}

/// A query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Whether it has a whole head, which is not a response's.
    pub(super) may_be_answered: bool,
    /// Whether there are records behind the question.
    pub(super) has_additional: bool,
    pub(super) question: Result<Question, Invalid>,
}

impl Query {
    /// Reads a datagram.
    pub(super) fn read(bytes: &[u8]) -> Query {
        let field = |place: usize| number(bytes, place * 2);
        let mut query = Query {
            id: field(0).unwrap_or(0),
            flags: field(1).unwrap_or(0),
            may_be_answered: false,
            has_additional: false,
            question: Err(Invalid::Underflow),
        };
        let (Some(questions), Some(answers), Some(authorities), Some(additional)) =
            (field(2), field(3), field(4), field(5))
        else {
            return query;
        };
        query.may_be_answered = query.flags & IS_RESPONSE == 0;
        query.question = if query.flags & IS_RESPONSE != 0 || answers != 0 || authorities != 0 {
            Err(Invalid::HasAnswers)
        } else if questions != 1 {
            Err(Invalid::Questions)
        } else {
            question(bytes).ok_or(Invalid::Question)
        };
        query.has_additional = query.question.is_ok() && additional != 0;
        query
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(two.try_into().ok()?))
}

fn question(bytes: &[u8]) -> Option<Question> {
    if bytes.len() < HEAD_BYTES + SHORTEST_NAME_BYTES {
        return None;
    }
    let (name, behind) = name(bytes, HEAD_BYTES)?;
    let kind = number(bytes, behind)?;
    let class = number(bytes, behind + 2)?;
    let is_name = !name.is_empty() && name.len() <= LONGEST_NAME_BYTES;
    (class == CLASS_IN && is_name).then_some(Question { name, kind })
}

/// The name at a place, and the place behind it.
fn name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let (mut at, mut begin, mut behind) = (at, at, None);
    // What it takes without pointers, the end included.
    let mut whole_bytes = 1;
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((text, behind.unwrap_or(at + 1))),
            1..=63 => {
                let end = at + 1 + usize::from(length);
                let label = bytes.get(at + 1..end)?;
                whole_bytes += label.len() + 1;
                if whole_bytes > LONGEST_NAME_BYTES {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                label.iter().for_each(|byte| escape(*byte, &mut text));
                at = end;
            }
            0xc0.. => {
                let to = usize::from(number(bytes, at)? & 0x3fff);
                behind.get_or_insert(at + 2);
                // Only ever further back, so that there is an end.
                if to >= begin {
                    return None;
                }
                (at, begin) = (to, to);
            }
            _ => return None,
        }
    }
}

fn escape(byte: u8, text: &mut String) {
    match byte {
        b'"' | b'.' | b';' | b'\\' | b'(' | b')' | b'@' | b'$' => {
            text.push('\\');
            text.push(char::from(byte));
        }
        b' '..=b'~' => text.push(char::from(byte)),
        _ => {
            text.push('\\');
            for digit in [byte / 100, byte / 10 % 10, byte % 10] {
                text.push(char::from(b'0' + digit));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(flags: u16, counts: [u16; 4], question: &[u8]) -> Query {
        let head = [0x1234, flags].into_iter().chain(counts);
        let mut bytes: Vec<u8> = head.flat_map(u16::to_be_bytes).collect();
        bytes.extend_from_slice(question);
        Query::read(&bytes)
    }

    fn asked(name: &[u8]) -> Result<String, Invalid> {
        let question = [name, b"\0\x01\0\x01"].concat();
        query(0, [1, 0, 0, 0], &question).question.map(|it| it.name)
    }

    #[test]
    fn a_question_is_read_with_what_is_no_plain_character_escaped() {
        assert_eq!(asked(b"\x03one\x04test\0"), Ok("one.test".to_owned()));
        assert_eq!(
            asked(b"\x03a.b\x02\x01\xff\0"),
            Ok("a\\.b.\\001\\255".to_owned())
        );
        assert_eq!(asked(b"\x03one\xc0\x02"), Ok("one".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_invalid() {
        for name in [
            &b"\0"[..],
            b"\xc0\x0c",
            b"\xc0\x10\0\0\x03one\0",
            b"\x40one\0",
            b"\x20one",
            &[&[0x3f_u8][..], &[b'l'; 63]].concat().repeat(4),
            // 64 bytes, which are 256 when they are escaped.
            &[&[0x3f_u8][..], &[0xff; 63], &[1, 0xff, 0]].concat(),
        ] {
            assert_eq!(asked(name), Err(Invalid::Question), "{name:?}");
        }
        let question = b"\x03one\0\0\x01\0\x03";
        assert_eq!(
            query(0, [1, 0, 0, 0], question).question,
            Err(Invalid::Question)
        );
        assert_eq!(
            query(0, [2, 0, 0, 0], question).question,
            Err(Invalid::Questions)
        );
        assert_eq!(
            query(0, [1, 1, 0, 0], question).question,
            Err(Invalid::HasAnswers)
        );
        assert_eq!(
            query(0x8000, [1, 0, 0, 0], question).question,
            Err(Invalid::HasAnswers)
        );
        assert_eq!(Query::read(&[1, 2, 3]).question, Err(Invalid::Underflow));
        assert_eq!(Query::read(&[1, 2, 3]).id, 0x102);
    }

    #[test]
    fn responses_and_what_has_no_whole_head_are_not_to_be_answered() {
        let question = b"\x03one\0\0\x01\0\x01";
        assert!(query(0x7fff, [1, 0, 0, 0], question).may_be_answered);
        assert!(query(0, [0, 1, 0, 0], b"").may_be_answered);
        assert!(!query(0x8000, [1, 0, 0, 0], question).may_be_answered);
        assert!(!Query::read(&[0; 11]).may_be_answered);
        assert!(!Query::read(&[]).may_be_answered);
    }

    #[test]
    fn records_of_extensions_are_passed_over() {
        let query = query(0, [1, 0, 0, 1], b"\x03one\0\0\x21\0\x01\0\0\x29");
        assert!(query.has_additional);
        let name = "one".to_owned();
        assert_eq!(query.question, Ok(Question { name, kind: SRV }));
    }
}
