//! A connection that speaks HTTP/1.

use std::future::poll_fn;
use std::sync::Arc;

use nuncio_codec::http1::{
    BodyDecoder, BodyFraming, HeadScan, Http1Settings, RequestSent, Step, decode_response_head,
    encode_data, encode_end, encode_request_head,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stats::groups::{ClusterTrafficStats, Http1CodecStats};
use nuncio_net::transport::Transport;

use super::{Gone, Part};
use crate::cluster::ClusterShared;

/// The connection and the response under way.
pub(crate) struct Http1Link {
    transport: Transport,
    settings: Arc<Http1Settings>,
    traffic: Arc<ClusterTrafficStats>,
    /// Listed with a cluster's first connection.
    _codec: Arc<Http1CodecStats>,
    input: Buffer,
    sent: RequestSent,
    scan: HeadScan,
    /// None before the response's head.
    body: Option<BodyDecoder>,
    keep_alive: bool,
}

impl Http1Link {
    pub(super) fn new(cluster: &ClusterShared, transport: Transport) -> Self {
        Self {
            transport,
            settings: Arc::clone(&cluster.settings.http.http1),
            traffic: cluster.scope().worker_group(),
            _codec: cluster.scope().worker_group(),
            input: Buffer::new(),
            sent: RequestSent::default(),
            scan: HeadScan::default(),
            body: None,
            keep_alive: true,
        }
    }

    pub(super) async fn send(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<(), Gone> {
        let mut out = Vec::new();
        let bare = body.is_empty();
        let encoding = encode_request_head(&self.settings, headers, bare, &mut out);
        if !bare {
            encode_data(encoding.body, body, &mut out);
            encode_end(encoding.body, &mut out);
        }
        self.sent = encoding.sent;
        self.scan = HeadScan::default();
        self.body = None;
        let transport = &mut self.transport;
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let count = poll_fn(|cx| transport.poll_write(cx, rest)).await;
            let count = count.ok().filter(|count| *count > 0).ok_or(Gone)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        let flushed = poll_fn(|cx| transport.poll_flush(cx)).await;
        flushed.map_err(|_| Gone)
    }

    pub(super) async fn next(&mut self) -> Result<Part, Gone> {
        loop {
            let decoded = match self.body {
                None => self.decode_head()?,
                Some(_) => self.decode_body()?,
            };
            if let Some(part) = decoded {
                return Ok(part);
            }
            let (transport, input) = (&mut self.transport, &mut self.input);
            let read = poll_fn(|cx| transport.poll_fill(cx, input, Buffer::HEAD_BYTES)).await;
            if read.map_err(|_| Gone)? == 0 {
                let ended = self.body.as_mut().map(BodyDecoder::end);
                match ended {
                    Some(Ok(_)) => {}
                    // A host that closes before its answer has broken no rule.
                    None if self.input.is_empty() => return Err(Gone),
                    None | Some(Err(_)) => return Err(self.violated()),
                }
                self.keep_alive = false;
                return Ok(Part::Data(Vec::new(), true));
            }
        }
    }

    fn decode_head(&mut self) -> Result<Option<Part>, Gone> {
        loop {
            let mut headers = HeaderMap::response();
            let input = self.input.readable();
            let head = match input.is_empty() {
                true => None,
                false => decode_response_head(
                    &self.settings,
                    self.sent,
                    input,
                    &mut self.scan,
                    &mut headers,
                )
                .map_err(|_| self.violated())?,
            };
            let Some(head) = head else { return Ok(None) };
            self.input.advance(head.head_len);
            self.scan = HeadScan::default();
            if head.is_informational() {
                continue;
            }
            let ends_with_connection =
                matches!(head.framing, BodyFraming::UntilClose | BodyFraming::Tunnel);
            self.keep_alive = head.keep_alive && !ends_with_connection;
            let body = BodyDecoder::from(head.framing);
            self.body = Some(body);
            return Ok(Some(Part::Head(headers, body.is_done())));
        }
    }

    fn decode_body(&mut self) -> Result<Option<Part>, Gone> {
        let Some(body) = &mut self.body else {
            return Ok(None);
        };
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        let step = body.step(&self.settings, self.input.readable(), &mut trailers);
        let step = step.map_err(|_| self.violated())?;
        Ok(match step {
            Step::Data { consumed, data } => {
                let bytes = self.input.readable().get(data).unwrap_or_default().to_vec();
                self.input.advance(consumed);
                // Bytes until the connection ends are none while nothing was read.
                (!bytes.is_empty()).then_some(Part::Data(bytes, false))
            }
            Step::NeedMore { consumed } => {
                self.input.advance(consumed);
                None
            }
            Step::Done { consumed, .. } => {
                self.input.advance(consumed);
                Some(Part::Data(Vec::new(), true))
            }
        })
    }

    fn violated(&self) -> Gone {
        self.traffic.upstream_cx_protocol_error.inc();
        Gone
    }

    pub(super) fn may_go_on(&self) -> bool {
        self.keep_alive && self.input.is_empty()
    }

    pub(super) async fn ended(&mut self) {
        let _closed_or_unasked = poll_fn(|cx| self.transport.poll_idle_end(cx)).await;
    }
}
