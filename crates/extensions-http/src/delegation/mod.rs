//! Filters that other filters run: what `match_delegate` and `composite` share. A tree of matchers says which (`action.rs`),
//! a worker makes their factories once (`worker.rs`), and a stream's are called one after another (`chain.rs`).
//!
//! Different from Envoy: a tree that asks of trailers and of headers of the response at once stays undecided.

mod action;
mod chain;
mod decision;
mod worker;

pub(crate) use action::{
    Action, Execute, Extension, FilterChain, Filters, Tree, compile_chain, compile_filter, support,
};
pub(crate) use chain::{Delegated, interest};
pub(crate) use decision::Decision;
pub(crate) use worker::Factories;
