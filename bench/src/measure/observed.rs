//! What a connection manager costs that does more than to forward: three HTTP filters, and an access log in JSON whose
//! lines are made and written (to `/dev/null`).
//!
//! Only for the proxies that read Envoy's configuration, one after another within a round.

use super::Bench;
use super::throughput::{self, CONNECTIONS, Load, Window};
use crate::exchange::Script;
use crate::load::Way;
use crate::options::{CompareOptions, Section};
use crate::proxies::Kind;
use crate::running::{Running, StartPlan};
use crate::samples;

/// What stands in the small configuration where the log and the filters go.
const ONLY_ROUTER: &str = "          http_filters:\n";

const LOAD: Load = Load {
    section: Section::Observed,
    metrics: samples::OBSERVED,
    script: Script::get,
    rate: None,
    connections: CONNECTIONS,
    way: Way::Http1,
};

/// Runs all rounds.
pub(crate) fn run(bench: &mut Bench, options: &CompareOptions) {
    eprintln!("three filters and a log in JSON");
    let template = template();
    let kinds: Vec<usize> = (0..bench.proxies.len())
        .filter(|place| bench.proxies[*place].kind.reads_bootstrap())
        .collect();
    for round in 0..options.rounds() {
        for place in &kinds {
            let kind = bench.proxies[*place].kind;
            if let Err(error) = run_round(bench, *place, &template, (round, options.window())) {
                Bench::note(&mut bench.samples, kind, "observed", error);
            }
        }
    }
}

fn run_round(
    bench: &mut Bench,
    place: usize,
    template: &str,
    window: Window,
) -> Result<(), String> {
    let proxy = &bench.proxies[place];
    let plan = StartPlan {
        template,
        ..StartPlan::small(proxy, 1)
    };
    let running = Running::start(&bench.site, &plan)?;
    throughput::measure(&mut bench.samples, proxy.kind, &running, &LOAD, window)
}

/// The small configuration with a log and three filters before the router.
fn template() -> String {
    let part = include_str!("../../configs/observed_part.yaml");
    Kind::Envoy.template().replace(ONLY_ROUTER, part)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_log_and_the_filters_stand_before_the_router() {
        let text = super::template();
        let at = |what: &str| text.find(what).expect(what);
        assert!(at("access_log:") < at("http_filters:"));
        assert!(at("filters.http.header_mutation") < at("filters.http.router"));
        assert_eq!(text.matches("http_filters:").count(), 1);
    }
}
