//! From a case to running upstreams and a finished config.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::datagrams::Echo;
use nuncio_testkit::mask::Masks;
use nuncio_testkit::names::NameServer;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::Scratch;
use nuncio_testkit::quic_host::QuicHost;
use nuncio_testkit::template;
use nuncio_testkit::tls::Authority;
use nuncio_testkit::upstream::{RedisAnswers, Upstream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::case::{Case, UpstreamSpec, data_directory};
use crate::control_plane::{ControlPlane, PlaneSpec};
use crate::receiver::Receiver;
use crate::side::Side;
use crate::sinks::Collector;
use crate::unix_gate::UnixGate;
use crate::upstreams;

/// Everything that runs around the proxy.
pub struct Setup {
    /// Scratch directory.
    pub scratch: Scratch,
    /// Upstreams by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Unix domain sockets before upstreams.
    pub gates: Vec<UnixGate>,
    /// Upstreams of datagrams by name.
    pub echoes: BTreeMap<String, Echo>,
    /// Hosts of QUIC by name.
    pub quic_hosts: BTreeMap<String, QuicHost>,
    /// Control planes by name.
    pub planes: BTreeMap<String, ControlPlane>,
    /// Collectors of stats by name.
    pub sinks: BTreeMap<String, Collector>,
    /// Receivers of reports by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// DNS servers by name.
    pub names: BTreeMap<String, NameServer>,
    /// Listener ports by name, chosen when first named.
    ports: BTreeMap<String, u16>,
}

impl Setup {
    /// Starts the upstreams.
    ///
    /// # Errors
    /// If a socket or file cannot be had.
    pub fn new(case: &Case) -> io::Result<Self> {
        let scratch = Scratch::new()?;
        let mut setup = Self {
            scratch,
            upstreams: BTreeMap::new(),
            gates: Vec::new(),
            echoes: BTreeMap::new(),
            quic_hosts: BTreeMap::new(),
            planes: BTreeMap::new(),
            sinks: BTreeMap::new(),
            receivers: BTreeMap::new(),
            names: BTreeMap::new(),
            ports: BTreeMap::new(),
        };
        let authority = Authority::new().map_err(io::Error::other)?;
        fs::write(
            setup.scratch.path().join("ca.pem"),
            &authority.certificate_pem,
        )?;
        let redis_hosts = setup.start_upstreams(case, &authority)?;
        for (name, spec) in &case.sinks {
            setup.sinks.insert(name.clone(), Collector::start(spec)?);
        }
        for (name, spec) in &case.receivers {
            setup.receivers.insert(name.clone(), Receiver::start(spec)?);
        }
        for (name, zone) in &case.names {
            let known = zone.iter().map(|(name, spec)| (name.clone(), spec.known()));
            let server = NameServer::start(known.collect())?;
            setup.names.insert(name.clone(), server);
        }
        // They tell the ports of others.
        for (name, spec) in &case.upstreams {
            if let Some(plane) = &spec.control_plane {
                let plane: PlaneSpec = setup.filled(plane)?;
                let plane = ControlPlane::start(&plane)?;
                setup.planes.insert(name.clone(), plane);
            }
        }
        for (name, spec) in case.upstreams.iter().filter(|(_, spec)| spec.tells_ports) {
            let redis = RedisAnswers::default();
            let fill = &mut |text: &str| setup.fill(text);
            let upstream = upstreams::start(name, spec, &authority, &redis, fill)?;
            setup.upstreams.insert(name.clone(), upstream);
        }
        for (spec, answers) in redis_hosts {
            setup.tell_redis(spec, &answers)?;
        }
        for (name, text) in &case.files {
            let filled = setup.fill(text)?;
            let path = setup.scratch.path().join(name);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, filled)?;
        }
        Ok(setup)
    }

    /// Starts the upstreams that tell no ports of others from the start; what is left to say to hosts of Redis.
    fn start_upstreams<'c>(
        &mut self,
        case: &'c Case,
        authority: &Authority,
    ) -> io::Result<Vec<(&'c UpstreamSpec, RedisAnswers)>> {
        let mut redis_hosts = Vec::new();
        for (name, spec) in &case.upstreams {
            if spec.control_plane.is_some() || spec.tells_ports {
                continue;
            }
            if spec.udp {
                self.echoes.insert(name.clone(), Echo::start(name)?);
                continue;
            }
            if let Some(answers) = &spec.quic {
                let host = upstreams::start_quic(answers)?;
                self.quic_hosts.insert(name.clone(), host);
                continue;
            }
            let redis = RedisAnswers::default();
            let upstream = upstreams::start(name, spec, authority, &redis, &mut |text| {
                Ok(text.to_owned())
            })?;
            if spec.redis.is_some() {
                redis_hosts.push((spec, redis));
            }
            if spec.unix_socket {
                self.gates.push(UnixGate::open(upstream.port())?);
            }
            self.upstreams.insert(name.clone(), upstream);
        }
        Ok(redis_hosts)
    }

    /// Says what a host of Redis answers, now that all ports are known.
    fn tell_redis(&mut self, spec: &UpstreamSpec, answers: &RedisAnswers) -> io::Result<()> {
        for (command, answer) in spec.redis.iter().flatten() {
            let texts = answer.texts().iter();
            let filled = texts.map(|text| self.fill(text).map(|it| from_text(&it)));
            answers.answer(command, filled.collect::<io::Result<_>>()?);
        }
        Ok(())
    }

    /// The port of a listener.
    pub fn port(&mut self, name: &str) -> u16 {
        *self.ports.entry(name.to_owned()).or_insert_with(free_port)
    }

    /// Fills the placeholders of all texts in something that is written as JSON.
    ///
    /// # Errors
    /// If it has one that nothing fills.
    pub fn filled<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> io::Result<T> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        serde_json::from_str(&self.fill(&text)?).map_err(io::Error::other)
    }

    /// Fills the placeholders of a text.
    ///
    /// # Errors
    /// If it has one that nothing fills.
    pub fn fill(&mut self, text: &str) -> io::Result<String> {
        template::fill(text, |name| {
            if let Some(listener) = name.strip_prefix("port:") {
                return Some(self.port(listener).to_string());
            }
            if let Some(upstream) = name.strip_prefix("upstream:") {
                let port = self.upstreams.get(upstream).map(Upstream::port);
                return port
                    .or_else(|| self.planes.get(upstream).map(ControlPlane::port))
                    .or_else(|| self.echoes.get(upstream).map(Echo::port))
                    .or_else(|| self.quic_hosts.get(upstream).map(QuicHost::port))
                    .map(|port| port.to_string());
            }
            if let Some(server) = name.strip_prefix("names:") {
                return self
                    .names
                    .get(server)
                    .map(|server| server.port().to_string());
            }
            if let Some(sink) = name.strip_prefix("sink:") {
                return self.sinks.get(sink).map(|sink| sink.port().to_string());
            }
            if let Some(receiver) = name.strip_prefix("receiver:") {
                let receiver = self.receivers.get(receiver)?;
                return Some(receiver.port().to_string());
            }
            if let Some(upstream) = name.strip_prefix("base64_address:") {
                let upstream = self.upstreams.get(upstream)?;
                let address = format!("127.0.0.1:{}", upstream.port());
                return Some(base64(address.as_bytes()));
            }
            if let Some(upstream) = name.strip_prefix("base64_zero_port:") {
                let upstream = self.upstreams.get(upstream)?;
                let address = format!("127.0.0.1:0{}", upstream.port());
                return Some(base64(address.as_bytes()));
            }
            match name {
                "dir" => Some(self.scratch.path().display().to_string()),
                "certificates" | "descriptors" | "geoip" => {
                    let directory = data_directory().join(name);
                    Some(directory.display().to_string())
                }
                "ca" => Some(self.scratch.path().join("ca.pem").display().to_string()),
                _ => None,
            }
        })
        .map_err(io::Error::other)
    }

    /// The config for one side, complete.
    ///
    /// # Errors
    /// If the template is missing or a placeholder is unknown.
    pub fn config(&mut self, case: &Case, side: Side) -> io::Result<String> {
        let own = case
            .config_for_nuncio
            .as_ref()
            .filter(|_| side == Side::Nuncio)
            .or(case.config.as_ref());
        let mut text = match (own, &case.template) {
            (Some(text), _) => text.clone(),
            (None, Some(name)) => {
                let path = data_directory()
                    .join("templates")
                    .join(format!("{name}.yaml"));
                template::fill_slots(&fs::read_to_string(path)?, |slot| slot_text(case, slot))
            }
            (None, None) => {
                return Err(io::Error::other(
                    "the case has neither `config` nor `template`",
                ));
            }
        };
        let has_admin =
            text.lines().any(|line| line.starts_with("admin:")) || text.contains("\"admin\":");
        if !has_admin {
            text.push_str("\nadmin:\n  address: { socket_address: { address: 127.0.0.1, port_value: {{port:admin}} } }\n");
        }
        self.fill(&text)
    }

    /// Masks for everything that this setup knows to be volatile.
    ///
    /// # Errors
    /// If a mask of the case is not a regular expression.
    pub fn masks(&self, case: &Case, client_ports: &[u16]) -> io::Result<Masks> {
        let mut masks = Masks::new();
        for port in client_ports {
            masks.port(*port, "{client}");
        }
        for (name, upstream) in &self.upstreams {
            for port in upstream.peer_ports() {
                masks.port(port, "{local}");
            }
            masks.port(upstream.port(), &format!("{{{name}}}"));
        }
        for (name, echo) in &self.echoes {
            masks.port(echo.port(), &format!("{{{name}}}"));
        }
        for (name, host) in &self.quic_hosts {
            masks.port(host.port(), &format!("{{{name}}}"));
        }
        for (name, server) in &self.names {
            masks.port(server.port(), &format!("{{{name}}}"));
        }
        for (name, plane) in &self.planes {
            masks.port(plane.port(), &format!("{{{name}}}"));
        }
        for (name, sink) in &self.sinks {
            masks.port(sink.port(), &format!("{{{name}}}"));
        }
        for (name, receiver) in &self.receivers {
            masks.port(receiver.port(), &format!("{{{name}}}"));
        }
        for (name, port) in &self.ports {
            masks.port(*port, &format!("{{{name}}}"));
        }
        for pattern in &case.masks {
            masks.pattern(pattern).map_err(io::Error::other)?;
        }
        Ok(masks)
    }
}

