//! `google.api.http`, the option that binds a method to HTTP.

use crate::wire::{Fields, Malformed, Value};

/// The number of the option in `MethodOptions`.
pub(super) const EXTENSION: u32 = 72_295_728;

/// One binding, and further ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRule {
    /// The method of HTTP; empty where there is no pattern.
    pub method: String,
    /// The template of paths.
    pub path: String,
    /// The field that the body is for: `*` for all, empty for none.
    pub body: String,
    /// The field of the answer that is the body; empty for all of it.
    pub response_body: String,
    /// More bindings of the same method, which have none of their own.
    pub additional: Vec<HttpRule>,
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

impl HttpRule {
    /// Adds what a message of it says; `is_additional` ones have no further ones.
    pub(super) fn merge(&mut self, bytes: &[u8], is_additional: bool) -> Result<(), Malformed> {
        for field in Fields::of(bytes) {
            let (number, value) = field?;
            match (number, value) {
                (2..=6, _) => {
                    let methods = ["GET", "PUT", "POST", "DELETE", "PATCH"];
                    let at = usize::try_from(number - 2).unwrap_or_default();
                    self.method = methods.get(at).copied().unwrap_or_default().to_owned();
                    self.path = text(value);
                }
                (7, _) => self.body = text(value),
                (8, Value::Bytes(custom)) => {
                    for field in Fields::of(custom) {
                        match field? {
                            (1, kind) => self.method = text(kind),
                            (2, path) => self.path = text(path),
                            _ => {}
                        }
                    }
                }
                (11, Value::Bytes(more)) if !is_additional => {
                    let mut rule = HttpRule::default();
                    rule.merge(more, true)?;
                    self.additional.push(rule);
                }
                (12, _) => self.response_body = text(value),
                _ => {}
            }
        }
        Ok(())
    }
}
