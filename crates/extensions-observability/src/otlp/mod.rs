//! What all that speak OpenTelemetry's protocol share: where reports go, and what is said of who reports.

mod destination;
mod dynatrace;
mod resource;

pub(crate) use destination::Destination;
pub(crate) use resource::{
    DYNATRACE_DETECTOR, Detected, DetectorMessage, ENVIRONMENT_DETECTOR, StaticDetector,
};
