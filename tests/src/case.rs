//! The shape of a case file.
//!
//! Texts that go on the wire follow [`nuncio_testkit::bytes::from_lines`]: written line by line
//! they get CRLF line ends and a closing blank line; with a `\r` in them they are sent verbatim.
//! `{{port:NAME}}` (a listener's port, `admin` included), `{{upstream:NAME}}` (an upstream's port),
//! `{{base64_address:NAME}}` (its address in base64), `{{base64_zero_port:NAME}}` (the
//! same with a 0 before its port), `{{dir}}` (a scratch directory) and `{{ca}}` (the test authority's certificate
//! file), `{{certificates}}` (the directory of the kept certificates) and `{{descriptors}}` (that of the kept
//! descriptors of protobuf) are filled in everywhere.

mod http2;
mod http3;
mod names;
mod transport;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use http2::{
    Await, ClientHttp2Step, ClientHttp2Word, FrameStep, Http2Answer, Http2Connection,
    Http2Exchange, Http2Upstream, UpstreamHttp2Step, UpstreamHttp2Word, View, settings,
};
pub use http3::{
    ClientHttp3Step, ClientHttp3Word, Http3Await, Http3Connection, Http3Exchange, Http3Send,
    code as http3_code,
};
pub use names::{NameSpec, ZoneSpec};
pub use transport::{ClientTls, DatagramStep, TlsSpec};

use crate::control_plane::{PlaneSpec, Telling};
use crate::receiver::ReceiverSpec;
use crate::sinks::SinkSpec;

/// A case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// In one line, what the case proves.
    pub proves: String,
    /// Name of a file in `differential/templates` that `slots` complete to a config.
    #[serde(default)]
    pub template: Option<String>,
    /// Texts for the template's `{{slot:name}}` lines. Without a `clusters` slot, each upstream
    /// becomes a STATIC cluster of its name; without `virtual_hosts`, all goes to the first one.
    #[serde(default)]
    pub slots: BTreeMap<String, String>,
    /// The whole config, instead of a template. An `admin` is added if it has none.
    #[serde(default)]
    pub config: Option<String>,
    /// A config for Nuncio alone, for what Envoy refuses (a v2 file).
    #[serde(default)]
    pub config_for_nuncio: Option<String>,
    /// Files to write into `{{dir}}` before the start.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// More command-line arguments. Without `--concurrency` there is one worker.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables of the proxy's environment, filled in as the config is.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Upstreams by name.
    #[serde(default)]
    pub upstreams: BTreeMap<String, UpstreamSpec>,
    /// Collectors of stats by name; `{{sink:NAME}}` is the port.
    #[serde(default)]
    pub sinks: BTreeMap<String, SinkSpec>,
    /// Whom the proxy reports to, by name; `{{receiver:NAME}}` is the port.
    #[serde(default)]
    pub receivers: BTreeMap<String, ReceiverSpec>,
    /// DNS servers by name; `{{names:NAME}}` is the port.
    #[serde(default)]
    pub names: BTreeMap<String, ZoneSpec>,
    /// Regular expressions whose capture groups are hidden.
    #[serde(default)]
    pub masks: Vec<String>,
    /// Stats to compare at the end: exact names, or patterns with `*`.
    #[serde(default)]
    pub stats: Vec<String>,
    /// Log files in `{{dir}}` to compare once the proxy has ended.
    #[serde(default)]
    pub logs: Vec<String>,
    /// Addresses that are not this machine's are bound: without CAP_NET_ADMIN the case is left out.
    #[serde(default)]
    pub needs_net_admin: bool,
    /// The exchanges make the proxy end, so that it is waited for rather than told to.
    #[serde(default)]
    pub ends_itself: bool,
    /// Leaves out requests that reached an upstream only in part. When the proxy gives up a request
    /// while it is still being sent, how much of it arrives depends on timing.
    #[serde(default)]
    pub hide_cut_short: bool,
    /// Upstreams by name whose requests are shown without their bodies, which hold times and random numbers.
    #[serde(default)]
    pub hide_bodies: Vec<String>,
    /// Leaves out what upstreams saw: health checks come when they come.
    #[serde(default)]
    pub hide_upstreams: bool,
    /// Whether the number of the upstream connection is compared as well.
    #[serde(default)]
    pub show_connections: bool,
    /// Listeners that every exchange is played on which names none; without any, `main`.
    #[serde(default)]
    pub listeners: Vec<String>,
    /// Sent right behind each `request`, verbatim, and all is read until the proxy closes: a
    /// request that asks for a close shows what became of the connection.
    #[serde(default)]
    pub canary: Option<String>,
    /// What is sent and read.
    pub exchanges: Vec<Exchange>,
}

