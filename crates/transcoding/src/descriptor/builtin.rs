//! `google.rpc.Status` and `google.protobuf.Any`, which statuses of calls are told in, for sets of files without them.

use crate::wire::{put_bytes, put_tag, put_varint};

const SINGULAR: u64 = 1;
const REPEATED: u64 = 3;
const INT32: u64 = 5;
const STRING: u64 = 9;
const MESSAGE: u64 = 11;
const BYTES: u64 = 12;

fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    put_tag(out, field, 0);
    put_varint(out, value);
}

fn field(message: &mut Vec<u8>, name: &str, at: u64, label: u64, kind: u64) {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    number(&mut out, 3, at);
    number(&mut out, 4, label);
    number(&mut out, 5, kind);
    if kind == MESSAGE {
        put_bytes(&mut out, 6, b".google.protobuf.Any");
    }
    put_bytes(message, 2, &out);
}

fn file(set: &mut Vec<u8>, package: &str, message: &[u8]) {
    let mut out = Vec::new();
    put_bytes(&mut out, 2, package.as_bytes());
    put_bytes(&mut out, 4, message);
    put_bytes(&mut out, 12, b"proto3");
    put_bytes(set, 1, &out);
}

/// `google/rpc/status.proto`.
pub(super) fn status(set: &mut Vec<u8>) {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, b"Status");
    field(&mut message, "code", 1, SINGULAR, INT32);
    field(&mut message, "message", 2, SINGULAR, STRING);
    field(&mut message, "details", 3, REPEATED, MESSAGE);
    file(set, "google.rpc", &message);
}

/// `google/protobuf/any.proto`.
pub(super) fn any(set: &mut Vec<u8>) {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, b"Any");
    field(&mut message, "type_url", 1, SINGULAR, STRING);
    field(&mut message, "value", 2, SINGULAR, BYTES);
    file(set, "google.protobuf", &message);
}
