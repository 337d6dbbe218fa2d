//! Responses: records out as bytes.
//!
//! Limits: 8 records and 512 bytes, as Envoy counts them (the head as 2); names are written whole, a name
//! with a label of more than 63 bytes when it is escaped is none (FORMERR). Of more records some are chosen by where one
//! begins.

use std::net::IpAddr;

use super::message::{
    A, AAAA, CLASS_IN, LONGEST_LABEL_BYTES, LONGEST_NAME_BYTES, Query, Question, SRV,
};

const MOST_RECORDS: usize = 8;
const MOST_BYTES: usize = 512;
/// What Envoy counts for the head.
const HEAD_BYTES: usize = 2;

const IS_RESPONSE: u16 = 0x8000;
const KEPT_FLAGS: u16 = 0x7900;
const RECURSION_AVAILABLE: u16 = 0x80;

const NO_ERROR: u16 = 0;
const FORMAT_ERROR: u16 = 1;
const NAME_ERROR: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;

/// Where a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceRecord<'a> {
    pub(super) ttl_s: u32,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: &'a str,
    /// The first address of the target, and how long it holds.
    pub(super) address: Option<(IpAddr, u32)>,
}

/// What answers a question: no more than is told, in the order in which it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) addresses: Vec<IpAddr>,
    /// How long the addresses hold.
    pub(super) ttl_s: u32,
    pub(super) services: Vec<ServiceRecord<'a>>,
}

/// What is told of all, and how many there are: of too many some, from one on that is drawn by chance.
pub(super) fn chosen<I: Iterator + Clone>(all: I, drawn: u64) -> (u64, Vec<I::Item>) {
    let count = all.clone().count();
    let known = u64::try_from(count).unwrap_or(u64::MAX);
    let first = match count > MOST_RECORDS {
        true => usize::try_from(drawn % known.max(1)).unwrap_or(0),
        false => 0,
    };
    let turned = all.clone().skip(first).chain(all.take(first));
    (known, turned.take(MOST_RECORDS).collect())
}

/// The type of an address's record.
pub(super) fn kind_of(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(_) => A,
        IpAddr::V6(_) => AAAA,
    }
}

impl Answer<'_> {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.services.is_empty()
    }

    /// The response to a query.
    pub(super) fn write(&self, query: &Query, recursion: bool) -> Vec<u8> {
        let mut asked = Vec::new();
        let mut records = Records::default();
        let mut code = FORMAT_ERROR;
        if let Ok(question) = &query.question
            && put_name(&question.name, &mut asked)
        {
            put(question.kind, &mut asked);
            put(CLASS_IN, &mut asked);
            records.bytes = HEAD_BYTES + asked.len();
            self.write_records(question, &mut records);
            code = match (question.kind, records.count) {
                (A | AAAA | SRV, 0) => NAME_ERROR,
                (A | AAAA | SRV, _) => NO_ERROR,
                _ => NOT_IMPLEMENTED,
            };
        } else {
            asked.clear();
        }
        let available = if recursion { RECURSION_AVAILABLE } else { 0 };
        let mut out = Vec::with_capacity(MOST_BYTES);
        put(query.id, &mut out);
        put(
            IS_RESPONSE | (query.flags & KEPT_FLAGS) | available | code,
            &mut out,
        );
        put(u16::from(!asked.is_empty()), &mut out);
        put(records.count, &mut out);
        put(0, &mut out);
        put(records.additional_count, &mut out);
        out.append(&mut asked);
        out.append(&mut records.answers);
        out.append(&mut records.additional);
        out
    }

    fn write_records(&self, question: &Question, records: &mut Records) {
        let name = &question.name;
        let count = match question.kind {
            SRV => self.services.len(),
            _ => self.addresses.len(),
        };
        for place in 0..count.min(MOST_RECORDS) {
            let mut one = Vec::new();
            let written = match question.kind {
                SRV => self.services.get(place).is_some_and(|service| {
                    write_target(service, records) && put_service(name, service, &mut one)
                }),
                _ => {
                    let ip = self.addresses.get(place);
                    ip.is_some_and(|ip| put_address(name, *ip, self.ttl_s, &mut one))
                }
            };
            if !written {
                continue;
            }
            records.bytes += one.len();
            if records.bytes > MOST_BYTES {
                return;
            }
            records.answers.append(&mut one);
            records.count += 1;
        }
    }
}

