//! What the small configuration costs over TLS, and what bytes cost that are passed on as they come.
//!
//! With TLS: requests on connections that stay, and on connections of their own with a whole handshake each. Without
//! HTTP (`tcp_proxy`): the same small exchanges, and answers of 16 MiB. nginx takes part in the first two.

use super::Bench;
use super::throughput::{self, CONNECTIONS, Load};
use crate::exchange::Script;
use crate::load::Way;
use crate::options::{CompareOptions, Section};
use crate::proxies::Kind;
use crate::samples;

/// Connections of loads that are heavy each.
const FEW_CONNECTIONS: u32 = 8;

/// A configuration of each proxy that takes part, and what is sent to it.
struct Variant {
    template: fn(Kind) -> Option<String>,
    loads: [Load; 2],
}

const VARIANTS: [Variant; 2] = [
    Variant {
        template: over_tls,
        loads: [
            Load {
                section: Section::Tls,
                metrics: samples::TLS,
                script: Script::get,
                rate: None,
                connections: CONNECTIONS,
                way: Way::Tls,
            },
            Load {
                section: Section::Handshakes,
                metrics: samples::HANDSHAKES,
                script: Script::get,
                rate: None,
                connections: FEW_CONNECTIONS,
                way: Way::NewTls,
            },
        ],
    },
    Variant {
        template: of_bytes,
        loads: [
            Load {
                section: Section::Tcp,
                metrics: samples::TCP,
                script: Script::get,
                rate: None,
                connections: CONNECTIONS,
                way: Way::Http1,
            },
            Load {
                section: Section::Bulk,
                metrics: samples::BULK,
                script: Script::bulk,
                rate: None,
                connections: FEW_CONNECTIONS,
                way: Way::Http1,
            },
        ],
    },
];

/// Runs all rounds.
pub(crate) fn run(bench: &mut Bench, options: &CompareOptions) {
    for variant in &VARIANTS {
        let loads = variant.loads.iter();
        let loads: Vec<&Load> = loads.filter(|load| options.wants(load.section)).collect();
        if loads.is_empty() {
            continue;
        }
        for round in 0..options.rounds() {
            eprintln!("round {} of {}", round + 1, options.rounds());
            let window = (round, options.window());
            throughput::run_round(bench, variant.template, &loads, window);
        }
    }
}

const CHAIN: &str = "    - filters:\n";
const LISTEN: &str = "127.0.0.1:@LISTEN_PORT@";

/// The small configuration with the bench's certificate.
fn over_tls(kind: Kind) -> Option<String> {
    let small = kind.template();
    match kind {
        Kind::Nuncio | Kind::Envoy => {
            let part = include_str!("../../configs/tls_part.yaml");
            Some(small.replace(CHAIN, part))
        }
        Kind::Haproxy => {
            let of_tls = format!("{LISTEN} ssl crt @DIRECTORY@/pair.pem");
            Some(small.replace(LISTEN, &of_tls))
        }
        Kind::Nginx => {
            let pair = "@DIRECTORY@/pair.pem";
            let of_tls = format!(
                "{LISTEN} ssl;\n        ssl_protocols TLSv1.3;\n        ssl_certificate {pair};\n        ssl_certificate_key {pair}"
            );
            Some(small.replace(LISTEN, &of_tls))
        }
        Kind::Relay => None,
    }
}

/// A configuration that passes bytes on to the origin.
fn of_bytes(kind: Kind) -> Option<String> {
    let text = match kind {
        Kind::Nuncio | Kind::Envoy => include_str!("../../configs/tcp.yaml"),
        Kind::Haproxy => include_str!("../../configs/haproxy_tcp.cfg"),
        Kind::Relay => kind.template(),
        Kind::Nginx => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_in_each_configuration_of_tls_once() {
        for kind in [Kind::Nuncio, Kind::Envoy, Kind::Haproxy, Kind::Nginx] {
            let text = over_tls(kind).expect("it takes part");
            let certificates = match kind {
                Kind::Haproxy => "ssl crt",
                Kind::Nginx => "ssl_certificate ",
                _ => "certificate_chain:",
            };
            assert_eq!(text.matches(certificates).count(), 1, "{}", kind.name());
        }
        assert!(over_tls(Kind::Relay).is_none());
    }
}
