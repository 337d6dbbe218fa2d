//! nuncio-api: to be filled.
#![forbid(unsafe_code)]
