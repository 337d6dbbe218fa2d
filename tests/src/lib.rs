//! Integration tests that drive the real binary.
#![forbid(unsafe_code)]
