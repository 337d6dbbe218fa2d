//! Base64, as protobuf's JSON reader decodes it: both alphabets, mixed, padding optional.

use super::Interpreter;
use crate::base64;
use crate::text::{Kind, Node};
use crate::tree::Value;

impl<'n> Interpreter<'n> {
    pub(super) fn bytes(&mut self, node: &'n Node) -> Option<Value> {
        let Kind::Str(text) = &node.kind else {
            self.expected(node, "bytes as a base64 string", None, "expected '\"'");
            return None;
        };
        let bytes = base64::decode_either(text.as_bytes());
        if bytes.is_none() {
            self.refused_scalar(node, "bytes in base64", "not base64", "corrupt base64");
        }
        bytes.map(|bytes| Value::Bytes(bytes.into()))
    }
}
