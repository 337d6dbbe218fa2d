//! Drives the codec as a proxy would, over bytes that arrive in pieces.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use nuncio_codec::http1::*;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};

/// What a connection gave, in order; adjacent data is one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Head(RequestHead, HeaderMap),
    Response(ResponseHead, HeaderMap),
    Data(Vec<u8>),
    Trailers(HeaderMap),
    End,
    Refused(Error),
}

/// One side of a connection, fed piece by piece.
pub struct Peer {
    settings: Http1Settings,
    sent: Option<RequestSent>,
    unread: Vec<u8>,
    scan: HeadScan,
    body: Option<BodyDecoder>,
    closing: bool,
    pub events: Vec<Event>,
}

impl Peer {
    /// Reads requests.
    pub fn server(settings: &Http1Settings) -> Self {
        Self::new(settings, None)
    }

    /// Reads the response to one request.
    pub fn client(settings: &Http1Settings, sent: RequestSent) -> Self {
        Self::new(settings, Some(sent))
    }

    fn new(settings: &Http1Settings, sent: Option<RequestSent>) -> Self {
        Self {
            settings: settings.clone(),
            sent,
            unread: Vec::new(),
            scan: HeadScan::default(),
            body: None,
            closing: false,
            events: Vec::new(),
        }
    }

    pub fn refused(&self) -> Option<Error> {
        match self.events.last() {
            Some(Event::Refused(error)) => Some(*error),
            _ => None,
        }
    }

    pub fn feed(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
        while self.refused().is_none() && !self.is_over() && self.advance() {}
    }

    /// Whether the last message ended and none may follow.
    fn is_over(&self) -> bool {
        let ended = matches!(self.events.last(), Some(Event::End));
        ended && (self.closing || self.sent.is_some())
    }

    /// The peer closes.
    pub fn close(&mut self) {
        if self.refused().is_some() || self.is_over() {
            return;
        }
        let ended = match &mut self.body {
            Some(body) => body.end(),
            None if self.unread.is_empty() => return,
            None => Err(Error::UnexpectedEnd),
        };
        self.events.push(match ended {
            Ok(()) => Event::End,
            Err(error) => Event::Refused(error),
        });
    }

    fn advance(&mut self) -> bool {
        let (consumed, more) = match &mut self.body {
            Some(_) => self.body_step(),
            None => self.head(),
        };
        self.unread.drain(..consumed);
        more
    }

    fn head(&mut self) -> (usize, bool) {
        let mut headers = HeaderMap::request();
        let decoded = match self.sent {
            None => decode_request_head(&self.settings, &self.unread, &mut self.scan, &mut headers)
                .map(|head| {
                    head.map(|head| (head.head_len, head.framing, Event::Head(head, headers)))
                }),
            Some(sent) => decode_response_head(
                &self.settings,
                sent,
                &self.unread,
                &mut self.scan,
                &mut headers,
            )
            .map(|head| {
                head.map(|head| (head.head_len, head.framing, Event::Response(head, headers)))
            }),
        };
        match decoded {
            Ok(None) => (0, false),
            Ok(Some((len, framing, event))) => {
                assert!(len <= self.unread.len());
                self.scan = HeadScan::default();
                self.closing = matches!(&event, Event::Head(head, _) if !head.keep_alive);
                let informational =
                    matches!(&event, Event::Response(head, _) if head.is_informational());
                self.events.push(event);
                if !informational {
                    self.body = Some(BodyDecoder::from(framing));
                }
                (len, true)
            }
            Err(error) => {
                self.events.push(Event::Refused(error));
                (0, false)
            }
        }
    }

    fn body_step(&mut self) -> (usize, bool) {
        let Some(body) = &mut self.body else {
            return (0, false);
        };
        let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
        match body.step(&self.settings, &self.unread, &mut trailers) {
            Ok(Step::Data { consumed, data }) => {
                assert!(!data.is_empty() && data.end <= consumed);
                let data = &self.unread[data];
                match self.events.last_mut() {
                    Some(Event::Data(before)) => before.extend_from_slice(data),
                    _ => self.events.push(Event::Data(data.to_vec())),
                }
                (consumed, true)
            }
            Ok(Step::NeedMore { consumed }) => (consumed, false),
            Ok(Step::Done {
                consumed,
                trailers: has_trailers,
            }) => {
                if has_trailers {
                    self.events.push(Event::Trailers(trailers));
                }
                self.events.push(Event::End);
                self.body = None;
                // A client reads one response; what follows is for the test to judge.
                (consumed, self.sent.is_none() && !self.closing)
            }
            Err(error) => {
                self.events.push(Event::Refused(error));
                (0, false)
            }
        }
    }

