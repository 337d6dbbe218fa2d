//! METADATA of HTTP/2 on its way through, in its place among the parts of the bodies.
//!
//! What has come waits in front of, between or behind the data that has come, and goes on as that is read: so it is held
//! back where the body is. Towards the host it waits for the first connection; a later try does not get it again, as in
//! Envoy. Filters do not see it. Of one stream at most 1024 wait in a direction, beyond which they are dropped (Envoy has
//! no such limit); how large they are together is the codec's limit.

use std::cell::RefCell;
use std::collections::VecDeque;

use nuncio_codec::http2::Metadata;
use nuncio_contract::buffer::Buffer;

/// How many wait at most.
const MAX_WAITING: usize = 1024;

/// METADATA that waits among data.
#[derive(Default)]
pub(crate) struct WaitingMetadata {
    /// Each with the bytes of data in front of it; none in front of the head.
    queue: VecDeque<(Option<usize>, Metadata)>,
}

impl WaitingMetadata {
    /// Adds some behind so many bytes of data that wait.
    pub(crate) fn put(&mut self, behind: Option<usize>, metadata: Metadata) {
        if self.queue.len() < MAX_WAITING {
            self.queue.push_back((behind, metadata));
        }
    }

    /// Takes out what is due in front of the head.
    pub(crate) fn pop_before_head(&mut self) -> Option<Metadata> {
        let (behind, _) = self.queue.front()?;
        if behind.is_some() {
            return None;
        }
        self.queue.pop_front().map(|(_, metadata)| metadata)
    }

    /// Takes out what no data is in front of.
    fn pop_due(&mut self) -> Option<Metadata> {
        let (behind, _) = self.queue.front()?;
        if behind.is_some_and(|behind| behind > 0) {
            return None;
        }
        self.queue.pop_front().map(|(_, metadata)| metadata)
    }

    /// Passes on what is due, and takes the data up to the next. Whether that is all that has come.
    pub(crate) fn take_data(
        &mut self,
        data: &RefCell<Buffer>,
        pass: impl Fn(Metadata),
    ) -> (Buffer, bool) {
        while let Some(metadata) = self.pop_due() {
            pass(metadata);
        }
        let mut data = data.borrow_mut();
        let Some(next) = self.queue.front().and_then(|(behind, _)| *behind) else {
            return (std::mem::take(&mut *data), true);
        };
        let mut part = Buffer::default();
        part.extend(data.readable().get(..next).unwrap_or(data.readable()));
        data.advance(part.len());
        for behind in self
            .queue
            .iter_mut()
            .filter_map(|(behind, _)| behind.as_mut())
        {
            *behind = behind.saturating_sub(part.len());
        }
        (part, false)
    }
}

/// Where METADATA is sent.
type Send = Box<dyn Fn(&Metadata)>;

/// A stream's way for METADATA between a client and its host.
pub struct MetadataRelay {
    from_client: RefCell<WaitingMetadata>,
    to_client: Send,
    to_host: RefCell<ToHost>,
}

enum ToHost {
    /// There is no connection yet.
    Kept(Vec<Metadata>),
    /// The last one that the request went out on.
    Sent(Send),
}

impl MetadataRelay {
    /// Of a stream whose client gets METADATA by `to_client`.
    pub fn new(to_client: impl Fn(&Metadata) + 'static) -> Self {
        MetadataRelay {
            from_client: RefCell::default(),
            to_client: Box::new(to_client),
            to_host: RefCell::new(ToHost::Kept(Vec::new())),
        }
    }

    /// METADATA has come from the client, behind so many bytes of data that wait.
    pub fn put(&self, behind: usize, metadata: Metadata) {
        self.from_client.borrow_mut().put(Some(behind), metadata);
    }

    /// Passes on what is due, and takes the client's data up to the next. Whether that is all that has come.
    #[cold]
    pub fn take_data(&self, data: &RefCell<Buffer>) -> (Buffer, bool) {
        let mut waiting = self.from_client.borrow_mut();
        waiting.take_data(data, |metadata| self.send_to_host(metadata))
    }

    fn send_to_host(&self, metadata: Metadata) {
        match &mut *self.to_host.borrow_mut() {
            ToHost::Kept(kept) if kept.len() < MAX_WAITING => kept.push(metadata),
            ToHost::Kept(_) => {}
            ToHost::Sent(send) => send(&metadata),
        }
    }

    /// The host has sent METADATA.
    pub(crate) fn send_to_client(&self, metadata: &Metadata) {
        (self.to_client)(metadata);
    }

    /// The request has gone out: METADATA goes by `send` from now on.
    pub(crate) fn connect(&self, send: impl Fn(&Metadata) + 'static) {
        let before = self.to_host.replace(ToHost::Sent(Box::new(send)));
        if let ToHost::Kept(kept) = before {
            kept.into_iter()
                .for_each(|metadata| self.send_to_host(metadata));
        }
    }
}
