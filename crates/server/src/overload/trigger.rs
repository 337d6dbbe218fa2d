//! What pressure on a resource brings an action to: all or nothing at a threshold, or by and by between two.

use super::config::TriggerKind;

/// A trigger, and how far the last pressure brought it.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    /// The name of its resource.
    pub(super) resource: Box<str>,
    kind: Kind,
    /// As exact as Envoy's, so that shares of a hundred are cut off in the same places.
    degree: f32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Threshold(f64),
    Scaled { from: f64, to: f64 },
}

impl Trigger {
    pub(super) fn new(message: &super::config::Trigger) -> Self {
        let kind = match &message.trigger_oneof {
            TriggerKind::Threshold(threshold) => Kind::Threshold(threshold.value),
            TriggerKind::Scaled(scaled) => Kind::Scaled {
                from: scaled.scaling_threshold,
                to: scaled.saturation_threshold,
            },
        };
        Trigger {
            resource: message.name.as_str().into(),
            kind,
            degree: 0.0,
        }
    }

    /// How far the last pressure brought it: from 0 to 1.
    pub(super) fn degree(&self) -> f32 {
        self.degree
    }

    /// Takes a pressure; whether it makes a difference.
    pub(super) fn update(&mut self, pressure: f64) -> bool {
        let degree = match self.kind {
            Kind::Threshold(threshold) => f64::from(u8::from(pressure >= threshold)),
            Kind::Scaled { from, .. } if pressure <= from => 0.0,
            Kind::Scaled { to, .. } if pressure >= to => 1.0,
            Kind::Scaled { from, to } => (pressure - from) / (to - from),
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the nearest number is meant"
        )]
        let degree = degree as f32;
        #[expect(
            clippy::float_cmp,
            reason = "equal numbers come of equal pressures, and any other is news"
        )]
        let differs = degree != self.degree;
        self.degree = degree;
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(kind: Kind) -> Trigger {
        Trigger {
            resource: "r".into(),
            kind,
            degree: 0.0,
        }
    }

    #[test]
    fn a_threshold_is_all_or_nothing_and_part_of_all() {
        let mut trigger = trigger(Kind::Threshold(0.9));
        assert!(!trigger.update(0.89));
        assert!(trigger.update(0.9) && !trigger.update(1.5));
        assert!((trigger.degree() - 1.0).abs() < f32::EPSILON);
        assert!(trigger.update(0.0) && trigger.degree() < f32::EPSILON);
    }

    #[test]
    fn a_scaled_trigger_goes_from_none_to_all_between_its_thresholds() {
        let mut trigger = trigger(Kind::Scaled { from: 0.5, to: 0.9 });
        let mut degree = |pressure| {
            trigger.update(pressure);
            trigger.degree()
        };
        assert!(degree(0.5) < f32::EPSILON);
        assert!((degree(0.6) - 0.25).abs() < f32::EPSILON);
        assert!((degree(0.9) - 1.0).abs() < f32::EPSILON);
        assert!((degree(2.0) - 1.0).abs() < f32::EPSILON);
    }
}
