//! Hot restarts of the real binary over real sockets: nobody is lost, nothing is counted twice, and what cannot be is
//! refused.
#![forbid(unsafe_code)]

mod chain;
mod load;
mod parents;
mod refusals;
mod takeover;
