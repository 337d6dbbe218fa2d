//! Metadata: values by namespace, as configs give them and filters set them on a stream.
//!
//! Follows `envoy.config.core.v3.Metadata` with `google.protobuf.Struct` values. Fields are kept sorted by
//! name, the order in which they print. Nesting is bounded by whoever builds a value (the config loader's
//! limits for configs; a filter's own for what a peer sent).

/// A `google.protobuf.Value`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// A number.
    Number(f64),
    /// A text.
    String(Box<str>),
    /// `true` or `false`.
    Bool(bool),
    /// Named fields.
    Struct(Struct),
    /// A list.
    List(Vec<Value>),
}

/// A `google.protobuf.Struct`: fields sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct {
    fields: Vec<(Box<str>, Value)>,
}

impl Struct {
    /// The field `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self
            .fields
            .binary_search_by(|(field, _)| (**field).cmp(name))
            .ok()?;
        self.fields.get(at).map(|(_, value)| value)
    }

    /// Sets a field, replacing one of the same name.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: Value) {
        let name = name.into();
        match self
            .fields
            .binary_search_by(|(field, _)| (**field).cmp(&*name))
        {
            Ok(at) => self.fields[at].1 = value,
            Err(at) => self.fields.insert(at, (name, value)),
        }
    }

    /// Sets every field of `other`; structs are merged, lists joined, as protobuf merges messages.
    pub fn merge(&mut self, other: Struct) {
        for (name, value) in other.fields {
            let at = self
                .fields
                .binary_search_by(|(field, _)| (**field).cmp(&*name));
            match at {
                Ok(at) => match (&mut self.fields[at].1, value) {
                    (Value::Struct(mine), Value::Struct(theirs)) => mine.merge(theirs),
                    (Value::List(mine), Value::List(theirs)) => mine.extend(theirs),
                    (mine, theirs) => *mine = theirs,
                },
                Err(at) => self.fields.insert(at, (name, value)),
            }
        }
    }

    /// The fields, sorted by name.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + Clone {
        self.fields.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, Value)> for Struct {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(fields: I) -> Self {
        let mut result = Struct::default();
        for (name, value) in fields {
            result.insert(name, value);
        }
        result
    }
}

/// Structs by namespace, such as `envoy.lb` or a filter's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    namespaces: Vec<(Box<str>, Struct)>,
}

impl Metadata {
    /// The struct of a namespace.
    pub fn namespace(&self, name: &str) -> Option<&Struct> {
        self.namespaces
            .iter()
            .find(|(namespace, _)| **namespace == *name)
            .map(|(_, fields)| fields)
    }

    /// The value at `path` in a namespace; nothing is at an empty path.
    pub fn value<'a>(&'a self, namespace: &str, path: &[Box<str>]) -> Option<&'a Value> {
        let (first, rest) = path.split_first()?;
        let mut value = self.namespace(namespace)?.get(first)?;
        for name in rest {
            let Value::Struct(fields) = value else {
                return None;
            };
            value = fields.get(name)?;
        }
        Some(value)
    }

    /// Merges `fields` into a namespace, as Envoy's `setDynamicMetadata` does.
    pub fn merge(&mut self, namespace: &str, fields: Struct) {
        match self
            .namespaces
            .iter_mut()
            .find(|(name, _)| **name == *namespace)
        {
            Some((_, mine)) => mine.merge(fields),
            None => self.namespaces.push((namespace.into(), fields)),
        }
    }

    /// The fields of a namespace, which is there from now on.
    pub fn namespace_mut(&mut self, namespace: &str) -> &mut Struct {
        let is_it = |(name, _): &(Box<str>, Struct)| **name == *namespace;
        let place = self.namespaces.iter().position(is_it);
        let place = place.unwrap_or_else(|| {
            self.namespaces.push((namespace.into(), Struct::default()));
            self.namespaces.len() - 1
        });
        &mut self.namespaces[place].1
    }

    /// The namespaces, in the order of their first setting.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Struct)> {
        self.namespaces
            .iter()
            .map(|(name, fields)| (&**name, fields))
    }

    /// Whether there is no namespace.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::String(value.into())
    }

    #[test]
    fn setting_a_namespace_again_merges_its_structs_and_replaces_scalars() {
        let mut metadata = Metadata::default();
        let inner = |name: &str| Value::Struct([(name, text("1"))].into_iter().collect());
        metadata.merge(
            "ns",
            [("a", text("old")), ("s", inner("x"))]
                .into_iter()
                .collect(),
        );
        metadata.merge(
            "ns",
            [("a", text("new")), ("s", inner("y"))]
                .into_iter()
                .collect(),
        );
        assert_eq!(metadata.value("ns", &["a".into()]), Some(&text("new")));
        assert_eq!(
            metadata.value("ns", &["s".into(), "x".into()]),
            Some(&text("1"))
        );
        assert_eq!(
            metadata.value("ns", &["s".into(), "y".into()]),
            Some(&text("1"))
        );
        assert_eq!(metadata.value("ns", &["a".into(), "x".into()]), None);
        assert_eq!(metadata.value("other", &["a".into()]), None);
    }

    #[test]
    fn fields_are_kept_sorted_by_name() {
        let fields: Struct = [("b", Value::Null), ("a", Value::Null), ("c", Value::Null)]
            .into_iter()
            .collect();
        assert_eq!(
            fields.fields().map(|(name, _)| name).collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
    }
}
