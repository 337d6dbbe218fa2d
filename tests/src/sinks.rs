//! Collectors of stats: what a proxy tells them, summed up so that it does not depend on when it flushed.
//!
//! Counters are the sums of what was told, gauges the last value, of timers there is how many were told. All is
//! read once the proxy has flushed twice after the last exchange; a flush tells `server.live`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::glob::glob;

/// How long flushes may take to come.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// What each flush tells.
const MARK: &str = "server.live";

/// A collector of a case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkSpec {
    /// Speaks TCP.
    #[serde(default)]
    pub tcp: bool,
    /// No datagram may be longer.
    #[serde(default)]
    pub max_bytes: Option<usize>,
    /// What is compared: patterns for names, prefix included, with `*`.
    pub stats: Vec<String>,
}

/// A running collector.
pub struct Collector {
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    /// By name, tags and type.
    told: BTreeMap<String, u64>,
    flushes: usize,
    longest: usize,
    lines_in_longest: usize,
}

impl Collector {
    /// Starts one.
    ///
    /// # Errors
    /// If a socket cannot be had.
    pub fn start(spec: &SinkSpec) -> io::Result<Self> {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        let any = (Ipv4Addr::LOCALHOST, 0);
        let port = if spec.tcp {
            let listener = TcpListener::bind(any)?;
            let port = listener.local_addr()?.port();
            thread::spawn(move || accept(&listener, &shared));
            port
        } else {
            let socket = UdpSocket::bind(any)?;
            let port = socket.local_addr()?.port();
            thread::spawn(move || receive(&socket, &shared));
            port
        };
        Ok(Self { port, heard })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What was told of `spec`'s stats, after two more flushes.
    ///
    /// # Errors
    /// If they do not come.
    pub fn text(&self, spec: &SinkSpec) -> io::Result<String> {
        let wanted = self.flushes() + 2;
        let until = Instant::now() + DEADLINE;
        while self.flushes() < wanted {
            if Instant::now() > until {
                return Err(io::Error::other("the proxy told a sink nothing"));
            }
            thread::sleep(POLL);
        }
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (stat, value) in &heard.told {
            let name = stat.split([':', ';', '|']).next().unwrap_or_default();
            if spec.stats.iter().any(|wanted| glob(wanted, name)) {
                let _ = writeln!(text, "{stat} {value}");
            }
        }
        if let Some(max) = spec.max_bytes {
            let (fits, shared) = (heard.longest <= max, heard.lines_in_longest > 1);
            let _ = writeln!(
                text,
                "within {max} bytes: {fits}; several stats in one: {shared}"
            );
        }
        Ok(text)
    }

    fn flushes(&self) -> usize {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.flushes
    }
}

fn receive(socket: &UdpSocket, heard: &Mutex<Heard>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count) = socket.recv(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if count > heard.longest {
            heard.longest = count;
            heard.lines_in_longest = text.lines().count();
        }
        text.lines().for_each(|line| heard.hear(line));
    }
}

fn accept(listener: &TcpListener, heard: &Arc<Mutex<Heard>>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let heard = Arc::clone(heard);
        thread::spawn(move || {
            let (mut text, mut bytes) = (String::new(), vec![0; 1 << 16]);
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                text.push_str(&String::from_utf8_lossy(&bytes[..count]));
                while let Some((line, rest)) = text.split_once('\n') {
                    let (line, rest) = (line.to_owned(), rest.to_owned());
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.hear(&line);
                    text = rest;
                }
            }
        });
    }
}

impl Heard {
    /// `name:value|type`, with tags behind the name (`;tag=value`) or the type (`|#tag:value`).
    fn hear(&mut self, line: &str) {
        let (before, tags) = match line.split_once("|#") {
            Some((before, tags)) => (before, format!("|#{tags}")),
            None => (line, String::new()),
        };
        let parts = before
            .rsplit_once('|')
            .and_then(|(stat, kind)| Some((stat.rsplit_once(':')?, kind)));
        let Some(((name, value), kind)) = parts else {
            self.told.insert(format!("not understood: {line}"), 0);
            return;
        };
        if name.ends_with(MARK) {
            self.flushes += 1;
        }
        let stat = self.told.entry(format!("{name}:{kind}{tags}")).or_default();
        let value = value.parse().unwrap_or(u64::MAX);
        match kind {
            "c" => *stat = stat.wrapping_add(value),
            "g" => *stat = value,
            _ => *stat += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Heard;

    #[test]
    fn counters_are_summed_gauges_kept_and_timers_counted() {
        let mut heard = Heard::default();
        for line in [
            "p.a:1|c",
            "p.a:2|c",
            "p.b;x=y:7|g",
            "p.b;x=y:5|g",
            "p.t:90|ms|#x:y",
            "p.t:80|ms|#x:y",
            "p.server.live:1|g",
            "nonsense",
        ] {
            heard.hear(line);
        }
        let told: Vec<_> = heard
            .told
            .iter()
            .map(|(stat, value)| (stat.as_str(), *value))
            .collect();
        let expected = [
            ("not understood: nonsense", 0),
            ("p.a:c", 3),
            ("p.b;x=y:g", 5),
            ("p.server.live:g", 1),
            ("p.t:ms|#x:y", 2),
        ];
        assert_eq!(told, expected);
        assert_eq!(heard.flushes, 1);
    }
}
