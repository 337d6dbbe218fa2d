//! SkyWalking's protocol: `TraceSegmentReportService`.

use prost::Message;

/// The path of the method.
pub const COLLECT: &str = "/skywalking.v3.TraceSegmentReportService/collect";

/// `SegmentObject`.
#[derive(Clone, PartialEq, Message)]
pub struct SegmentObject {
    /// Of which trace.
    #[prost(string, tag = "1")]
    pub trace_id: String,
    /// Its id.
    #[prost(string, tag = "2")]
    pub id: String,
    /// Its spans.
    #[prost(message, repeated, tag = "3")]
    pub spans: Vec<SpanObject>,
    /// Whose.
    #[prost(string, tag = "4")]
    pub service: String,
    /// Which one of them.
    #[prost(string, tag = "5")]
    pub instance: String,
    /// Whether spans are left out.
    #[prost(bool, tag = "6")]
    pub is_size_limited: bool,
}

/// `SegmentReference`.
#[derive(Clone, PartialEq, Message)]
pub struct Reference {
    /// Between processes, or threads.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// Of which trace.
    #[prost(string, tag = "2")]
    pub trace_id: String,
    /// The segment of who asks.
    #[prost(string, tag = "3")]
    pub parent_segment_id: String,
    /// The span in it.
    #[prost(int32, tag = "4")]
    pub parent_span_id: i32,
    /// Whose.
    #[prost(string, tag = "5")]
    pub parent_service: String,
    /// Which one of them.
    #[prost(string, tag = "6")]
    pub parent_instance: String,
    /// What it does.
    #[prost(string, tag = "7")]
    pub parent_endpoint: String,
    /// Where it asks.
    #[prost(string, tag = "8")]
    pub address_used_at_peer: String,
}

/// `SpanObject`.
#[derive(Clone, PartialEq, Message)]
pub struct SpanObject {
    /// From 0 on.
    #[prost(int32, tag = "1")]
    pub id: i32,
    /// -1: none.
    #[prost(int32, tag = "2")]
    pub parent_id: i32,
    /// In milliseconds.
    #[prost(int64, tag = "3")]
    pub start_time: i64,
    /// In milliseconds.
    #[prost(int64, tag = "4")]
    pub end_time: i64,
    /// What it is within elsewhere.
    #[prost(message, repeated, tag = "5")]
    pub references: Vec<Reference>,
    /// What is done.
    #[prost(string, tag = "6")]
    pub operation: String,
    /// With whom.
    #[prost(string, tag = "7")]
    pub peer: String,
    /// Entry, exit, or neither.
    #[prost(int32, tag = "8")]
    pub kind: i32,
    /// Of which kind of protocol.
    #[prost(int32, tag = "9")]
    pub layer: i32,
    /// What does it.
    #[prost(int32, tag = "10")]
    pub component: i32,
    /// Whether it failed.
    #[prost(bool, tag = "11")]
    pub is_error: bool,
    /// More of it.
    #[prost(message, repeated, tag = "12")]
    pub tags: Vec<Pair>,
    /// What happened when.
    #[prost(message, repeated, tag = "13")]
    pub logs: Vec<Log>,
    /// Whether it counts nothing.
    #[prost(bool, tag = "14")]
    pub skips_analysis: bool,
}

/// `KeyStringValuePair`.
#[derive(Clone, PartialEq, Message)]
pub struct Pair {
    /// Name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `Log`.
#[derive(Clone, PartialEq, Message)]
pub struct Log {
    /// In milliseconds.
    #[prost(int64, tag = "1")]
    pub time: i64,
    /// What happened.
    #[prost(message, repeated, tag = "2")]
    pub data: Vec<Pair>,
}