impl Case {
    /// Puts what all exchanges share into each of them.
    fn spread(&mut self) {
        for exchange in &mut self.exchanges {
            if let (Some(canary), Some(_)) = (&self.canary, &exchange.request) {
                exchange.body.get_or_insert_default().push_str(canary);
                exchange.expect = Expect::Word(ExpectWord::Close);
            }
        }
        if self.listeners.is_empty() {
            return;
        }
        let on_each = |exchange: Exchange| {
            if exchange.to.is_some() {
                return vec![exchange];
            }
            let on = |listener: &String| Exchange {
                name: format!("{} ({listener})", exchange.name),
                to: Some(listener.clone()),
                ..exchange.clone()
            };
            self.listeners.iter().map(on).collect()
        };
        let exchanges = std::mem::take(&mut self.exchanges);
        self.exchanges = exchanges.into_iter().flat_map(on_each).collect();
    }
}

/// A fake upstream: of HTTP/1 unless it says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSpec {
    /// Refuses connections.
    #[serde(default)]
    pub refuses: bool,
    /// Speaks TLS.
    #[serde(default)]
    pub tls: Option<TlsSpec>,
    /// Answers by path without query, `*` for any. A path without an entry gets 200 and a body
    /// that names the upstream, the method and the target.
    #[serde(default)]
    pub answers: BTreeMap<String, Answer>,
    /// Its answers have placeholders of ports, so that it starts behind the others.
    #[serde(default)]
    pub tells_ports: bool,
    /// It can be reached by a unix domain socket as well, `@nuncio-upstream-{{upstream:NAME}}`.
    #[serde(default)]
    pub unix_socket: bool,
    /// Speaks HTTP/2.
    #[serde(default)]
    pub http2: Option<Http2Upstream>,
    /// Plays these steps on each connection, whatever comes; without any, it reads until the proxy
    /// says that no more will come, and closes.
    #[serde(default)]
    pub tcp: Option<Vec<UpstreamStep>>,
    /// Speaks Redis: answers by the words of commands, in lower case; see [`nuncio_testkit::upstream::RedisAnswers`]. They
    /// may tell the ports of all upstreams.
    #[serde(default)]
    pub redis: Option<BTreeMap<String, RedisAnswer>>,
    /// Speaks with the proxy as a control plane.
    #[serde(default)]
    pub control_plane: Option<PlaneSpec>,
    /// Speaks HTTP/3 over QUIC, as a host of many errors: by path, what is sent on a request's stream, or else done, once its
    /// head has come; with no path at all no request is allowed. `close` with `end` closes right behind what was sent. Its
    /// certificate is `server_ecdsa`.
    #[serde(default)]
    pub quic: Option<BTreeMap<String, Vec<Http3Send>>>,
    /// Answers datagrams; see [`nuncio_testkit::datagrams::Echo`].
    #[serde(default)]
    pub udp: bool,
}

/// An answer of Redis.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum RedisAnswer {
    /// Always the same.
    One(String),
    /// One after another; the last one stays.
    Turns(Vec<String>),
}

impl RedisAnswer {
    /// All its texts.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Turns(texts) => texts,
        }
    }
}

/// An answer: one text to send, steps, or a row of answers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// The bytes of the answer.
    Text(String),
    /// Steps, in order.
    Steps(Vec<UpstreamStep>),
    /// One answer after another; the last one stays.
    Turns {
        /// The answers.
        turns: Vec<Answer>,
    },
}

/// See [`nuncio_testkit::script::Step`].
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum UpstreamStep {
    /// Send this text.
    Send {
        /// The text.
        send: String,
    },
    /// Send `bytes` times the letter `a`.
    Fill {
        /// How often.
        fill: usize,
    },
    /// Send this compressed.
    Pack {
        /// What.
        pack: Packed,
    },
    /// Read so many bytes, whatever the head said; they are shown as the body.
    Take {
        /// How many.
        take: usize,
    },
    /// A step without an argument.
    Word(UpstreamWord),
}

/// A text that is sent compressed, as one chunk of a chunked body.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// The codings in the order in which they are applied: `gzip`, `br`, `zstd`.
    pub codings: Vec<Coding>,
    /// The text.
    pub text: String,
    /// How often.
    #[serde(default = "once")]
    pub times: usize,
    /// So many bytes at the end are left out.
    #[serde(default)]
    pub cut: usize,
    /// Bytes behind the compressed ones.
    #[serde(default)]
    pub tail: String,
}

