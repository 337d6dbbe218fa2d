//! `envoy.filters.http.admission_control`: rejects requests by chance while many fail, so that what is behind recovers.
//!
//! Each worker counts for itself how many of the requests of the last `sampling_window` (30 s) succeeded. Below the
//! success rate `sr_threshold` (95%), and from `rps_threshold` (0) requests a second on, a request is rejected with the
//! probability ((total - successes / threshold) / (total + 1)) ^ (1 / `aggression` (1)), and at most
//! `max_rejection_probability` (80%). Health checks, what is rejected and what breaks off do not count; answers of the
//! proxy itself do. Limit: one sample a second of the window. Follows Envoy's documentation of its admission control.

mod config;
mod controller;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.admission_control",
    message: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
    parse: config::parse,
    per_route: None,
    support: config::AdmissionControl::support,
};
