//! nuncio-extensions-observability: to be filled.
#![forbid(unsafe_code)]
