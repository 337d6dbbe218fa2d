//! What the client sends before there is a host.
//!
//! Read while the host is connected to, or before, as the configuration says, once its TLS handshake is over; no more than it allows, and at most one
//! read beyond that. The filters see it at once.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::network_filter::NetworkClose;
use nuncio_upstream::{UpstreamStream, WorkerCluster};

use super::quietly;
use super::session::{Session, UP};
use crate::filters::Passage;

/// How early a client is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EarlyReading {
    /// The most that is read before there is a host.
    pub(super) most_bytes: usize,
    /// What the host is connected to behind.
    pub(super) behind: Behind,
}

/// What comes before the host is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing.
    Nothing,
    /// The client's TLS handshake; nothing without TLS.
    Handshake,
    /// Bytes of the client's, or its end.
    Data,
}

/// What was read.
#[derive(Default)]
pub(super) struct Early {
    pub(super) data: Buffer,
    pub(super) has_ended: bool,
}

type Connected = (UpstreamStream, Rc<WorkerCluster>);

impl Session<'_> {
    /// Connects to a host, while or after the client is read.
    pub(super) async fn connect_reading(
        &self,
        how: EarlyReading,
        early: &mut Early,
    ) -> Result<Connected, NetworkClose> {
        let is_connected = Cell::new(false);
        if how.behind != Behind::Nothing {
            self.open_before(&is_connected).await?;
        }
        if how.behind == Behind::Data {
            self.read_once(early, &is_connected).await?;
        }
        let mut reading = pin!(self.read_until(early, how.most_bytes, &is_connected));
        let mut connecting = pin!(self.proxy.connect(&self.info));
        let mut connected = None;
        let mut has_read = false;
        // A filter that has something to judge is waited for: what it has not let pass must not go to the host.
        poll_fn(|cx| {
            if connected.is_none()
                && let Poll::Ready(outcome) = connecting.as_mut().poll(cx)
            {
                connected = Some(outcome?);
                is_connected.set(true);
            }
            if !has_read && let Poll::Ready(read) = reading.as_mut().poll(cx) {
                read?;
                has_read = true;
            }
            match connected.take() {
                Some(host) if has_read => Poll::Ready(Ok(host)),
                not_yet => {
                    connected = not_yet;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Reads until there is more than allowed, or no need to.
    async fn read_until(
        &self,
        early: &mut Early,
        most_bytes: usize,
        is_connected: &Cell<bool>,
    ) -> Result<(), NetworkClose> {
        self.open_before(is_connected).await?;
        while !is_connected.get()
            && !self.keeps_more(UP)
            && !early.has_ended
            && !self.has_client_said_all()
            && early.data.len() <= most_bytes
        {
            self.read_once(early, is_connected).await?;
        }
        Ok(())
    }

    /// Does the client's handshake, as far as it goes before the host is there.
    async fn open_before(&self, is_connected: &Cell<bool>) -> Result<(), NetworkClose> {
        let was_pending = poll_fn(|cx| match is_connected.get() {
            true => Poll::Ready(Ok(false)),
            false => self.poll_open(cx),
        });
        let was_pending = was_pending.await?;
        self.opened(was_pending).await
    }

    /// Reads once, unless the host is there before something comes.
    async fn read_once(
        &self,
        early: &mut Early,
        is_connected: &Cell<bool>,
    ) -> Result<(), NetworkClose> {
        let mut new = Buffer::new();
        let read = poll_fn(|cx| match is_connected.get() {
            true => Poll::Ready(None),
            false => {
                let mut down = self.down.borrow_mut();
                down.poll_fill(cx, &mut new, Buffer::HEAD_BYTES).map(Some)
            }
        });
        let count = match read.await {
            None => return Ok(()),
            Some(Ok(count)) => count,
            Some(Err(_)) => return Err(quietly()),
        };
        early.has_ended = count == 0;
        self.received(count);
        self.proxy.stats.early_data_received_count_total.inc();
        if self.show(&mut new, &mut early.has_ended).await? == Passage::Passes {
            self.passed(new.len());
            early.data.append(new);
        }
        Ok(())
    }
}
