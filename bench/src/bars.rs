//! The bars that Nuncio must clear, and whether it does.

use crate::proxies::Kind;
use crate::samples::{
    BULK, CLUSTERS_READY_S, CLUSTERS_RSS, CONNECTION_KIB, H1, H2, HANDSHAKES, IDLE_RSS, Metric,
    OBSERVED, PROGRAM_MIB, READY_MS, ROUTES_COST, SCRAPE_READY_MS, SCRAPE_S, Samples, TCP, TLS,
};

/// What a bar asks for.
enum Bar {
    /// Nuncio's figure, less than this.
    Under(f64),
    /// Nuncio's figure over that proxy's in the same round, this or more.
    AtLeastTimes(f64, Kind),
    /// The same, this or less.
    AtMostTimes(f64, Kind),
}

/// The bars in the order of the report.
const BARS: [(Metric, Bar); 20] = [
    (H1.per_cpu_second, Bar::AtLeastTimes(5.0, Kind::Envoy)),
    (H1.per_cpu_second, Bar::AtLeastTimes(1.3, Kind::Haproxy)),
    (H2.per_cpu_second, Bar::AtLeastTimes(8.0, Kind::Envoy)),
    (H2.per_cpu_second, Bar::AtLeastTimes(2.0, Kind::Haproxy)),
    (TLS.per_cpu_second, Bar::AtLeastTimes(3.5, Kind::Envoy)),
    (TLS.per_cpu_second, Bar::AtLeastTimes(1.4, Kind::Haproxy)),
    (
        HANDSHAKES.per_cpu_second,
        Bar::AtLeastTimes(1.3, Kind::Envoy),
    ),
    (TCP.per_cpu_second, Bar::AtLeastTimes(1.7, Kind::Envoy)),
    (TCP.per_cpu_second, Bar::AtLeastTimes(1.1, Kind::Haproxy)),
    (BULK.per_cpu_second, Bar::AtLeastTimes(1.0, Kind::Envoy)),
    (OBSERVED.per_cpu_second, Bar::AtLeastTimes(4.0, Kind::Envoy)),
    (IDLE_RSS[1], Bar::Under(16.0)),
    (CONNECTION_KIB, Bar::Under(2.0)),
    (CLUSTERS_READY_S, Bar::Under(1.0)),
    (CLUSTERS_RSS, Bar::Under(120.0)),
    (SCRAPE_S, Bar::AtMostTimes(0.1, Kind::Envoy)),
    (SCRAPE_READY_MS, Bar::Under(5.0)),
    (ROUTES_COST, Bar::Under(1.3)),
    (READY_MS, Bar::Under(50.0)),
    (PROGRAM_MIB, Bar::Under(30.0e6 / 1_048_576.0)),
];

/// How Nuncio did at one bar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    NotMeasured,
}

impl Verdict {
    /// The word to print.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::NotMeasured => "NOT MEASURED",
        }
    }
}

/// One bar with its outcome.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// What was asked for and what was found.
    pub(crate) text: String,
}

/// Compares what was measured with every bar.
pub(crate) fn check(samples: &Samples) -> Vec<Outcome> {
    BARS.iter()
        .map(|(metric, bar)| judge(samples, *metric, bar))
        .collect()
}

fn judge(samples: &Samples, metric: Metric, bar: &Bar) -> Outcome {
    let (found, wanted) = match bar {
        Bar::Under(limit) => (
            samples.median(metric, Kind::Nuncio),
            format!("under {limit}"),
        ),
        Bar::AtLeastTimes(factor, peer) => (
            samples.ratio(metric, Kind::Nuncio, *peer),
            format!("at least {factor} x {}", peer.name()),
        ),
        Bar::AtMostTimes(factor, peer) => (
            samples.ratio(metric, Kind::Nuncio, *peer),
            format!("at most {factor} x {}", peer.name()),
        ),
    };
    let verdict = match (found, bar) {
        (None, _) => Verdict::NotMeasured,
        (Some(found), Bar::Under(limit)) if found < *limit => Verdict::Pass,
        (Some(found), Bar::AtLeastTimes(factor, _)) if found >= *factor => Verdict::Pass,
        (Some(found), Bar::AtMostTimes(factor, _)) if found <= *factor => Verdict::Pass,
        (Some(_), _) => Verdict::Fail,
    };
    let figure = found.map_or_else(|| "-".into(), |found| format!("{found:.2}"));
    Outcome {
        verdict,
        text: format!("{}: {figure} ({wanted})", metric.title.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of_bar(samples: &Samples, wanted: Metric) -> Verdict {
        let place = BARS.iter().position(|(metric, _)| *metric == wanted);
        check(samples)[place.expect("it has a bar")].verdict
    }

    fn verdict_of(ours: f64, envoys: f64) -> Verdict {
        let mut samples = Samples::default();
        samples.add(H1.per_cpu_second, Kind::Nuncio, 0, ours);
        samples.add(H1.per_cpu_second, Kind::Envoy, 0, envoys);
        check(&samples)[0].verdict
    }

    #[test]
    fn five_times_envoy_passes_and_less_fails() {
        assert_eq!(verdict_of(50.0, 10.0), Verdict::Pass);
        assert_eq!(verdict_of(49.9, 10.0), Verdict::Fail);
    }

    #[test]
    fn a_tenth_of_envoys_time_passes_and_more_fails() {
        let verdict = |ours| {
            let mut samples = Samples::default();
            samples.add(SCRAPE_S, Kind::Nuncio, 0, ours);
            samples.add(SCRAPE_S, Kind::Envoy, 0, 4.0);
            verdict_of_bar(&samples, SCRAPE_S)
        };
        assert_eq!(verdict(0.4), Verdict::Pass);
        assert_eq!(verdict(0.41), Verdict::Fail);
    }

    #[test]
    fn memory_must_stay_under_its_bar() {
        let mut samples = Samples::default();
        samples.add(IDLE_RSS[1], Kind::Nuncio, 0, 16.0);
        assert_eq!(verdict_of_bar(&samples, IDLE_RSS[1]), Verdict::Fail);
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let verdicts = check(&Samples::default());
        assert!(
            verdicts
                .iter()
                .all(|outcome| outcome.verdict == Verdict::NotMeasured)
        );
    }
}
