//! What is detected of the resource that reports: attributes of the configuration, of the environment and
//! of Dynatrace's files.
//!
//! Of several detectors the last word counts. The environment's are those of `OTEL_RESOURCE_ATTRIBUTES`, read when the
//! configuration is; where that is not set or cannot be read there are none.

use std::collections::BTreeMap;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};

use super::dynatrace;

/// The message of the detector of the configuration.
pub(crate) const STATIC_DETECTOR: &str = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig";
/// The message of the detector of the environment.
pub(crate) const ENVIRONMENT_DETECTOR: &str = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig";
/// The message of the detector of Dynatrace's files.
pub(crate) const DYNATRACE_DETECTOR: &str =
    "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.DynatraceResourceDetectorConfig";

const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";

message! {
    /// A detector.
    pub(crate) struct DetectorMessage: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "detectors are found by the type of their message",
        typed_config: Any,
    }
}

message! {
    /// Attributes of the configuration.
    pub(crate) struct StaticDetector: "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig" {
        attributes: Vec<(String, String)>,
    }
}

/// Attributes by name.
pub(crate) type Detected = BTreeMap<String, String>;

impl DetectorMessage {
    /// Adds what it detects.
    pub(crate) fn detect(&self, found: &mut Detected, ctx: &mut Ctx) -> Result<(), Refused> {
        match self.typed_config.type_name() {
            STATIC_DETECTOR => {
                let message: StaticDetector = self.typed_config.decode(ctx)?;
                found.extend(message.attributes);
            }
            ENVIRONMENT_DETECTOR => {
                self.typed_config.decode::<()>(ctx)?;
                found.extend(of_environment(&std::env::var(VARIABLE).unwrap_or_default()));
            }
            DYNATRACE_DETECTOR => {
                self.typed_config.decode::<()>(ctx)?;
                dynatrace::detect(found);
            }
            name => {
                let what = format!("resource detector `{name}`");
                return Err(ctx.unsupported_here(self.typed_config.span, what));
            }
        }
        Ok(())
    }
}

/// `a=b,c=d`; nothing if any part is something else.
fn of_environment(text: &str) -> Detected {
    let pairs = text.split(',').map(|pair| pair.split_once('='));
    let pairs: Option<Detected> = pairs
        .map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    pairs.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_pairs_or_nothing() {
        let pairs: Vec<_> = of_environment("a=b,c=d=e").into_iter().collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(pairs, [(text("a"), text("b")), (text("c"), text("d=e"))]);
        assert!(of_environment("a=b,c").is_empty());
        assert!(of_environment("").is_empty());
    }
}
