//! What all that speak OpenTelemetry's protocol share: where reports go, and what is said of who reports.

mod destination;
mod resource;

pub(crate) use destination::Destination;
pub(crate) use resource::{Detected, DetectorMessage, ENVIRONMENT_DETECTOR, StaticDetector};
