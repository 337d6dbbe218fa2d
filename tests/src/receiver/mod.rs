//! Receivers: whom a proxy reports to, by gRPC, HTTP or datagrams (access logs, spans, stats). What they were told is shown entry by entry,
//! however it was batched; times are hidden, and random ids get names, which they then have in all that is shown.

mod datadog;
mod datagrams;
mod decode;
mod msgpack;
mod server;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How long entries may take to come.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A receiver of a case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSpec {
    /// How many entries will come.
    pub expect: usize,
    /// No message may have more of them.
    #[serde(default)]
    pub max_entries: Option<usize>,
    /// The body of answers over HTTP/1.
    #[serde(default)]
    pub answer: String,
    /// It is the daemon of X-Ray, which is told by datagrams.
    #[serde(default)]
    pub udp: bool,
}

/// A running receiver.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

/// What its threads share.
#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    answer: String,
}

#[derive(Default)]
struct Heard {
    /// Heads of requests and what is said of all entries, each once.
    about: Vec<String>,
    entries: Vec<String>,
    /// The most that came in one message.
    most_entries: usize,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Errors
    /// If a socket cannot be had.
    pub fn start(spec: &ReceiverSpec) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            answer: spec.answer.clone(),
            ..Shared::default()
        });
        let port = match spec.udp {
            true => datagrams::listen(Arc::clone(&shared))?,
            false => server::listen(Arc::clone(&shared))?,
        };
        Ok(Self { port, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was told of all entries, once they have come.
    ///
    /// # Errors
    /// If they do not come.
    pub fn text(&self, spec: &ReceiverSpec) -> io::Result<String> {
        let until = Instant::now() + DEADLINE;
        loop {
            let heard = self.shared.heard();
            if heard.entries.len() >= spec.expect {
                let mut text = heard.about.concat();
                if let Some(max) = spec.max_entries {
                    let most = heard.most_entries.min(max + 1);
                    text.push_str(&format!("at most {most} in a message\n"));
                }
                return Ok(text);
            }
            if Instant::now() > until {
                let told = [heard.about.concat(), heard.entries.concat()].concat();
                return Err(io::Error::other(format!("a receiver was told only {told}")));
            }
            drop(heard);
            thread::sleep(POLL);
        }
    }

    /// The entries that came.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        self.shared.heard().entries.clone()
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_head(&self, lines: &[String]) {
        // What Datadog's library says of itself nobody asked for.
        if lines.iter().any(|line| line.contains("/apmtelemetry")) {
            return;
        }
        let counted = |line: &String| match line.strip_prefix("x-datadog-trace-count: ") {
            Some(_) => "x-datadog-trace-count: <...>".to_owned(),
            None => line.clone(),
        };
        let lines: Vec<_> = lines.iter().map(counted).collect();
        let text = format!("request\n{}", indented(&lines));
        self.heard().say_once(text);
    }

    /// Takes what is said of all entries on a line, and one entry of JSON on the next.
    fn take_datagram(&self, datagram: &[u8]) {
        let text = String::from_utf8_lossy(datagram);
        let (about, entry) = text.split_once('\n').unwrap_or_default();
        let entry = decode::json(format!("[{entry}]").as_bytes());
        self.take_words(&decode::Words {
            about: [vec![about.to_owned()], entry.about].concat(),
            ..entry
        });
    }

    fn take_body(&self, path: &str, body: &[u8]) {
        let words = match path.rsplit('/').next() {
            Some("StreamAccessLogs") => decode::message("StreamAccessLogsMessage", body),
            Some("apmtelemetry") => return,
            _ if path.ends_with("v0.4/traces") => datadog::traces(body),
            Some("collect") => decode::message("Segments", &as_field_one(body)),
            Some("StreamMetrics") => decode::message("StreamMetricsMessage", body),
            _ if path.ends_with("MetricsService/Export") || path.ends_with("metrics") => {
                decode::message("ExportMetricsServiceRequest", body)
            }
            _ if path.ends_with("LogsService/Export") || path.ends_with("logs") => {
                decode::message("ExportLogsServiceRequest", body)
            }
            _ if path.ends_with("TraceService/Export") || path.ends_with("traces") => {
                decode::message("ExportTraceServiceRequest", body)
            }
            _ => decode::json(body),
        };
        self.take_words(&words);
    }

    fn take_words(&self, words: &decode::Words) {
        let mut heard = self.heard();
        if !words.about.is_empty() {
            heard.say_once(format!("about all\n{}", indented(&words.about)));
        }
        heard.most_entries = heard.most_entries.max(words.entries.len());
        for entry in &words.entries {
            heard.entries.push(format!("entry\n{}", indented(entry)));
        }
    }
}

/// A message as the first field of another.
fn as_field_one(message: &[u8]) -> Vec<u8> {
    let (mut all, mut length) = (vec![0x0a], message.len());
    while length >= 0x80 {
        all.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    all.push(u8::try_from(length).unwrap_or(0));
    all.extend_from_slice(message);
    all
}

impl Heard {
    fn say_once(&mut self, text: String) {
        if !self.about.contains(&text) {
            self.about.push(text);
        }
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}
