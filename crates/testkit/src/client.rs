//! A client that sends exactly the bytes it is told to.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::DEADLINE;
use crate::message::{Message, Reader, Stop, head_lines, response_framing, word};
use crate::wire::Wire;

/// A final response and the 1xx responses before it.
#[derive(Clone, Debug)]
pub struct Response {
    /// 1xx responses, in order.
    pub interim: Vec<Message>,
    /// The final one.
    pub message: Message,
}

/// Opens a connection from an address of this machine to a port of another one.
///
/// # Errors
/// If nobody listens there.
pub fn open(from: Ipv4Addr, to: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if !from.is_unspecified() {
        socket.bind(&SocketAddr::from((from, 0)).into())?;
    }
    socket.connect(&SocketAddr::from((to, port)).into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    Ok(socket.into())
}

/// One connection to the proxy.
pub struct Client {
    reader: Reader<Wire>,
    local_port: u16,
    /// Sent with the next bytes.
    ahead: Vec<u8>,
    /// Methods of requests sent and not yet answered; an answer to HEAD has no body.
    methods: VecDeque<String>,
}

impl Client {
    /// Connects to a port of 127.0.0.1.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(port: u16) -> io::Result<Self> {
        let socket = open(Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, port)?;
        Self::on(Wire::Plain(socket))
    }

    /// Goes on with a connection.
    ///
    /// # Errors
    /// If it is closed.
    pub fn on(wire: Wire) -> io::Result<Self> {
        // A unix domain socket has none.
        let local = wire.socket().local_addr();
        let local_port = local.map_or(0, |address| address.port());
        Ok(Self {
            reader: Reader::new(wire),
            local_port,
            ahead: Vec::new(),
            methods: VecDeque::new(),
        })
    }

    /// Tells a reset of the proxy from a close; see [`Reader::tell_resets`].
    pub fn tell_resets(&mut self) {
        self.reader.tell_resets();
    }

    /// Gives up on a read after `timeout` rather than the usual deadline.
    ///
    /// # Errors
    /// If the socket refuses it.
    pub fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        let socket = self.reader.stream_mut().socket();
        socket.set_read_timeout(Some(timeout))
    }

    /// The port this end has.
    #[must_use]
    pub fn local_port(&self) -> u16 {
        self.local_port
    }

    /// Has bytes sent in one write with those that are sent next.
    pub fn send_ahead(&mut self, bytes: Vec<u8>) {
        self.ahead = bytes;
    }

    /// Sends bytes as they are. Lines in them that look like request lines tell which responses
    /// have no body.
    ///
    /// # Errors
    /// If the proxy closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for line in head_lines(bytes) {
            let is_request_line =
                word(line, 2).is_some_and(|version| version.starts_with("HTTP/1."));
            if let Some(method) = word(line, 0).filter(|_| is_request_line) {
                self.methods.push_back(method);
            }
        }
        let mut all = std::mem::take(&mut self.ahead);
        all.extend(bytes);
        self.reader.stream_mut().write_all(&all)?;
        self.reader.stream_mut().flush()
    }

    /// Reads one final response and the interim ones before it.
    ///
    /// # Errors
    /// Why no head came. A body that is cut short is no error: see [`Message::cut_short`].
    pub fn read_response(&mut self) -> Result<Response, Stop> {
        let mut interim = Vec::new();
        loop {
            let head = self.reader.read_head()?;
            let method = self.methods.front().cloned().unwrap_or_default();
            let framing = response_framing(&head, &method);
            let mut message = Message::from_head(head, framing);
            if (100..200).contains(&message.status()) && message.status() != 101 {
                interim.push(message);
                continue;
            }
            self.methods.pop_front();
            self.reader.read_body(&mut message);
            return Ok(Response { interim, message });
        }
    }

    /// Tells the proxy that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.reader.stream_mut().half_close();
    }

    /// Reads so many bytes, whatever they are; why they are fewer.
    pub fn take_bytes(&mut self, length: usize) -> (Vec<u8>, Option<Stop>) {
        self.reader.take_bytes(length)
    }

    /// Everything that still comes until the proxy closes, and how it ended.
    pub fn read_rest(&mut self) -> (Vec<u8>, Stop) {
        self.reader.read_rest()
    }

    /// Closes with a TCP reset.
    pub fn reset(mut self) {
        self.reader.stream_mut().reset();
    }
}

/// One GET on a connection of its own, for admin pages.
///
/// # Errors
/// If nobody listens, or the answer is no HTTP.
pub fn get(port: u16, target: &str) -> io::Result<Message> {
    ask(port, "GET", target)
}

/// One POST without a body on a connection of its own, for what an admin is told to do.
///
/// # Errors
/// If nobody listens, or the answer is no HTTP.
pub fn post(port: u16, target: &str) -> io::Result<Message> {
    ask(port, "POST", target)
}

fn ask(port: u16, method: &str, target: &str) -> io::Result<Message> {
    let mut client = Client::connect(port)?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    client.send(request.as_bytes())?;
    client
        .read_response()
        .map(|response| response.message)
        .map_err(|stop| io::Error::other(format!("no answer to {method} {target}: {stop:?}")))
}

impl Drop for Client {
    fn drop(&mut self) {
        // Reads what is left so that closing does not turn into a reset by accident.
        let mut socket = self.reader.stream_mut().socket();
        let _ = socket.set_nonblocking(true);
        let _ = socket.read(&mut [0; 1024]);
    }
}
