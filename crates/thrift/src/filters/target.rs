//! Where a value goes in the metadata, and what it becomes there.

use nuncio_config::base64;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::{RegexMatchAndSubstitute, RegexRewrite};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::{Struct, Value};

/// What is longer is no value, as in Envoy.
const MAX_VALUE_BYTES: usize = 8 << 10;

/// What the filters' messages say of where a value goes.
pub(super) struct Said<'a> {
    /// Empty: the filter's own.
    pub(super) namespace: &'a str,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) rewrite: Option<&'a RegexMatchAndSubstitute>,
    pub(super) is_number: bool,
    pub(super) is_base64: bool,
}

impl Said<'_> {
    /// Compiles it for a filter whose own namespace this is.
    pub(super) fn compile(&self, own_namespace: &str, ctx: &mut Ctx) -> Result<Target, Refused> {
        let rewrite = self.rewrite.map(|it| RegexRewrite::compile(it, ctx));
        let namespace = match self.namespace {
            "" => own_namespace,
            namespace => namespace,
        };
        Ok(Target {
            namespace: namespace.into(),
            key: self.key.into(),
            value: self.value.into(),
            rewrite: rewrite.transpose()?,
            is_number: self.is_number,
            is_base64: self.is_base64,
        })
    }
}

/// Where a value goes.
pub(super) struct Target {
    namespace: Box<str>,
    key: Box<str>,
    /// Goes there instead, if it is not empty.
    value: Box<str>,
    rewrite: Option<RegexRewrite>,
    is_number: bool,
    is_base64: bool,
}

impl Target {
    /// Notes what was found, or what stands for it.
    pub(super) fn apply(&self, found: &[u8], info: &mut StreamInfo) {
        if let Some(value) = self.value(found) {
            let fields: Struct = [(self.key.clone(), value)].into_iter().collect();
            info.dynamic_metadata_mut().merge(&self.namespace, fields);
        }
    }

    fn value(&self, found: &[u8]) -> Option<Value> {
        let text = match (&*self.value, &self.rewrite) {
            ("", Some(rewrite)) => rewrite.replace_all(found),
            ("", None) => found.to_vec(),
            (value, _) => value.as_bytes().to_vec(),
        };
        if text.is_empty() || text.len() >= MAX_VALUE_BYTES {
            return None;
        }
        let text = match self.is_base64 {
            true => base64::decode(&text)?,
            false => text,
        };
        let text = String::from_utf8_lossy(&text);
        Some(match self.is_number {
            true => Value::Number(text.trim().parse().ok()?),
            false => Value::String(text.into()),
        })
    }
}
