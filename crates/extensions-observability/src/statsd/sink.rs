//! Lines on their way: in datagrams, or as a stream of bytes.

use nuncio_contract::stat_sink::{ByteSink, StatSink, Told};
use nuncio_contract::stats::Sample;

use super::line::Lines;
use super::udp::Datagram;

/// Lines in datagrams, as many in each as a limit allows.
pub(crate) struct Datagrams {
    lines: Lines,
    socket: Datagram,
    /// 0: a line each.
    max_bytes: usize,
    gathered: String,
}

impl Datagrams {
    pub(crate) fn new(lines: Lines, socket: Datagram, max_bytes: usize) -> Self {
        Self {
            lines,
            socket,
            max_bytes,
            gathered: String::new(),
        }
    }
}

impl StatSink for Datagrams {
    fn tell(&mut self, told: &Told<'_>) {
        let Some(line) = self.lines.reading(told) else {
            return;
        };
        if line.len() >= self.max_bytes {
            return self.socket.send(line.as_bytes());
        }
        if self.gathered.len() + line.len() + 1 > self.max_bytes {
            self.end_flush();
        } else if !self.gathered.is_empty() {
            self.gathered.push('\n');
        }
        self.gathered.push_str(&line);
    }

    fn end_flush(&mut self) {
        if !self.gathered.is_empty() {
            self.socket.send(self.gathered.as_bytes());
            self.gathered.clear();
        }
    }

    fn tell_sample(&mut self, sample: &Sample) {
        self.socket.send(self.lines.sample(sample).as_bytes());
    }
}

/// Lines with their ends, a flush at a time.
pub(crate) struct Stream {
    lines: Lines,
    bytes: Box<dyn ByteSink>,
    gathered: String,
}

impl Stream {
    pub(crate) fn new(lines: Lines, bytes: Box<dyn ByteSink>) -> Self {
        Self {
            lines,
            bytes,
            gathered: String::new(),
        }
    }
}

impl StatSink for Stream {
    fn tell(&mut self, told: &Told<'_>) {
        if let Some(line) = self.lines.reading(told) {
            self.gathered.push_str(&line);
            self.gathered.push('\n');
        }
    }

    fn end_flush(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        if !gathered.is_empty() {
            self.bytes.send(gathered.into_bytes());
        }
    }

    fn tell_sample(&mut self, sample: &Sample) {
        let line = self.lines.sample(sample) + "\n";
        self.bytes.send(line.into_bytes());
    }
}
