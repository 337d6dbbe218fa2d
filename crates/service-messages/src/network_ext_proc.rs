//! `envoy.service.network_ext_proc.v3.NetworkExternalProcessor`.

use prost::Message;

use crate::common::{Metadata, Struct};

/// The path of its method.
pub const PROCESS: &str = "/envoy.service.network_ext_proc.v3.NetworkExternalProcessor/Process";

/// `ProcessingResponse.ConnectionStatus` that ends a connection in order.
pub const CLOSE: i32 = 1;
/// The one that resets it.
pub const CLOSE_RST: i32 = 2;

/// `Data`.
#[derive(Clone, PartialEq, Message)]
pub struct Data {
    /// The bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
    /// Whether nothing follows.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// `ProcessingRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingRequest {
    /// From the client.
    #[prost(message, optional, tag = "1")]
    pub read_data: Option<Data>,
    /// To the client.
    #[prost(message, optional, tag = "2")]
    pub write_data: Option<Data>,
    /// Of the connection.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Metadata>,
}

/// `ProcessingResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingResponse {
    /// What goes on to the host.
    #[prost(message, optional, tag = "1")]
    pub read_data: Option<Data>,
    /// What goes on to the client.
    #[prost(message, optional, tag = "2")]
    pub write_data: Option<Data>,
    /// The number of what becomes of the connection.
    #[prost(int32, tag = "4")]
    pub connection_status: i32,
    /// For the connection, by namespace.
    #[prost(message, optional, tag = "5")]
    pub dynamic_metadata: Option<Struct>,
    /// Whether nothing is to be told any more.
    #[prost(bool, tag = "6")]
    pub close_stream_to_ext_proc_server: bool,
}
