//! A connection that speaks HTTP/2, with one request at a time.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nuncio_codec::http2::{Connection as Codec, ErrorCode, Event, HeadKind, StreamId};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stats::groups::{ClusterTrafficStats, Http2CodecStats};
use nuncio_net::transport::Transport;

use super::{Broken, Gone, Part};
use crate::cluster::ClusterShared;
use crate::http2_wire::Wire;
use crate::pool::{count_codec, count_http2};

/// The connection and the request under way.
pub(crate) struct Http2Link {
    wire: Wire,
    stats: Arc<Http2CodecStats>,
    traffic: Arc<ClusterTrafficStats>,
    stream: Option<StreamId>,
    is_leaving: bool,
}

impl Http2Link {
    pub(super) fn new(cluster: &ClusterShared, transport: Transport) -> Self {
        let settings = Rc::new((*cluster.settings.http.http2).clone());
        let stats: Arc<Http2CodecStats> = cluster.scope().worker_group();
        count_codec(&stats, settings.use_oghttp2_codec);
        Self {
            wire: Wire::new(transport, |out| Codec::client(settings, out), Buffer::new()),
            stats,
            traffic: cluster.scope().worker_group(),
            stream: None,
            is_leaving: false,
        }
    }

    /// What is encoded goes out while the response is waited for.
    pub(super) fn send(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<(), Gone> {
        let bare = body.is_empty();
        let opened = self.wire.encode(|codec, out| {
            let (stream, _) = codec.open(headers, bare, out)?;
            if !bare {
                codec.send_data(stream, body, true, out);
            }
            Some(stream)
        });
        let stream = opened.ok_or(Gone)?;
        self.stats.streams_active.inc();
        self.stream = Some(stream);
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Part, Broken> {
        let part = poll_fn(|cx| self.poll_part(cx)).await;
        let is_over = match &part {
            Ok(Part::Head(_, end) | Part::Data(_, end)) => *end,
            Ok(Part::Trailers(_)) | Err(_) => true,
        };
        if is_over && self.stream.take().is_some() {
            self.stats.streams_active.dec();
        }
        part
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Broken>> {
        loop {
            if let Some(part) = self.step()? {
                return Poll::Ready(part);
            }
            self.write(cx)?;
            match ready!(self.wire.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(Broken::Connection)),
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let mut sent = 0;
        match self.wire.poll_write(cx, &mut sent) {
            Poll::Ready(Err(_)) => Err(Broken::Connection),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Takes steps up to the next that concerns the request; none if more has to be read.
    fn step(&mut self) -> Result<Option<Result<Part, Broken>>, Broken> {
        loop {
            let step = self.wire.step();
            self.note_counts();
            let step = match step {
                Ok(step) => step,
                Err(error) => {
                    if error.is_protocol_error() {
                        self.traffic.upstream_cx_protocol_error.inc();
                    }
                    return Err(Broken::Connection);
                }
            };
            let is_all = step.event == Event::NeedMore;
            let part = self.take(step.event);
            self.wire.advance(step.consumed);
            match part {
                Some(part) => return Ok(Some(part)),
                None if is_all => return Ok(None),
                None => {}
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<Result<Part, Broken>> {
        let own = self.stream;
        match event {
            Event::Head {
                stream,
                kind,
                end_stream,
                ..
            } => {
                let headers = self.decoded(MapKind::Response);
                let is_it = own == Some(stream) && kind == HeadKind::Response;
                is_it.then_some(Ok(Part::Head(headers, end_stream)))
            }
            Event::Data {
                stream,
                data,
                end_stream,
                ..
            } => {
                let bytes = self.wire.bytes(data).to_vec();
                self.wire
                    .encode(|codec, out| codec.consumed(stream, bytes.len(), out));
                (own == Some(stream)).then_some(Ok(Part::Data(bytes, end_stream)))
            }
            Event::Trailers { stream, .. } => {
                let trailers = self.decoded(MapKind::ResponseTrailers);
                (own == Some(stream)).then_some(Ok(Part::Trailers(trailers)))
            }
            Event::Reset { stream, .. } | Event::StreamError { stream, .. } => {
                (own == Some(stream)).then_some(Err(Broken::Stream))
            }
            Event::GoAway { code, .. } => {
                self.is_leaving = true;
                let is_orderly = code == ErrorCode::NO_ERROR;
                let unprocessed = self.wire.encode(|codec, out| codec.take_unprocessed(out));
                if is_orderly && unprocessed.is_some() && unprocessed == own {
                    return Some(Err(Broken::Stream));
                }
                (!is_orderly).then_some(Err(Broken::Connection))
            }
            Event::Metadata { .. }
            | Event::WindowOpened
            | Event::SettingsChanged
            | Event::PingAck(_)
            | Event::NeedMore => None,
        }
    }

    fn decoded(&mut self, kind: MapKind) -> HeaderMap {
        let mut headers = HeaderMap::new(kind);
        std::mem::swap(&mut headers, &mut self.wire.headers);
        headers
    }

    fn note_counts(&mut self) {
        if let Some(counts) = self.wire.codec.take_counts() {
            count_http2(&self.stats, &counts);
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    pub(super) fn may_go_on(&self) -> bool {
        !self.is_leaving && self.wire.codec.can_open() > 0
    }

    pub(super) fn cancel(&mut self) -> bool {
        if let Some(stream) = self.stream.take() {
            self.stats.streams_active.dec();
            self.wire
                .encode(|codec, out| codec.reset(stream, ErrorCode::CANCEL, out));
            self.note_counts();
        }
        self.may_go_on()
    }

    /// Answers PINGs meanwhile.
    pub(super) async fn ended(&mut self) {
        poll_fn(|cx| {
            loop {
                if self.step().is_err() || self.is_leaving || self.write(cx).is_err() {
                    return Poll::Ready(());
                }
                match ready!(self.wire.poll_fill(cx)) {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}

impl Drop for Http2Link {
    fn drop(&mut self) {
        if self.stream.is_some() {
            self.stats.streams_active.dec();
        }
    }
}
