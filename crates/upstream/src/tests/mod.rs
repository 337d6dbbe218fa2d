//! The upstream side against small hosts on the loopback, each playing a script.

mod departure;
mod exchange;
mod harness;
mod pool;
mod provided;
mod tunnel;
