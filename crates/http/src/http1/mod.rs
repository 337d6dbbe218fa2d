//! HTTP/1 downstream: one connection, its streams one after another.
//!
//! An idle connection holds no buffer. A read takes at most 16 KiB while a head or a small body is expected and
//! 64 KiB while a large body goes by. Pipelined requests wait in the read buffer; while a response is under way
//! at most 16 KiB of them are read ahead. Once two in a row were answered without waiting for anything, a third that came
//! with them ends the connection.

mod connection;
mod flood;
mod io;
mod overload;

pub use connection::{serve, spawn};
