//! What was measured: one number a metric, proxy and round.

use std::collections::BTreeSet;

use crate::proxies::Kind;
use crate::statistics::median;

/// A quantity that the bench measures. The order is the order of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Metric {
    /// Its name in the JSON.
    pub(crate) key: &'static str,
    /// Its name in the table, with the unit.
    pub(crate) title: &'static str,
    /// Decimals to print.
    pub(crate) decimals: usize,
}

const fn metric(key: &'static str, title: &'static str, decimals: usize) -> Metric {
    Metric {
        key,
        title,
        decimals,
    }
}

/// Three figures of one load.
pub(crate) struct LoadMetrics {
    pub(crate) per_cpu_second: Metric,
    pub(crate) p50: Metric,
    pub(crate) p99: Metric,
}

pub(crate) const H1: LoadMetrics = LoadMetrics {
    per_cpu_second: metric("h1_per_cpu_second", "GET 1 KiB: requests / CPU-second", 0),
    p50: metric("h1_p50_us", "  p50 at full load, us", 0),
    p99: metric("h1_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const H2: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "h2_per_cpu_second",
        "HTTP/2 GET 1 KiB: requests / CPU-second",
        0,
    ),
    p50: metric("h2_p50_us", "  p50 at full load, us", 0),
    p99: metric("h2_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const TLS: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "tls_per_cpu_second",
        "TLS GET 1 KiB: requests / CPU-second",
        0,
    ),
    p50: metric("tls_p50_us", "  p50 at full load, us", 0),
    p99: metric("tls_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const HANDSHAKES: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "handshakes_per_cpu_second",
        "new TLS connections / CPU-second",
        0,
    ),
    p50: metric("handshakes_p50_us", "  p50 at full load, us", 0),
    p99: metric("handshakes_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const TCP: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "tcp_per_cpu_second",
        "TCP, small: exchanges / CPU-second",
        0,
    ),
    p50: metric("tcp_p50_us", "  p50 at full load, us", 0),
    p99: metric("tcp_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const BULK: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "bulk_per_cpu_second",
        "TCP, 16 MiB: exchanges / CPU-second",
        1,
    ),
    p50: metric("bulk_p50_us", "  p50 at full load, us", 0),
    p99: metric("bulk_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const POST: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "post_per_cpu_second",
        "POST 256 B: requests / CPU-second",
        0,
    ),
    p50: metric("post_p50_us", "  p50 at full load, us", 0),
    p99: metric("post_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const LARGE: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "large_per_cpu_second",
        "GET 64 KiB: requests / CPU-second",
        0,
    ),
    p50: metric("large_p50_us", "  p50 at full load, us", 0),
    p99: metric("large_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const PACED: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "paced_per_cpu_second",
        "paced GET: requests / CPU-second",
        0,
    ),
    p50: metric("paced_p50_us", "  p50 at a fixed rate, us", 0),
    p99: metric("paced_p99_us", "  p99 at a fixed rate, us", 0),
};
pub(crate) const IDLE_RSS: [Metric; 2] = [
    metric("idle_1_worker_rss_mib", "idle, 1 worker: RSS, MiB", 1),
    metric("idle_2_workers_rss_mib", "idle, 2 workers: RSS, MiB", 1),
];
pub(crate) const IDLE_PSS: [Metric; 2] = [
    metric("idle_1_worker_pss_mib", "idle, 1 worker: PSS, MiB", 1),
    metric("idle_2_workers_pss_mib", "idle, 2 workers: PSS, MiB", 1),
];
pub(crate) const CONNECTION_KIB: Metric = metric(
    "idle_connection_kib",
    "an idle connection after a request, KiB",
    2,
);
pub(crate) const READY_MS: Metric = metric("ready_ms", "start to /ready: median, ms", 1);
pub(crate) const READY_LEAST_MS: Metric = metric("ready_least_ms", "start to /ready: least, ms", 1);
pub(crate) const CLUSTERS_READY_S: Metric =
    metric("clusters_ready_s", "10,000 clusters: start to /ready, s", 2);
pub(crate) const CLUSTERS_RSS: Metric = metric("clusters_rss_mib", "10,000 clusters: RSS, MiB", 1);
pub(crate) const CLUSTERS_PSS: Metric = metric("clusters_pss_mib", "10,000 clusters: PSS, MiB", 1);
pub(crate) const SCRAPE_S: Metric = metric("scrape_s", "10,000 clusters: /stats/prometheus, s", 3);
pub(crate) const SCRAPE_READY_MS: Metric =
    metric("scrape_ready_ms", "  slowest /ready meanwhile, ms", 1);
pub(crate) const SCRAPE_RSS: Metric =
    metric("scrape_rss_mib", "  RSS at its most beyond before, MiB", 1);
pub(crate) const OBSERVED: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "observed_per_cpu_second",
        "3 filters, JSON log: requests / CPU-second",
        0,
    ),
    p50: metric("observed_p50_us", "  p50 at full load, us", 0),
    p99: metric("observed_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const FEW_ROUTES: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "few_routes_per_cpu_second",
        "10 routes: requests / CPU-second",
        0,
    ),
    p50: metric("few_routes_p50_us", "  p50 at full load, us", 0),
    p99: metric("few_routes_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const MANY_ROUTES: LoadMetrics = LoadMetrics {
    per_cpu_second: metric(
        "many_routes_per_cpu_second",
        "10,000 routes: requests / CPU-second",
        0,
    ),
    p50: metric("many_routes_p50_us", "  p50 at full load, us", 0),
    p99: metric("many_routes_p99_us", "  p99 at full load, us", 0),
};
pub(crate) const ROUTES_COST: Metric =
    metric("routes_cost", "cost with 10,000 routes over 10 routes", 2);
