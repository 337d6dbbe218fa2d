//! What host functions come to, by the numbers of the ABI, and the numbers that stand for maps, buffers and streams.

/// Why a host function did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
    Unimplemented = 12,
}

/// What a host function comes to.
pub(crate) type Done<T = ()> = Result<T, Status>;

/// Its number.
pub(crate) fn code(done: Done) -> u32 {
    match done {
        Ok(()) => 0,
        Err(status) => status as u32,
    }
}

/// Headers and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapType {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    GrpcInitialMetadata,
    GrpcTrailingMetadata,
    AnswerHeaders,
    AnswerTrailers,
}

impl MapType {
    pub(crate) fn of(number: u32) -> Done<Self> {
        Ok(match number {
            0 => MapType::RequestHeaders,
            1 => MapType::RequestTrailers,
            2 => MapType::ResponseHeaders,
            3 => MapType::ResponseTrailers,
            4 => MapType::GrpcInitialMetadata,
            5 => MapType::GrpcTrailingMetadata,
            6 => MapType::AnswerHeaders,
            7 => MapType::AnswerTrailers,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferType {
    RequestBody,
    ResponseBody,
    Downstream,
    Upstream,
    AnswerBody,
    GrpcMessage,
    VmConfiguration,
    PluginConfiguration,
    CallData,
}

impl BufferType {
    pub(crate) fn of(number: u32) -> Done<Self> {
        Ok(match number {
            0 => BufferType::RequestBody,
            1 => BufferType::ResponseBody,
            2 => BufferType::Downstream,
            3 => BufferType::Upstream,
            4 => BufferType::AnswerBody,
            5 => BufferType::GrpcMessage,
            6 => BufferType::VmConfiguration,
            7 => BufferType::PluginConfiguration,
            8 => BufferType::CallData,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// A direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamType {
    Request,
    Response,
    Downstream,
    Upstream,
}

impl StreamType {
    pub(crate) fn of(number: u32) -> Done<Self> {
        Ok(match number {
            0 => StreamType::Request,
            1 => StreamType::Response,
            2 => StreamType::Downstream,
            3 => StreamType::Upstream,
            _ => return Err(Status::BadArgument),
        })
    }
}