/// The first address of a service's target, if there is one. False if it cannot be written.
fn write_target(service: &ServiceRecord<'_>, records: &mut Records) -> bool {
    let Some((ip, ttl_s)) = service.address else {
        return true;
    };
    let mut one = Vec::new();
    if !put_address(service.target, ip, ttl_s, &mut one) {
        return false;
    }
    records.bytes += one.len();
    records.additional.append(&mut one);
    records.additional_count += 1;
    true
}

/// What is written so far.
#[derive(Default)]
struct Records {
    answers: Vec<u8>,
    count: u16,
    additional: Vec<u8>,
    additional_count: u16,
    bytes: usize,
}

fn put(number: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Writes a name's labels; false if there can be no such name.
fn put_name(name: &str, out: &mut Vec<u8>) -> bool {
    if name.len() > LONGEST_NAME_BYTES {
        return false;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
        if usize::from(length) > LONGEST_LABEL_BYTES {
            return false;
        }
        out.push(length);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    true
}

fn put_head(name: &str, kind: u16, ttl_s: u32, out: &mut Vec<u8>) -> bool {
    let is_name = put_name(name, out);
    put(kind, out);
    put(CLASS_IN, out);
    out.extend_from_slice(&ttl_s.to_be_bytes());
    is_name
}

fn put_address(name: &str, ip: IpAddr, ttl_s: u32, out: &mut Vec<u8>) -> bool {
    let is_name = put_head(name, kind_of(ip), ttl_s, out);
    match ip {
        IpAddr::V4(ip) => {
            put(4, out);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            put(16, out);
            out.extend_from_slice(&ip.octets());
        }
    }
    is_name
}

fn put_service(name: &str, record: &ServiceRecord<'_>, out: &mut Vec<u8>) -> bool {
    let mut target = Vec::new();
    if !put_name(record.target, &mut target) {
        return false;
    }
    let is_name = put_head(name, SRV, record.ttl_s, out);
    put(u16::try_from(target.len() + 6).unwrap_or(u16::MAX), out);
    for number in [record.priority, record.weight, record.port] {
        put(number, out);
    }
    out.append(&mut target);
    is_name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Query {
        let name = name.to_owned();
        Query {
            id: 7,
            flags: 0x0100,
            may_be_answered: true,
            has_additional: false,
            question: Ok(Question { name, kind }),
        }
    }

    fn addresses(count: u8) -> Answer<'static> {
        Answer {
            addresses: (0..count).map(|last| [192, 0, 2, last].into()).collect(),
            ttl_s: 1,
            ..Answer::default()
        }
    }

    fn counts(response: &[u8]) -> Vec<u16> {
        let head = response.get(4..12).unwrap().chunks(2);
        head.map(|two| u16::from_be_bytes([two[0], two[1]]))
            .collect()
    }

    #[test]
    fn of_many_eight_are_told_from_the_one_that_was_drawn() {
        assert_eq!(chosen(0..10, 19), (10, vec![9, 0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(chosen(0..8, 19), (8, (0..8).collect()));
        assert_eq!(chosen(0..0, 19), (0, vec![]));
    }

    #[test]
    fn as_many_are_told_as_there_is_room_for() {
        let name = format!("{0}.{0}.{0}.test", "m".repeat(50));
        let response = addresses(3).write(&query(&name, A), false);
        assert_eq!(counts(&response), [1, 2, 0, 0]);
        let name = format!("{name}s");
        let response = addresses(3).write(&query(&name, A), false);
        assert_eq!(counts(&response), [1, 1, 0, 0]);
        let response = addresses(10).write(&query("a.test", A), false);
        assert_eq!(counts(&response), [1, 8, 0, 0]);
    }

    #[test]
    fn a_service_is_told_with_the_first_address_of_its_target() {
        let service = ServiceRecord {
            ttl_s: 1,
            priority: 1,
            weight: 2,
            port: 3,
            target: "a.test",
            address: Some(([192, 0, 2, 0].into(), 1)),
        };
        let answer = Answer {
            services: vec![service],
            ..Answer::default()
        };
        let response = answer.write(&query("_a._tcp.test", SRV), true);
        assert_eq!(counts(&response), [1, 1, 0, 1]);
        assert_eq!(response[2..4], [0x81, 0x80]);
        assert!(response.ends_with(&[192, 0, 2, 0]));
    }

    #[test]
    fn a_name_that_cannot_be_written_is_no_question() {
        for name in ["l".repeat(64), "l.".repeat(128)] {
            let response = Answer::default().write(&query(&name, A), false);
            assert_eq!(response, [0, 7, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
}
