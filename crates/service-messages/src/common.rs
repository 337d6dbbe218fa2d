//! What several services have: addresses, headers, times and values without a schema.

use std::collections::BTreeMap;

use prost::{Enumeration, Message, Oneof};

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
pub struct Timestamp {
    /// Whole seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `google.protobuf.BoolValue`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct BoolValue {
    /// The value.
    #[prost(bool, tag = "1")]
    pub value: bool,
}

/// `google.protobuf.UInt64Value`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct UInt64Value {
    /// The value.
    #[prost(uint64, tag = "1")]
    pub value: u64,
}

/// `google.protobuf.UInt32Value`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct UInt32Value {
    /// The value.
    #[prost(uint32, tag = "1")]
    pub value: u32,
}

/// `google.protobuf.StringValue`.
#[derive(Clone, PartialEq, Message)]
pub struct StringValue {
    /// The value.
    #[prost(string, tag = "1")]
    pub value: String,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// What it is.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.protobuf.Struct`.
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    /// By name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// What it is.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<Kind>,
}

/// What a value is.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Nothing.
    #[prost(int32, tag = "1")]
    Null(i32),
    /// A number.
    #[prost(double, tag = "2")]
    Number(f64),
    /// A text.
    #[prost(string, tag = "3")]
    String(String),
    /// Yes or no.
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// Values by name.
    #[prost(message, tag = "5")]
    Struct(Struct),
    /// Values in a row.
    #[prost(message, tag = "6")]
    List(ListValue),
}

/// `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, Message)]
pub struct ListValue {
    /// In a row.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// gRPC's status.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What was said of it.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `envoy.config.core.v3.Address`.
#[derive(Clone, PartialEq, Message)]
pub struct Address {
    /// Which kind.
    #[prost(oneof = "AddressKind", tags = "1, 2, 3")]
    pub address: Option<AddressKind>,
}

/// Which kind of address.
#[derive(Clone, PartialEq, Oneof)]
pub enum AddressKind {
    /// Of IP.
    #[prost(message, tag = "1")]
    Socket(SocketAddress),
    /// In the file system.
    #[prost(message, tag = "2")]
    Pipe(Pipe),
    /// In the proxy.
    #[prost(message, tag = "3")]
    Internal(Internal),
}

/// `envoy.config.core.v3.SocketAddress`.
#[derive(Clone, PartialEq, Message)]
pub struct SocketAddress {
    /// TCP is 0.
    #[prost(int32, tag = "1")]
    pub protocol: i32,
    /// The IP.
    #[prost(string, tag = "2")]
    pub address: String,
    /// The port, which is there even if it is 0.
    #[prost(uint32, optional, tag = "3")]
    pub port_value: Option<u32>,
}

/// `envoy.config.core.v3.Pipe`.
#[derive(Clone, PartialEq, Message)]
pub struct Pipe {
    /// Where.
    #[prost(string, tag = "1")]
    pub path: String,
}

/// `envoy.config.core.v3.EnvoyInternalAddress`.
#[derive(Clone, PartialEq, Message)]
pub struct Internal {
    /// The listener.
    #[prost(string, tag = "1")]
    pub server_listener_name: String,
    /// Which of several that are there.
    #[prost(string, tag = "2")]
    pub endpoint_id: String,
}

/// `envoy.config.core.v3.HeaderValue`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValue {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value, if it is a text.
    #[prost(string, tag = "2")]
    pub value: String,
    /// The value, if it is not.
    #[prost(bytes = "vec", tag = "3")]
    pub raw_value: Vec<u8>,
}

impl HeaderValue {
    /// The value, whichever it is.
    pub fn bytes(&self) -> &[u8] {
        match self.raw_value.is_empty() {
            true => self.value.as_bytes(),
            false => &self.raw_value,
        }
    }
}

/// `envoy.config.core.v3.HeaderMap`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderList {
    /// In a row.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// `envoy.config.core.v3.HeaderValueOption`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    /// The header.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// The old word for what happens where it is there already.
    #[prost(message, optional, tag = "2")]
    pub append: Option<BoolValue>,
    /// The new one.
    #[prost(enumeration = "AppendAction", tag = "3")]
    pub append_action: i32,
}

/// What happens where a header is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum AppendAction {
    /// Another one, or the first.
    AppendIfExistsOrAdd = 0,
    /// Nothing.
    AddIfAbsent = 1,
    /// It is replaced, or there is one.
    OverwriteIfExistsOrAdd = 2,
    /// It is replaced.
    OverwriteIfExists = 3,
}

/// `envoy.config.core.v3.Metadata`.
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    /// By namespace.
    #[prost(btree_map = "string, message", tag = "1")]
    pub filter_metadata: BTreeMap<String, Struct>,
}
