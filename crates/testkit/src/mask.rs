//! Hides what changes from run to run, so that two runs can be compared as text.
//!
//! Always masked: this machine's own address (`{machine}`), ports that the test knows (each becomes its name), UUIDs, timestamps, the `date`
//! header's value from 2025 on (an older one is the test's own), `x-envoy-upstream-service-time`'s, and the ports behind a pair of
//! loopback addresses in a binary PROXY header. A test adds patterns of its own: each capture group of one is replaced
//! by `#`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};

use regex::Regex;

/// What to hide.
pub struct Masks {
    ports: BTreeMap<u16, String>,
    built_in: Vec<(Regex, &'static str)>,
    patterns: Vec<Regex>,
    port_like: Regex,
    machine: Option<String>,
}

impl Default for Masks {
    fn default() -> Self {
        Self::new()
    }
}

impl Masks {
    /// The masks that every test wants.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "the patterns are constants"
    )]
    pub fn new() -> Self {
        let built_in = [
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "<uuid>",
            ),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "<time>"),
            // A moment that falls on a whole second.
            (
                r#"(?P<name>last_update(?:d|_attempt)"?:? )"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ""#,
                "$name\"<time>\"",
            ),
            (
                r"(?m)^(?P<name> *(?i:date)): (Mon|Tue|Wed|Thu|Fri|Sat|Sun), .. ... 20(2[5-9]|[3-9]\d) .* GMT$",
                "$name: <date>",
            ),
            (
                r"(?m)^(?P<name> *(?i:x-envoy-upstream-service-time)): \d+$",
                "$name: <ms>",
            ),
            // A byte of a port may look like anything, an end of a line too.
            (
                r"(?P<name>\\x7f\\x00\\x00\\x01\\x7f\\x00\\x00\\x01)(?:\\x[0-9a-f]{2}|\\n\n +\| |\\[rt\\]|[ -\[\]-~]){4}",
                "$name#",
            ),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a constant pattern"), with));
        Self {
            ports: BTreeMap::new(),
            built_in: built_in.into(),
            patterns: Vec::new(),
            port_like: Regex::new(r"\d+").expect("a constant pattern"),
            machine: own_address(),
        }
    }

    /// Shows `port` as `name` wherever its number stands alone.
    pub fn port(&mut self, port: u16, name: &str) {
        self.ports.insert(port, name.to_owned());
    }

    /// Replaces each capture group of `pattern` by `#`. The pattern is applied line by line.
    ///
    /// # Errors
    /// If the pattern is not a regular expression.
    pub fn pattern(&mut self, pattern: &str) -> Result<(), regex::Error> {
        self.patterns.push(Regex::new(pattern)?);
        Ok(())
    }

    /// `text` with everything volatile replaced.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for (regex, with) in &self.built_in {
            masked = regex.replace_all(&masked, *with).into_owned();
        }
        if let Some(address) = &self.machine {
            masked = masked.replace(address, "{machine}");
        }
        masked = self
            .port_like
            .replace_all(&masked, |found: &regex::Captures<'_>| {
                let digits = &found[0];
                let name = digits
                    .parse()
                    .ok()
                    .and_then(|port: u16| self.ports.get(&port));
                name.cloned().unwrap_or_else(|| digits.to_owned())
            })
            .into_owned();
        let lines: Vec<String> = masked
            .split('\n')
            .map(|line| self.mask_line(line))
            .collect();
        lines.join("\n")
    }

    fn mask_line(&self, line: &str) -> String {
        let mut masked = line.to_owned();
        for pattern in &self.patterns {
            let mut spans: Vec<(usize, usize)> = Vec::new();
            for found in pattern.captures_iter(&masked) {
                spans.extend(
                    found
                        .iter()
                        .skip(1)
                        .flatten()
                        .map(|group| (group.start(), group.end())),
                );
            }
            for (start, end) in spans.into_iter().rev() {
                masked.replace_range(start..end, "#");
            }
        }
        masked
    }
}

/// The address that this machine would send from. No packet leaves: connecting a UDP socket only
/// chooses a route.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then(|| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_volatile_is_hidden() {
        let mut masks = Masks::new();
        masks.port(12_345, "{main}");
        masks.pattern(r"took=(\d+)ms").expect("a pattern");
        let text = "date: Mon, 01 Jan 2029 00:00:00 GMT\nhost: a:12345\ntook=17ms 123456\n\
                    x-request-id: 0f2b1f0e-5e1e-4a0b-9f65-3e2a6a2f1f00";
        let masked = "date: <date>\nhost: a:{main}\ntook=#ms 123456\nx-request-id: <uuid>";
        assert_eq!(masks.apply(text), masked);
    }

    #[test]
    fn ports_of_a_binary_proxy_header_are_hidden_whatever_their_bytes_are() {
        let loopback = r"\x7f\x00\x00\x01\x7f\x00\x00\x01";
        for ports in [
            r"\x80\x01'\x10",
            r"\xe0a\x93\t",
            "\\x80\\n\n  | \\r\\\\",
            r"\xe0\xe0\xe0\xe0",
        ] {
            let text = format!(
                r"  | !\x11\x00(\{ports}\xe0\x00\x05hello",
                ports = [&loopback[1..], ports].concat()
            );
            let masked = format!(r"  | !\x11\x00({loopback}#\xe0\x00\x05hello");
            assert_eq!(Masks::new().apply(&text), masked);
        }
    }
}
