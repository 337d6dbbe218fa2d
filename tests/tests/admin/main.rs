//! The admin of the real binary: its page in a browser, its unix domain socket, and readers that do not read.
#![forbid(unsafe_code)]

mod page;
mod pipe;
mod slow_readers;
