//! What a long route table costs: requests per CPU-second with 10 routes and with 10,000 in one virtual host.
//!
//! Prefixes, whole paths, separated prefixes, regular expressions and routes with a header condition, in turn; the
//! request is for the route behind all of them, which is the dearest to find for whoever asks one after another.
//! Only for the proxies that read Envoy's configuration; both tables are served by turns within a round.

use std::fmt::Write;
use std::time::Duration;

use super::Bench;
use super::throughput::{self, CONNECTIONS, Load, Window};
use crate::exchange::Script;
use crate::load::Way;
use crate::options::{CompareOptions, Section};
use crate::proxies::Kind;
use crate::running::{Running, StartPlan};
use crate::samples::{self, ROUTES_COST};

const FEW: u32 = 10;
const MANY: u32 = 10_000;
const LIMIT: Duration = Duration::from_secs(60);
const ONLY_ROUTE: &str = "              - match: { prefix: \"/\" }\n";

const LOADS: [(u32, Load); 2] = [
    (
        FEW,
        Load {
            section: Section::Routes,
            metrics: samples::FEW_ROUTES,
            script: Script::behind_all_routes,
            rate: None,
            connections: CONNECTIONS,
            way: Way::Http1,
        },
    ),
    (
        MANY,
        Load {
            section: Section::Routes,
            metrics: samples::MANY_ROUTES,
            script: Script::behind_all_routes,
            rate: None,
            connections: CONNECTIONS,
            way: Way::Http1,
        },
    ),
];

/// Runs all rounds.
pub(crate) fn run(bench: &mut Bench, options: &CompareOptions) {
    eprintln!("{FEW} and {MANY} routes");
    let templates = LOADS.each_ref().map(|(routes, _)| template(*routes));
    let kinds: Vec<usize> = (0..bench.proxies.len())
        .filter(|place| bench.proxies[*place].kind.reads_bootstrap())
        .collect();
    for round in 0..options.rounds() {
        for place in &kinds {
            let kind = bench.proxies[*place].kind;
            if let Err(error) = run_round(bench, *place, &templates, (round, options.window())) {
                Bench::note(&mut bench.samples, kind, "routes", error);
            }
        }
    }
}

fn run_round(
    bench: &mut Bench,
    place: usize,
    templates: &[String; 2],
    window: Window,
) -> Result<(), String> {
    let proxy = &bench.proxies[place];
    let mut started = Vec::new();
    for (template, (_, load)) in templates.iter().zip(&LOADS) {
        let plan = StartPlan {
            template,
            limit: LIMIT,
            ..StartPlan::small(proxy, 1)
        };
        started.push((Running::start(&bench.site, &plan)?, load));
    }
    if window.0 % 2 == 1 {
        started.reverse();
    }
    for (running, load) in &started {
        throughput::measure(&mut bench.samples, proxy.kind, running, load, window)?;
    }
    let [few, many] = LOADS.each_ref().map(|(_, load)| {
        let metric = load.metrics.per_cpu_second;
        bench.samples.in_round(metric, proxy.kind, window.0)
    });
    if let (Some(few), Some(many)) = (few, many) {
        bench
            .samples
            .add(ROUTES_COST, proxy.kind, window.0, few / many);
    }
    Ok(())
}

/// The small configuration with so many routes before its own.
fn template(routes: u32) -> String {
    let mut text = String::new();
    for number in 0..routes {
        let matcher = match number % 5 {
            0 => format!("prefix: \"/service-{number:05}/\""),
            1 => format!("path: \"/service-{number:05}/item\""),
            2 => format!("path_separated_prefix: \"/service-{number:05}\""),
            3 => format!("safe_regex: {{ regex: \"/service-{number:05}/[0-9]+\" }}"),
            _ => format!(
                "prefix: \"/service-{number:05}/\", headers: [{{ name: x-group, string_match: {{ exact: staff }} }}]"
            ),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "              - match: {{ {matcher} }}\n                route: {{ cluster: origin }}\n"
        );
    }
    text.push_str(ONLY_ROUTE);
    Kind::Envoy.template().replace(ONLY_ROUTE, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_of_the_small_configuration_is_the_last() {
        let text = template(10);
        assert_eq!(text.matches("- match:").count(), 11);
        let last = text.rfind("- match:").and_then(|at| text.get(at..));
        assert!(last.is_some_and(|last| last.starts_with("- match: { prefix: \"/\" }")));
    }
}
