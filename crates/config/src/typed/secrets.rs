//! Static secrets of a bootstrap (`static_resources.secrets`), which other resources refer to by name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::tree::{Message, Value};

/// The messages `Secret` of a configuration by name; cheap to share.
#[derive(Clone, Debug, Default)]
pub struct StaticSecrets(Arc<HashMap<Box<str>, Vec<Arc<Message>>>>);

impl StaticSecrets {
    /// A name may stand for one secret of each kind.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Arc<Message>>) -> Self {
        let mut by_name: HashMap<Box<str>, Vec<_>> = HashMap::new();
        for secret in secrets {
            if let Some(name) = secret.find(&["name"]).and_then(Value::as_str) {
                let same_name = by_name.entry(name.into()).or_default();
                same_name.push(Arc::clone(secret));
            }
        }
        StaticSecrets(Arc::new(by_name))
    }

    /// The secret of this name that has the field `kind`, such as `tls_certificate`.
    pub(super) fn find(&self, name: &str, kind: &str) -> Option<&Arc<Message>> {
        let same_name = self.0.get(name)?;
        same_name
            .iter()
            .find(|secret| secret.get_by_name(kind).is_some())
    }
}