fn once() -> usize {
    1
}

/// A form of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// gzip.
    Gzip,
    /// Brotli.
    Br,
    /// Zstandard.
    Zstd,
}

/// Steps of an upstream without an argument.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamWord {
    /// Read the request's body here rather than before the first step.
    ReadBody,
    /// Don't read the request's body at all.
    Early,
    /// Read all until the proxy says that no more will come; shown as the body.
    TakeRest,
    /// Say that nothing more will be sent.
    HalfClose,
    /// Wait until the proxy closes.
    AwaitClose,
    /// Close.
    Close,
    /// Reset.
    Reset,
}

/// One connection of the client, and what is sent and read on it. Exactly one of `get`, `request`,
/// `steps`, `http2`, `http3` and `udp` is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Unique in the case.
    pub name: String,
    /// What happens before it.
    #[serde(default)]
    pub before: Vec<BeforeStep>,
    /// Target of a plain GET with `host: example.com`.
    #[serde(default)]
    pub get: Option<String>,
    /// Bytes to send.
    #[serde(default)]
    pub request: Option<String>,
    /// Bytes to send after `request`, verbatim.
    #[serde(default)]
    pub body: Option<String>,
    /// Anything more involved.
    #[serde(default)]
    pub steps: Option<Vec<ClientStep>>,
    /// A connection of HTTP/2.
    #[serde(default)]
    pub http2: Option<Http2Exchange>,
    /// A connection of HTTP/3.
    #[serde(default)]
    pub http3: Option<Http3Exchange>,
    /// Datagrams.
    #[serde(default)]
    pub udp: Option<Vec<DatagramStep>>,
    /// The client speaks TLS.
    #[serde(default)]
    pub tls: Option<ClientTls>,
    /// Sent before anything else, TLS included: a PROXY protocol header.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Address of this machine that the client connects from.
    #[serde(default)]
    pub from: Option<Ipv4Addr>,
    /// Address that it connects to, if not 127.0.0.1.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
    /// Path of a unix domain socket that it connects to instead; `@` and a name is an abstract one.
    #[serde(default)]
    pub pipe: Option<String>,
    /// Tells a reset of the proxy from a close.
    #[serde(default)]
    pub tell_resets: bool,
    /// Listener to connect to, if not `main` or those of the case.
    #[serde(default)]
    pub to: Option<String>,
    /// How many final responses are read, or `close`: all until the proxy closes.
    #[serde(default)]
    pub expect: Expect,
    /// The exchange is repeated until a response's body has this text (10 s at most); the last time counts.
    #[serde(default)]
    pub until: Option<String>,
    /// How bodies of responses are compared.
    #[serde(default)]
    pub show: Show,
    /// How bodies of requests are compared that upstreams saw.
    #[serde(default)]
    pub show_sent: Show,
}

impl Exchange {
    /// Listener to connect to.
    #[must_use]
    pub fn listener(&self) -> &str {
        self.to.as_deref().unwrap_or("main")
    }
}

/// How much a client reads.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum Expect {
    /// So many final responses.
    Responses(usize),
    /// Everything until the proxy closes.
    Word(ExpectWord),
}

/// See [`Expect`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectWord {
    /// Everything until the proxy closes.
    Close,
}

impl Default for Expect {
    fn default() -> Self {
        Self::Responses(1)
    }
}

/// What a client does, in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ClientStep {
    /// Send this text.
    Send {
        /// The text.
        send: String,
    },
    /// Send so many times the letter `a`.
    Fill {
        /// How often.
        fill: usize,
    },
    /// Send this compressed.
    Pack {
        /// What.
        pack: Packed,
    },
    /// Read final responses.
    Read {
        /// How many.
        read: usize,
    },
    /// Read so many bytes that are no response.
    Take {
        /// How many.
        take: usize,
    },
    /// Wait until an upstream has seen the heads of so many requests in this exchange.
    AwaitUpstream {
        /// The upstream.
        await_upstream: String,
        /// How many.
        #[serde(default = "http2::one")]
        requests: usize,
    },
    /// Wait until the proxy's admin shows a stat with a value.
    AwaitStat {
        /// Which, and what value.
        await_stat: StatValue,
    },
    /// What happens around the connection meanwhile.
    Meanwhile {
        /// What.
        meanwhile: Vec<BeforeStep>,
    },
    /// A step without an argument.
    Word(ClientWord),
}