pub(crate) const INSTRUCTIONS: Metric =
    metric("instructions", "user instructions a request (GET 1 KiB)", 0);
pub(crate) const PROGRAM_MIB: Metric = metric("program_mib", "size of the program, MiB", 1);

/// Every metric, in the order of the report.
pub(crate) const ALL: [Metric; 52] = [
    H1.per_cpu_second,
    H1.p50,
    H1.p99,
    POST.per_cpu_second,
    POST.p50,
    POST.p99,
    H2.per_cpu_second,
    H2.p50,
    H2.p99,
    LARGE.per_cpu_second,
    LARGE.p50,
    LARGE.p99,
    PACED.per_cpu_second,
    PACED.p50,
    PACED.p99,
    TLS.per_cpu_second,
    TLS.p50,
    TLS.p99,
    HANDSHAKES.per_cpu_second,
    HANDSHAKES.p50,
    HANDSHAKES.p99,
    TCP.per_cpu_second,
    TCP.p50,
    TCP.p99,
    BULK.per_cpu_second,
    BULK.p50,
    BULK.p99,
    OBSERVED.per_cpu_second,
    OBSERVED.p50,
    OBSERVED.p99,
    FEW_ROUTES.per_cpu_second,
    FEW_ROUTES.p50,
    FEW_ROUTES.p99,
    MANY_ROUTES.per_cpu_second,
    MANY_ROUTES.p50,
    MANY_ROUTES.p99,
    ROUTES_COST,
    INSTRUCTIONS,
    IDLE_RSS[0],
    IDLE_PSS[0],
    IDLE_RSS[1],
    IDLE_PSS[1],
    CONNECTION_KIB,
    READY_MS,
    READY_LEAST_MS,
    CLUSTERS_READY_S,
    CLUSTERS_RSS,
    CLUSTERS_PSS,
    SCRAPE_S,
    SCRAPE_READY_MS,
    SCRAPE_RSS,
    PROGRAM_MIB,
];

/// One measured number.
pub(crate) struct Sample {
    pub(crate) metric: Metric,
    pub(crate) kind: Kind,
    pub(crate) round: u32,
    pub(crate) value: f64,
}

/// All measured numbers, and what could not be measured.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) all: Vec<Sample>,
    /// Plain words on what was skipped or failed.
    pub(crate) notes: Vec<String>,
}

impl Samples {
    /// Adds a number.
    pub(crate) fn add(&mut self, metric: Metric, kind: Kind, round: u32, value: f64) {
        self.all.push(Sample {
            metric,
            kind,
            round,
            value,
        });
    }

    /// Says what was skipped or failed, now and in the report; each text once.
    pub(crate) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            eprintln!("note: {text}");
            self.notes.push(text);
        }
    }

    /// Whether there is any number of the metric.
    pub(crate) fn has(&self, metric: Metric) -> bool {
        self.all.iter().any(|sample| sample.metric == metric)
    }

    /// The median over all rounds.
    pub(crate) fn median(&self, metric: Metric, kind: Kind) -> Option<f64> {
        let values: Vec<f64> = self
            .all
            .iter()
            .filter(|sample| sample.metric == metric && sample.kind == kind)
            .map(|sample| sample.value)
            .collect();
        median(&values)
    }

    /// The number of one round.
    pub(crate) fn in_round(&self, metric: Metric, kind: Kind, round: u32) -> Option<f64> {
        let matches = |sample: &&Sample| {
            sample.metric == metric && sample.kind == kind && sample.round == round
        };
        self.all.iter().find(matches).map(|sample| sample.value)
    }

    /// The median over rounds of the ratio within a round.
    pub(crate) fn ratio(&self, metric: Metric, of: Kind, to: Kind) -> Option<f64> {
        let in_round = |kind, round| self.in_round(metric, kind, round);
        let rounds: BTreeSet<u32> = self.all.iter().map(|sample| sample.round).collect();
        let ratios: Vec<f64> = rounds
            .into_iter()
            .filter_map(|round| Some(in_round(of, round)? / in_round(to, round)?))
            .collect();
        median(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_pair_the_same_round() {
        let mut samples = Samples::default();
        for (round, ours, theirs) in [(0, 10.0, 2.0), (1, 60.0, 10.0), (2, 7.0, 1.0)] {
            samples.add(H1.per_cpu_second, Kind::Nuncio, round, ours);
            samples.add(H1.per_cpu_second, Kind::Envoy, round, theirs);
        }
        let ratio = samples.ratio(H1.per_cpu_second, Kind::Nuncio, Kind::Envoy);
        assert_eq!(ratio, Some(6.0));
    }

    #[test]
    fn a_round_that_one_of_the_two_missed_has_no_ratio() {
        let mut samples = Samples::default();
        samples.add(H1.per_cpu_second, Kind::Nuncio, 0, 10.0);
        samples.add(H1.per_cpu_second, Kind::Envoy, 1, 2.0);
        let ratio = samples.ratio(H1.per_cpu_second, Kind::Nuncio, Kind::Envoy);
        assert_eq!(ratio, None);
    }

    #[test]
    fn every_metric_has_its_own_key() {
        let keys: BTreeSet<&str> = ALL.iter().map(|metric| metric.key).collect();
        assert_eq!(keys.len(), ALL.len());
    }
}
