//! Values without members: into fields, or in the place of the whole message.

use super::faults::{Fault, type_name};
use super::{Writer, dynamic, scalar};
use crate::descriptor::{Field, Kind, MessageId, Pool, Special};
use crate::json::Scalar;
use crate::request::{field_mask, times};
use crate::wire::put_bytes;

enum Bytes {
    /// A field with its number.
    Field(Vec<u8>),
    /// A message for the field.
    Message(Vec<u8>),
}

impl Writer {
    /// A value without members in a field.
    pub(super) fn put(
        &mut self,
        pool: &Pool,
        owner: MessageId,
        field: &Field,
        name: &str,
        value: Scalar<'_>,
    ) {
        let Some(bytes) = self.scalar_of(pool, field, name, value) else {
            return;
        };
        if self.claim(pool.message(owner), field) {
            match bytes {
                Bytes::Field(bytes) => self.out().extend_from_slice(&bytes),
                Bytes::Message(bytes) => put_bytes(self.out(), field.number, &bytes),
            }
        }
    }

    fn scalar_of(
        &mut self,
        pool: &Pool,
        field: &Field,
        name: &str,
        value: Scalar<'_>,
    ) -> Option<Bytes> {
        let any_case = self.options.any_case_enums;
        let result = match field.kind {
            Kind::Message(id) => match pool.message(id).special {
                Special::Value => Ok(Bytes::Message(dynamic::scalar(value))),
                _ if value == Scalar::Null => return None,
                Special::Wrapper => {
                    let inner = pool.message(id).field(1)?;
                    let mut out = Vec::new();
                    match scalar::put(&mut out, pool, (1, inner.kind), value, any_case) {
                        Some(()) => Ok(Bytes::Message(out)),
                        None => {
                            let place = self.place(pool, &[&self.step_to(field), "value"]);
                            let of = type_name(pool, inner.kind);
                            self.wrong(&place, Fault::Value(scalar::shown(value), of));
                            return None;
                        }
                    }
                }
                special => match special_text(special, value) {
                    Some(result) => result
                        .map(Bytes::Message)
                        .map_err(|words| format!("Field '{name}', {words}")),
                    None => Err(scalar::shown(value)),
                },
            },
            Kind::Enum(id) if value == Scalar::Null => {
                if *pool.enumeration(id).name != *"google.protobuf.NullValue" {
                    return None;
                }
                let mut out = Vec::new();
                let zero = Scalar::Uint(0);
                scalar::put(&mut out, pool, (field.number, field.kind), zero, false)?;
                Ok(Bytes::Field(out))
            }
            _ if value == Scalar::Null => return None,
            kind => {
                let mut out = Vec::new();
                match scalar::put(&mut out, pool, (field.number, kind), value, any_case) {
                    Some(()) => Ok(Bytes::Field(out)),
                    None => Err(scalar::shown(value)),
                }
            }
        };
        result
            .map_err(|shown| {
                let place = self.place(pool, &[&self.step_to(field)]);
                self.wrong(&place, Fault::Value(shown, type_name(pool, field.kind)));
            })
            .ok()
    }

    /// A value without members in the place of the whole message.
    pub(super) fn root_scalar(&mut self, pool: &Pool, value: Scalar<'_>) {
        let message = pool.message(self.root);
        match message.special {
            Special::Wrapper if value == Scalar::Null => {}
            Special::Wrapper => {
                let Some(field) = message.field(1) else {
                    return;
                };
                self.put(pool, self.root, field, "value", value);
            }
            Special::Value => self.done = dynamic::scalar(value),
            special => match special_text(special, value) {
                Some(Ok(bytes)) => self.done = bytes,
                Some(Err(words)) => self.wrong("", Fault::Value(words, "Any".to_owned())),
                None => self.not_a_message(),
            },
        }
    }
}

/// The message that a text is a form of; none for messages without such a form.
fn special_text(special: Special, value: Scalar<'_>) -> Option<Result<Vec<u8>, String>> {
    type Read = fn(&str) -> Result<Vec<u8>, String>;
    let (what, read): (_, Read) = match special {
        Special::Timestamp => ("timestamp", times::timestamp),
        Special::Duration => ("duration", times::duration),
        Special::FieldMask => ("field mask", field_mask::message),
        _ => return None,
    };
    let text = match value {
        Scalar::Text(text) => str::from_utf8(text).ok(),
        _ => None,
    };
    Some(match text {
        Some(text) => read(text),
        None => {
            let shown = scalar::shown(value);
            Err(format!("Invalid data type for {what}, value is {shown}"))
        }
    })
}