    pub fn unread(&self) -> &[u8] {
        &self.unread
    }
}

/// All events of a server that reads these bytes at once.
pub fn serve(settings: &Http1Settings, input: &[u8]) -> Vec<Event> {
    let mut peer = Peer::server(settings);
    peer.feed(input);
    peer.events
}

/// All events of a client that reads these bytes at once and then sees the peer close.
pub fn receive(settings: &Http1Settings, sent: RequestSent, input: &[u8]) -> Vec<Event> {
    let mut peer = Peer::client(settings, sent);
    peer.feed(input);
    if !matches!(peer.events.last(), Some(Event::End)) {
        peer.close();
    }
    peer.events
}

/// The error that these bytes from a client end in.
pub fn refusal(settings: &Http1Settings, input: &[u8]) -> Option<Error> {
    serve(settings, input)
        .into_iter()
        .find_map(|event| match event {
            Event::Refused(error) => Some(error),
            _ => None,
        })
}

/// What an upstream gets from a proxy that takes out hop-by-hop headers and adds none.
pub fn forward(settings: &Http1Settings, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoding = BodyEncoding::Plain;
    for event in serve(settings, input) {
        match event {
            Event::Head(head, mut headers) => {
                take_out_hop_by_hop(&head, &mut headers);
                let end = head.framing == BodyFraming::None;
                encoding = encode_request_head(settings, &headers, end, &mut out).body;
                if head.upgrade {
                    // What follows waits for the upstream's consent.
                    return out;
                }
            }
            Event::Data(data) => encode_data(encoding, &data, &mut out),
            Event::Trailers(trailers) => {
                encode_trailers(settings, encoding, &trailers, &mut out);
                encoding = BodyEncoding::Plain;
            }
            Event::End => encode_end(encoding, &mut out),
            Event::Response(..) | Event::Refused(_) => {}
        }
    }
    out
}

fn take_out_hop_by_hop(head: &RequestHead, headers: &mut HeaderMap) {
    sanitize_te(headers);
    if head.upgrade {
        headers.remove(Known::TransferEncoding);
        return;
    }
    for known in [
        Known::Connection,
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::TransferEncoding,
        Known::Upgrade,
    ] {
        headers.remove(known);
    }
    if headers
        .get(Known::Expect)
        .is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue"))
    {
        headers.remove(Known::Expect);
    }
}

/// What a client gets from a proxy that takes out hop-by-hop headers and adds none, and
/// how much the upstream sent beyond its response. `None` when the head is refused.
pub fn pass_back(
    settings: &Http1Settings,
    head_request: bool,
    input: &[u8],
    closes: bool,
) -> Option<(Vec<u8>, Option<Error>, usize)> {
    let sent = RequestSent {
        head: head_request,
        ..RequestSent::default()
    };
    let mut peer = Peer::client(settings, sent);
    peer.feed(input);
    if closes && !matches!(peer.events.last(), Some(Event::End)) {
        peer.close();
    }
    let to = ResponseTo {
        version: Version::Http11,
        head: head_request,
        connect: false,
    };
    let mut out = Vec::new();
    let mut encoding = None;
    for event in &peer.events {
        match event {
            Event::Response(head, _) if head.is_informational() => {}
            Event::Response(head, headers) => {
                let mut headers = headers.clone();
                for known in [
                    Known::Connection,
                    Known::KeepAlive,
                    Known::ProxyConnection,
                    Known::TransferEncoding,
                    Known::Upgrade,
                    Known::Date,
                    Known::Server,
                ] {
                    headers.remove(known);
                }
                let end = head.framing == BodyFraming::None;
                encoding = Some(encode_response_head(settings, to, &headers, end, &mut out));
            }
            Event::Data(data) => encode_data(encoding?, data, &mut out),
            Event::Trailers(trailers) => encode_trailers(settings, encoding?, trailers, &mut out),
            Event::End => encode_end(encoding?, &mut out),
            Event::Refused(_) => encoding = Some(encoding?),
            Event::Head(..) => {}
        }
    }
    encoding?;
    Some((out, peer.refused(), peer.unread().len()))
}

/// `\r`, `\n`, `\t`, `\\` and `\xNN` as bytes.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.bytes();
    while let Some(byte) = chars.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match chars.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'x') => {
                let digits: String = chars.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
            }
            Some(other) => other,
            None => panic!("a lone backslash"),
        });
    }
    out
}
