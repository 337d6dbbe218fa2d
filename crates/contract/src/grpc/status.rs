//! The numbers of gRPC's statuses that the proxy itself has a use for.

/// Well.
pub const OK: u32 = 0;
/// None of the others.
pub const UNKNOWN: u32 = 2;
/// It took too long.
pub const DEADLINE_EXCEEDED: u32 = 4;
/// The caller may not.
pub const PERMISSION_DENIED: u32 = 7;
/// Too much of something.
pub const RESOURCE_EXHAUSTED: u32 = 8;
/// There is no such method.
pub const UNIMPLEMENTED: u32 = 12;
/// What came makes no sense.
pub const INTERNAL: u32 = 13;
/// Nobody is there.
pub const UNAVAILABLE: u32 = 14;
/// Nobody knows who the caller is.
pub const UNAUTHENTICATED: u32 = 16;
