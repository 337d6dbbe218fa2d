//! What runs without arguments: a proxy on 127.0.0.1:10000 with its admin on 127.0.0.1:9901, and two echo
//! upstreams behind round robin, all in this process.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http1::Http1Settings;
use nuncio_config::bootstrap::Input;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::services::LocalFuture;
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};
use nuncio_http::service::{Answer, Service};
use nuncio_net::listener::ListenOptions;

use crate::bootstrap::{Surroundings, compile_input};
use crate::listener::{CompiledChain, CompiledListener, ConnectionLimits, Inspection, Selection};
use crate::main_thread::{self, Extra};

const CONFIG: &str = include_str!("demo.yaml");
const UPSTREAMS: [&str; 2] = ["127.0.0.1:10001", "127.0.0.1:10002"];

/// Runs the demo until it is told to stop.
pub(crate) fn run(around: &Surroundings<'_>) -> Result<(), ()> {
    let input = Input {
        yaml: Some(CONFIG.to_string()),
        ..Input::default()
    };
    let (compiled, _no_findings_in_our_own_config) = compile_input(around, &input)
        .map_err(|findings| crate::refuse(around.options, &findings))?;
    let mut extras = Vec::new();
    for (number, address) in (1..).zip(UPSTREAMS) {
        let address: SocketAddr = address.parse().map_err(|_| ())?;
        extras.push(Extra {
            listener: Arc::new(echo_listener(around, address, number)),
            service: Rc::new(Echo { number }),
        });
    }
    main_thread::run_with(around, (compiled, None), None, extras, Some(announce))
        .map_err(|error| crate::log::critical("main", &error))
}

fn announce() {
    println!(
        "Nuncio's demo is running (independent of the Envoy project, compatible with its configuration):\n\
         \n  proxy   http://127.0.0.1:10000   round robin over two echo upstreams\
         \n  admin   http://127.0.0.1:9901    /ready /clusters /stats /config_dump ...\n\
         \nTry:\n\
         \n  curl -s http://127.0.0.1:10000/hello\
         \n  curl -s http://127.0.0.1:9901/clusters\
         \n  curl -s 'http://127.0.0.1:9901/stats?filter=downstream_rq'\n\
         \nCtrl-C stops it. With a configuration of yours: nuncio -c envoy.yaml\n"
    );
}

fn echo_listener(around: &Surroundings<'_>, address: SocketAddr, number: u8) -> CompiledListener {
    let name = format!("demo_upstream_{number}");
    let manager = ConnectionManagerConfig::for_service(&name, Vec::new(), Http1Settings::default());
    let scope = around.stats.scope(&format!("listener.{name}"));
    CompiledListener {
        address: address.into(),
        is_inbound: false,
        bypasses_overload: true,
        options: ListenOptions {
            reuse_port: false,
            ..ListenOptions::default()
        },
        chains: vec![CompiledChain::plain(
            manager,
            StatScopes::new(around.stats, &name, &name),
        )],
        selection: Selection::only_one(),
        inspection: Inspection::default(),
        limits: ConnectionLimits::default(),
        root: around.stats.root(),
        ignores_health: false,
        logs: Vec::new(),
        datagrams: None,
        quic: None,
        additional: Vec::new(),
        internal: None,
        balance: None,
        scope,
        description: Arc::default(),
        name,
    }
}

/// Answers with what it was sent.
struct Echo {
    number: u8,
}

impl Service for Echo {
    fn call(&self, request: &HeaderMap, body: Buffer) -> LocalFuture<Answer> {
        let mut text = format!("echo upstream {}\n\n", self.number).into_bytes();
        for header in request.iter() {
            text.extend_from_slice(header.name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(header.value);
            text.push(b'\n');
        }
        if !body.is_empty() {
            text.push(b'\n');
            text.extend_from_slice(body.readable());
        }
        let headers = vec![(HeaderName::from(Known::ContentType), b"text/plain".to_vec())];
        Box::pin(async move {
            Answer {
                status: 200,
                headers,
                details: None,
                body: Box::new(std::iter::once(text)),
                is_single_piece: true,
            }
        })
    }
}
