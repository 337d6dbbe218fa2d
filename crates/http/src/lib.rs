//! nuncio-http: to be filled.
#![forbid(unsafe_code)]
