//! The free-form values of `google.protobuf.Struct`, `Value` and `ListValue`.

/// A JSON value. From YAML, numbers beyond 32 bits and fractions are strings, as in Envoy.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, always a double as in protobuf.
    Number(f64),
    /// A string.
    String(Box<str>),
    /// A list.
    List(Vec<Json>),
    /// A structure in the order of the text.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    /// A member of a structure.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members
                .iter()
                .find(|(name, _)| &**name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }
}
