//! Trees of configuration texts, asked about streams.
