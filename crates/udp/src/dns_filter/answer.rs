//! Responses: records out as bytes.
//!
//! Limits: 8 records and 512 bytes, as Envoy counts them (the head as 2); names are written whole. Of more records some
//! are chosen by where one begins.

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

/// An address of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddressRecord {
    pub(super) name: String,
    pub(super) ttl_s: u32,
    pub(super) ip: IpAddr,
}

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceRecord {
    pub(super) name: String,
    pub(super) ttl_s: u32,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// What answers a question.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) addresses: Vec<AddressRecord>,
    pub(super) services: Vec<ServiceRecord>,
    /// Addresses of services' targets.
    pub(super) additional: Vec<AddressRecord>,
}

/// The type of an address's record.
pub(super) fn kind_of(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(_) => A,
        IpAddr::V6(_) => AAAA,
    }
}

impl Answer {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.services.is_empty()
    }

    /// The response to a query. `drawn` is a number by chance.
    pub(super) fn write(&self, query: &Query, recursion: bool, drawn: u64) -> Vec<u8> {
        let mut asked = Vec::new();
        let mut records = Records::default();
        let mut code = FORMAT_ERROR;
        if let Ok(question) = &query.question
            && put_name(&question.name, &mut asked)
        {
            put(question.kind, &mut asked);
            put(CLASS_IN, &mut asked);
            records.bytes = HEAD_BYTES + asked.len();
            self.write_records(question, drawn, &mut records);
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

    fn write_records(&self, question: &Question, drawn: u64, records: &mut Records) {
        let all = match question.kind {
            SRV => self.services.len(),
            _ => self.addresses.len(),
        };
        let mut first = 0;
        if all > MOST_RECORDS {
            let among = u64::try_from(all).unwrap_or(1).max(1);
            first = usize::try_from(drawn % among).unwrap_or(0);
        }
        for place in (first..all).chain(0..first) {
            let mut one = Vec::new();
            let written = match question.kind {
                SRV => self.services.get(place).is_some_and(|service| {
                    self.write_target(service, records) && put_service(service, &mut one)
                }),
                _ => {
                    let address = self.addresses.get(place);
                    address.is_some_and(|address| put_address(address, &mut one))
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
            if usize::from(records.count) == MOST_RECORDS {
                return;
            }
        }
    }

    /// The first address of a service's target, if there is one. False if it cannot be written.
    fn write_target(&self, service: &ServiceRecord, records: &mut Records) -> bool {
        let mut of_target = self.additional.iter();
        let Some(address) = of_target.find(|address| address.name == service.target) else {
            return true;
        };
        let mut one = Vec::new();
        if !put_address(address, &mut one) {
            return false;
        }
        records.bytes += one.len();
        records.additional.append(&mut one);
        records.additional_count += 1;
        true
    }
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

fn put_address(record: &AddressRecord, out: &mut Vec<u8>) -> bool {
    let is_name = put_head(&record.name, kind_of(record.ip), record.ttl_s, out);
    match record.ip {
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

fn put_service(record: &ServiceRecord, out: &mut Vec<u8>) -> bool {
    let mut target = Vec::new();
    if !put_name(&record.target, &mut target) {
        return false;
    }
    let is_name = put_head(&record.name, SRV, record.ttl_s, out);
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
            has_additional: false,
            question: Ok(Question { name, kind }),
        }
    }

    fn addresses(name: &str, count: u8) -> Answer {
        let record = |last: u8| AddressRecord {
            name: name.to_owned(),
            ttl_s: 1,
            ip: [192, 0, 2, last].into(),
        };
        Answer {
            addresses: (0..count).map(record).collect(),
            ..Answer::default()
        }
    }

    fn counts(response: &[u8]) -> Vec<u16> {
        let head = response.get(4..12).unwrap().chunks(2);
        head.map(|two| u16::from_be_bytes([two[0], two[1]]))
            .collect()
    }

    #[test]
    fn of_many_addresses_eight_are_told_from_the_one_that_was_drawn() {
        let response = addresses("a.test", 10).write(&query("a.test", A), false, 19);
        assert_eq!(counts(&response), [1, 8, 0, 0]);
        // The question, then the last of them, then the first.
        let last_byte = |record: usize| response[12 + 12 + (record + 1) * 22 - 1];
        assert_eq!((last_byte(0), last_byte(1)), (9, 0));
    }

    #[test]
    fn as_many_are_told_as_there_is_room_for() {
        let name = format!("{0}.{0}.{0}.test", "m".repeat(50));
        let response = addresses(&name, 3).write(&query(&name, A), false, 0);
        assert_eq!(counts(&response), [1, 2, 0, 0]);
        let name = format!("{name}s");
        let response = addresses(&name, 3).write(&query(&name, A), false, 0);
        assert_eq!(counts(&response), [1, 1, 0, 0]);
    }

    #[test]
    fn a_service_is_told_with_the_first_address_of_its_target() {
        let service = ServiceRecord {
            name: "_a._tcp.test".to_owned(),
            ttl_s: 1,
            priority: 1,
            weight: 2,
            port: 3,
            target: "a.test".to_owned(),
        };
        let answer = Answer {
            services: vec![service],
            additional: addresses("a.test", 2).addresses,
            ..Answer::default()
        };
        let response = answer.write(&query("_a._tcp.test", SRV), true, 0);
        assert_eq!(counts(&response), [1, 1, 0, 1]);
        assert_eq!(response[2..4], [0x81, 0x80]);
        assert!(response.ends_with(&[192, 0, 2, 0]));
    }

    #[test]
    fn a_name_that_cannot_be_written_is_no_question() {
        for name in ["l".repeat(64), "l.".repeat(128)] {
            let response = Answer::default().write(&query(&name, A), false, 0);
            assert_eq!(response, [0, 7, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
}
