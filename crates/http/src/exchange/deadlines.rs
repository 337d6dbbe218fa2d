//! The deadlines of a connection and of the streams on it, by their slots.

/// Deadline: no bytes on the stream.
pub const STREAM_IDLE: usize = 0;
/// Deadline: the whole request.
pub const REQUEST: usize = 1;
/// Deadline: the request's head.
pub const REQUEST_HEADERS: usize = 2;
/// Deadline: the life of the stream.
pub const STREAM_DURATION: usize = 3;
/// Deadline: the router's, for the whole response.
pub const ROUTE: usize = 4;
/// Deadline: the connection's, between streams.
pub const CONNECTION: usize = 5;
/// Deadline: the next line of a log that is written while streams live.
pub const LOG: usize = 6;
/// No deadline of the connection: the end of its connection manager's drain.
pub const DRAINED: usize = DEADLINES;
/// No deadline either: the stream holds too much while memory is short.
pub const OVERLOADED: usize = DEADLINES + 1;
/// How many deadlines a connection has.
pub const DEADLINES: usize = 7;
