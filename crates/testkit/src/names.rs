//! A DNS server that answers from a list of names, over UDP and TCP on one port, and remembers what it was asked.
//!
//! It knows questions for one name at a time, A and AAAA; what else is asked is answered with no records.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How soon a server sees that it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const BIND_ATTEMPTS: usize = 20;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_CNAME: u16 = 5;
const NXDOMAIN: u8 = 3;

/// What is known of a name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its addresses, of both versions, in the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// How long an answer is good for, in seconds.
    pub ttl_s: u32,
    /// The response code.
    pub code: u8,
    /// Another name that it stands for.
    pub alias: Option<String>,
    /// No answer is given.
    pub is_silent: bool,
    /// An answer by UDP says that it is cut short.
    pub is_long: bool,
}

/// A server of names. Stops when dropped.
pub struct NameServer {
    port: u16,
    asked: Arc<Mutex<BTreeSet<String>>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Zone {
    names: Arc<BTreeMap<String, Known>>,
    asked: Arc<Mutex<BTreeSet<String>>>,
    stopping: Arc<AtomicBool>,
}

impl NameServer {
    /// Starts on a port of its own.
    ///
    /// # Errors
    /// If no port can be had for both UDP and TCP.
    pub fn start(names: BTreeMap<String, Known>) -> io::Result<Self> {
        let (udp, tcp) = bind()?;
        let port = udp.local_addr()?.port();
        udp.set_read_timeout(Some(LOOK_EVERY))?;
        tcp.set_nonblocking(true)?;
        let zone = Zone {
            names: Arc::new(names),
            asked: Arc::default(),
            stopping: Arc::default(),
        };
        let (of_udp, of_tcp) = (zone.clone(), zone.clone());
        Ok(Self {
            port,
            asked: zone.asked,
            stopping: zone.stopping,
            threads: vec![
                std::thread::spawn(move || of_udp.serve_datagrams(&udp)),
                std::thread::spawn(move || of_tcp.serve_connections(&tcp)),
            ],
        })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was asked so far, each once: the type, the name, the protocol.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().cloned().collect()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The same port twice.
fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..BIND_ATTEMPTS {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no port")))
}

impl Zone {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn serve_datagrams(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while !self.is_stopping() {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let query = buffer.get(..length).unwrap_or_default();
            self.answer_datagram(socket, query, from);
        }
    }

    fn answer_datagram(&self, socket: &UdpSocket, query: &[u8], from: SocketAddr) {
        if let Some(answer) = self.answer(query, "UDP") {
            let _ = socket.send_to(&answer, from);
        }
    }

    fn serve_connections(&self, listener: &TcpListener) {
        while !self.is_stopping() {
            match listener.accept() {
                Ok((stream, _)) => {
                    let zone = self.clone();
                    std::thread::spawn(move || zone.serve_connection(stream));
                }
                Err(_) => std::thread::sleep(LOOK_EVERY / 10),
            }
        }
    }

    fn serve_connection(&self, mut stream: TcpStream) {
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(Some(crate::DEADLINE));
        let mut length = [0; 2];
        while !self.is_stopping() && stream.read_exact(&mut length).is_ok() {
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut query).is_err() {
                return;
            }
            let Some(answer) = self.answer(&query, "TCP") else {
                continue;
            };
            let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
            let bytes = [&length.to_be_bytes()[..], &answer].concat();
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }

    /// The answer; none if there is to be none.
    fn answer(&self, query: &[u8], protocol: &str) -> Option<Vec<u8>> {
        let question = Question::read(query)?;
        let name = question.name.to_ascii_lowercase();
        let kind = match question.kind {
            TYPE_A => "A".to_owned(),
            TYPE_AAAA => "AAAA".to_owned(),
            other => other.to_string(),
        };
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{kind} {name} {protocol}"));
        let Some(known) = self.names.get(&name) else {
            return Some(question.answered(query, NXDOMAIN, false, &[]));
        };
        if known.is_silent {
            return None;
        }
        if known.is_long && protocol == "UDP" {
            return Some(question.answered(query, 0, true, &[]));
        }
        let mut records = Vec::new();
        let mut owner = name.clone();
        let mut from = known;
        if let Some(alias) = &known.alias {
            records.push(record(&owner, TYPE_CNAME, known.ttl_s, &encoded(alias)));
            owner.clone_from(alias);
            from = self.names.get(alias).unwrap_or(known);
        }
        for address in &from.addresses {
            let (kind, bytes) = match address {
                IpAddr::V4(address) => (TYPE_A, address.octets().to_vec()),
                IpAddr::V6(address) => (TYPE_AAAA, address.octets().to_vec()),
            };
            if kind == question.kind {
                records.push(record(&owner, kind, from.ttl_s, &bytes));
            }
        }
        Some(question.answered(query, known.code, false, &records))
    }
}

/// What is asked.
struct Question {
    name: String,
    kind: u16,
    /// Where it ends in the query.
    end: usize,
}

impl Question {
    fn read(query: &[u8]) -> Option<Self> {
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
            at += length;
        }
        let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
        Some(Self {
            name: labels.join("."),
            kind,
            end: at + 4,
        })
    }

    fn answered(&self, query: &[u8], code: u8, is_cut: bool, records: &[Vec<u8>]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        let mut answer = query.get(..2).unwrap_or_default().to_vec();
        // A response, with recursion wanted and to be had.
        answer.extend([0x81 | if is_cut { 0x02 } else { 0 }, 0x80 | code]);
        answer.extend([0, 1]);
        answer.extend(count.to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend_from_slice(query.get(12..self.end).unwrap_or_default());
        answer.extend(records.concat());
        answer
    }
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn record(name: &str, kind: u16, ttl_s: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = encoded(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(ttl_s.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(data);
    bytes
}