/// What happens before an exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum BeforeStep {
    /// Moves a file of `{{dir}}` over another, as tools do that replace configurations.
    Move {
        /// What is moved.
        r#move: String,
        /// Where to.
        over: String,
    },
    /// Writes the content of a file of `{{dir}}` into another, in place.
    Write {
        /// Whose content.
        write: String,
        /// Where to.
        into: String,
    },
    /// Has a control plane tell resources, and waits for the answer.
    Tell {
        /// The control plane.
        tell: String,
        /// The last word of the type.
        kind: String,
        /// What.
        response: Telling,
    },
    /// Waits until a control plane has the answer to a response.
    Answered {
        /// The control plane.
        answered: String,
        /// The last word of the type.
        kind: String,
        /// The nonce of the response.
        nonce: String,
    },
    /// Waits until a control plane was asked something.
    Asked {
        /// The control plane.
        asked: String,
        /// A part of the line that shows it.
        text: String,
    },
    /// Closes all connections of a control plane.
    Cut {
        /// The control plane.
        cut: String,
    },
    /// Wait until the proxy's admin shows a stat with a value.
    AwaitStat {
        /// Which, and what value.
        await_stat: StatValue,
    },
    /// Posts to the proxy's admin; what it answers is not looked at.
    Post {
        /// The path.
        post: String,
    },
}

/// A stat and a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatValue {
    /// Its full name.
    pub name: String,
    /// The value.
    pub is: u64,
}

/// Steps of a client without an argument.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientWord {
    /// Say that nothing more will be sent.
    HalfClose,
    /// Read all responses until the proxy closes.
    ReadToClose,
    /// Read all bytes, which are no responses, until the proxy closes.
    TakeRest,
    /// Read all bytes, which are no responses, until the proxy will send no more, and go on.
    TakeToEnd,
    /// Close with a reset.
    Reset,
}

/// How the body of a message is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// As it is.
    #[default]
    Text,
    /// Not at all, nor its content-length.
    Nothing,
    /// Its length only.
    Length,
    /// Its lines, sorted.
    SortedLines,
    /// Of JSON, the sorted paths of all values with their kinds.
    JsonShape,
    /// Of JSON, the paths of all values with the values, sorted: the order of members is not
    /// compared.
    JsonValues,
    /// The lines that match a regular expression, sorted.
    Lines(String),
    /// Without the codings that `content-encoding` tells of; its length then is not compared.
    Decoded,
}

/// A case with where it came from.
#[derive(Debug)]
pub struct CaseFile {
    /// `<area>/<name>`.
    pub id: String,
    /// Path of the YAML file.
    pub path: PathBuf,
    /// Its contents.
    pub case: Case,
}

impl CaseFile {
    /// Where its pin is.
    #[must_use]
    pub fn pin_path(&self) -> PathBuf {
        self.path.with_extension("pin")
    }

    fn load(root: &Path, path: PathBuf) -> io::Result<Self> {
        let text = fs::read_to_string(&path)?;
        let invalid = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        let mut case: Case = serde_saphyr::from_str(&text).map_err(|error| invalid(&error))?;
        case.spread();
        let id = path
            .strip_prefix(root)
            .map_err(|error| invalid(&error))?
            .with_extension("");
        let mut names: Vec<&str> = case
            .exchanges
            .iter()
            .map(|exchange| exchange.name.as_str())
            .collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(invalid(&"two exchanges have the same name"));
        }
        Ok(Self {
            id: id.display().to_string(),
            path,
            case,
        })
    }
}

/// Directory of the suite's data.
#[must_use]
pub fn data_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential")
}

/// All cases whose id contains `filter`, sorted.
///
/// # Errors
/// If one cannot be read or is not of the shape above.
pub fn load_cases(filter: &str) -> io::Result<Vec<CaseFile>> {
    let root = data_directory().join("cases");
    let mut cases = Vec::new();
    for area in fs::read_dir(&root)? {
        for file in fs::read_dir(area?.path())? {
            let path = file?.path();
            let is_case = path
                .extension()
                .is_some_and(|extension| extension == "yaml");
            if is_case
                && path
                    .with_extension("")
                    .display()
                    .to_string()
                    .contains(filter)
            {
                cases.push(CaseFile::load(&root, path)?);
            }
        }
    }
    cases.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(cases)
}
