//! Time to /ready and memory with 10,000 static clusters of one endpoint each.
//!
//! Only for the proxies that read Envoy's configuration, with one worker. The route table stays
//! the small one.

use std::fmt::Write;
use std::thread;
use std::time::Duration;

use super::{Bench, mib};
use crate::proxies::Kind;
use crate::running::{Running, StartPlan};
use crate::samples::{CLUSTERS_PSS, CLUSTERS_READY_S, CLUSTERS_RSS};

const CLUSTERS: u32 = 10_000;
pub(super) const LIMIT: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_millis(500);

/// Starts each proxy `starts` times.
pub(crate) fn run(bench: &mut Bench, starts: u32) {
    eprintln!("{CLUSTERS} static clusters");
    let template = template();
    for round in 0..starts {
        for proxy in bench
            .proxies
            .iter()
            .filter(|proxy| proxy.kind.reads_bootstrap())
        {
            let plan = StartPlan {
                template: &template,
                limit: LIMIT,
                ..StartPlan::small(proxy, 1)
            };
            let outcome = Running::start(&bench.site, &plan).and_then(|running| {
                thread::sleep(SETTLE);
                let memory = running.memory().map_err(|error| error.to_string())?;
                Ok((running.ready_after, memory))
            });
            let samples = &mut bench.samples;
            match outcome {
                Ok((after, memory)) => {
                    samples.add(CLUSTERS_READY_S, proxy.kind, round, after.as_secs_f64());
                    samples.add(CLUSTERS_RSS, proxy.kind, round, mib(memory.rss_bytes));
                    samples.add(CLUSTERS_PSS, proxy.kind, round, mib(memory.pss_bytes));
                }
                Err(error) => Bench::note(samples, proxy.kind, "10,000 clusters", error),
            }
        }
    }
}

/// The small configuration, whose list of clusters comes last, with more of them.
pub(super) fn template() -> String {
    let mut text = Kind::Envoy.template().to_owned();
    for number in 1..CLUSTERS {
        let (high, low) = (number / 250, number % 250);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  - name: cluster_{number:05}
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: cluster_{number:05}
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address: {{ address: 10.1.{high}.{low}, port_value: 8080 }}
"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_clusters_with_an_endpoint_each() {
        let text = template();
        assert_eq!(text.matches("    type: STATIC\n").count(), 10_000);
        assert_eq!(text.matches("- endpoint:\n").count(), 10_000);
        assert!(text.contains("address: 10.1.39.249,"));
    }
}
