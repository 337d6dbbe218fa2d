//! Filter state: objects that filters leave for each other on a stream or a connection, by name.
//!
//! Follows Envoy's `FilterState` in what it holds; read-only and mutable objects are told apart by who has a
//! mutable borrow, so there is no flag for it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// An object of a filter.
pub trait FilterStateObject: Any + Send + Sync {
    /// The object as a value of its own type.
    fn as_any(&self) -> &dyn Any;

    /// The object as text, for `%FILTER_STATE(key:PLAIN)%` and matchers.
    fn serialize_as_string(&self) -> Option<String> {
        None
    }

    /// The object as JSON, for `%FILTER_STATE(key:TYPED)%`.
    fn serialize_as_json(&self) -> Option<String> {
        None
    }

    /// The same within a log in JSON, where Envoy keeps the names of fields as the API has them; none if it is the same.
    fn serialize_within_json(&self) -> Option<String> {
        None
    }

    /// The text that the object is, as reports in protobuf have it; none if it is something else.
    fn text(&self) -> Option<&str> {
        None
    }

    /// Whether the object says yes or no; none if it is something else.
    fn flag(&self) -> Option<bool> {
        None
    }

    /// The object's hash, for hash policies; none if it is not made for that.
    fn hash(&self) -> Option<u64> {
        None
    }

    /// A field of the object, for `%FILTER_STATE(key:FIELD:name)%`.
    fn field(&self, _name: &str) -> Option<String> {
        None
    }
}

/// The name of the cluster that a TCP proxy is to go to, whatever it is configured to.
pub const TCP_PROXY_CLUSTER: &str = "envoy.tcp_proxy.cluster";

/// How many milliseconds a connection through a TCP proxy may idle, whatever that is configured to.
pub const TCP_PROXY_IDLE_TIMEOUT_MS: &str = "envoy.tcp_proxy.per_connection_idle_timeout_ms";

/// The port of the host that a connection asks for by its server name.
pub const UPSTREAM_DYNAMIC_PORT: &str = "envoy.upstream.dynamic_port";

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Box<str>);

impl FilterStateObject for Text {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

/// Objects by name; few, so a list.
#[derive(Default)]
pub struct FilterState {
    objects: Vec<(Box<str>, Box<dyn FilterStateObject>)>,
    /// What others had left before.
    before: Option<Arc<FilterState>>,
}

impl FilterState {
    /// The object `name`.
    pub fn get(&self, name: &str) -> Option<&dyn FilterStateObject> {
        let own = self.objects.iter().find(|(key, _)| **key == *name);
        match own {
            Some((_, object)) => Some(&**object),
            None => self.before.as_deref()?.get(name),
        }
    }

    /// The object `name`, if it has the type `T`.
    pub fn get_as<T: 'static>(&self, name: &str) -> Option<&T> {
        self.get(name)?.as_any().downcast_ref()
    }

    /// The object `name` for a change, if it has the type `T`.
    pub fn get_mut_as<T: 'static>(&mut self, name: &str) -> Option<&mut T> {
        let (_, object) = self.objects.iter_mut().find(|(key, _)| **key == *name)?;
        let any: &mut dyn Any = &mut **object;
        any.downcast_mut()
    }

    /// Sets an object, replacing one of the same name.
    pub fn set(&mut self, name: &str, object: Box<dyn FilterStateObject>) {
        match self.objects.iter_mut().find(|(key, _)| **key == *name) {
            Some((_, place)) => *place = object,
            None => self.objects.push((name.into(), object)),
        }
    }
}

impl FilterState {
    /// Objects that were there before are found where there is none of their name here.
    pub fn put_before(&mut self, before: Option<Arc<FilterState>>) {
        self.before = before;
    }

    /// Those that were not there before, by name.
    pub(super) fn own(&self) -> impl Iterator<Item = (&str, &dyn FilterStateObject)> {
        self.objects
            .iter()
            .map(|(name, object)| (&**name, &**object))
    }

    /// Those that were there before.
    pub(super) fn before(&self) -> Option<Arc<FilterState>> {
        self.before.clone()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.before.is_none()
    }
}

impl fmt::Debug for FilterState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.objects.iter().map(|(name, _)| name))
            .finish()
    }
}
