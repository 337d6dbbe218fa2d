//! Secrets that resources refer to by name: static ones of a bootstrap (`static_resources.secrets`), and those that come
//! from elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use crate::tree::{Message, Value, same};

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

/// A secret that comes from elsewhere.
#[derive(Clone, Debug)]
pub struct SecretWish {
    /// The field that it is to have, such as `tls_certificate`.
    pub kind: &'static str,
    /// Its name.
    pub name: Box<str>,
    /// Where it comes from, a `ConfigSource`.
    pub source: Arc<Message>,
}

impl PartialEq for SecretWish {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.name) == (other.kind, &other.name) && same(&self.source, &other.source)
    }
}

/// The secrets that have come from elsewhere; cheap to share.
#[derive(Clone, Debug, Default)]
pub struct DeliveredSecrets(Arc<Vec<(SecretWish, Arc<Message>)>>);

impl DeliveredSecrets {
    /// These and no others; each with its message `Secret`.
    pub fn new(secrets: impl IntoIterator<Item = (SecretWish, Arc<Message>)>) -> Self {
        DeliveredSecrets(Arc::new(secrets.into_iter().collect()))
    }

    /// The same with one more, or with another one in its place.
    #[must_use]
    pub fn with(&self, wish: &SecretWish, secret: &Arc<Message>) -> Self {
        let others = self.0.iter().filter(|(one, _)| one != wish).cloned();
        Self::new(others.chain([(wish.clone(), Arc::clone(secret))]))
    }

    /// What the one holds that is wished for, if it has come.
    pub fn find(&self, wish: &SecretWish) -> Option<Arc<Message>> {
        let (_, secret) = self.0.iter().find(|(one, _)| one == wish)?;
        secret.find(&[wish.kind])?.as_message().cloned()
    }
}
