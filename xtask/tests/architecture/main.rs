//! The walls of the house: which crate may use which, no circles between modules, small files and functions,
//! documented modules, no `unsafe`, and no words of any workplace.
//!
//! Everything is read from the source as text, so that the check costs no build. It relies on rustfmt's
//! layout: one statement a line, closing braces at their own indentation.
#![forbid(unsafe_code)]

mod crates;
mod files;
mod honoured;
mod modules;
mod tree;
mod words;