fn slot_text(case: &Case, slot: &str) -> Option<String> {
    if let Some(text) = case.slots.get(slot) {
        return Some(text.clone());
    }
    match slot {
        "clusters" => Some(
            case.upstreams
                .iter()
                .map(|(name, spec)| static_cluster(name, spec))
                .collect(),
        ),
        "host" => Some("{{port:origin}}".to_owned()),
        "virtual_hosts" => case.upstreams.keys().next().map(|name| everything_to(name)),
        _ => None,
    }
}

/// Told of a cluster whose upstream speaks HTTP/2.
const SPEAKS_HTTP2: &str = "  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      explicit_http_config: { http2_protocol_options: {} }
";

fn static_cluster(name: &str, spec: &UpstreamSpec) -> String {
    let options = if spec.http2.is_some() {
        SPEAKS_HTTP2
    } else {
        ""
    };
    format!(
        "- name: {name}
  type: STATIC
  connect_timeout: 5s
{options}  load_assignment:
    cluster_name: {name}
    endpoints:
    - lb_endpoints:
      - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {{{{upstream:{name}}}}} }} }} }}
"
    )
}

fn everything_to(cluster: &str) -> String {
    format!(
        "- name: all
  domains: [\"*\"]
  routes:
  - match: {{ prefix: / }}
    route: {{ cluster: {cluster} }}
"
    )
}

/// The base64 of some bytes, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}
