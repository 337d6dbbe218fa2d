//! An answer that is being kept while it comes, and those who read it meanwhile. Once it turns out that it is not kept,
//! what all have read is forgotten, and its host waits for the slowest.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use nuncio_contract::buffer::Buffer;

use super::flight::Flight;
use crate::caching::store::{Head, Store};

/// How much is given at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How much is held of what is not kept.
const WINDOW_BYTES: usize = 256 << 10;

/// The answer.
pub(super) struct Insertion {
    pub(super) head: Head,
    pub(super) came: SystemTime,
    /// Lands once nobody is keeping it any more.
    pub(super) kept: Arc<Flight<()>>,
    store: Arc<Store>,
    coming: Mutex<Coming>,
}

struct Coming {
    bytes: Bytes,
    /// How many bytes were there before the first that is held.
    forgotten: usize,
    /// What the store counts for it.
    counted: usize,
    is_kept: bool,
    end: Option<End>,
    readers: BTreeMap<u64, Place>,
    readers_before: u64,
    /// Who waits for readers.
    host: Option<Waker>,
}

enum Bytes {
    Growing(Vec<u8>),
    Whole(Arc<[u8]>),
}

#[derive(Clone)]
enum End {
    Complete(Option<Arc<Head>>),
    Failed,
}

#[derive(Default)]
struct Place {
    at: usize,
    waker: Option<Waker>,
}

/// Somebody who reads.
pub(super) struct Reader {
    insertion: Arc<Insertion>,
    id: u64,
    left: Range<usize>,
    /// Whether the rest of the body is not wanted.
    is_part: bool,
}

/// What comes next.
pub(super) enum Piece {
    /// Some of the body.
    Data(Buffer),
    /// Some of it, which is the last, and nothing behind it.
    Last(Buffer),
    /// The trailers.
    Trailers(Arc<Head>),
    /// It broke off.
    Failed,
}

impl Insertion {
    pub(super) fn new(store: &Arc<Store>, head: Head, came: SystemTime) -> Arc<Self> {
        Arc::new(Insertion {
            head,
            came,
            kept: Arc::default(),
            store: Arc::clone(store),
            coming: Mutex::new(Coming {
                bytes: Bytes::Growing(Vec::new()),
                forgotten: 0,
                counted: 0,
                is_kept: true,
                end: None,
                readers: BTreeMap::new(),
                readers_before: 0,
                host: None,
            }),
        })
    }

    /// Takes more of the body; false from when on it is not kept, as it is too large.
    pub(super) fn add(&self, data: &[u8], max_bytes: usize) -> bool {
        let mut coming = self.coming();
        let Bytes::Growing(bytes) = &mut coming.bytes else {
            return false;
        };
        bytes.extend_from_slice(data);
        let length = bytes.len();
        if coming.is_kept {
            let is_free = self.store.begin_pending(data.len());
            coming.counted += data.len();
            coming.is_kept = is_free && length <= max_bytes;
        }
        coming.wake_readers();
        coming.is_kept
    }

    /// Ready once there is room for more of what is not kept; with false where nobody reads it.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut coming = self.coming();
        if coming.readers.is_empty() {
            return Poll::Ready(false);
        }
        let uncounted = coming.forget();
        self.store.end_pending(uncounted);
        if coming.unread_bytes() < WINDOW_BYTES {
            return Poll::Ready(true);
        }
        coming.host = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether somebody reads it; if so, `cx` is woken as they read, or go.
    pub(super) fn is_read(&self, cx: &Context<'_>) -> bool {
        let mut coming = self.coming();
        coming.host = Some(cx.waker().clone());
        !coming.readers.is_empty()
    }

    /// Those who have read least get no more of it.
    pub(super) fn leave_slowest(&self) {
        let mut coming = self.coming();
        let slowest = coming.slowest();
        let mut left = Vec::new();
        coming.readers.retain(|_, place| {
            let stays = Some(place.at) != slowest;
            if !stays {
                left.extend(place.waker.take());
            }
            stays
        });
        drop(coming);
        left.into_iter().for_each(Waker::wake);
    }

    /// All of it is there; the body, if it is kept.
    pub(super) fn complete(&self, trailers: Option<Arc<Head>>) -> Option<Arc<[u8]>> {
        let mut coming = self.coming();
        let is_kept = coming.is_kept;
        let body = match &mut coming.bytes {
            Bytes::Growing(bytes) if is_kept => {
                let body = Arc::<[u8]>::from(std::mem::take(bytes));
                coming.bytes = Bytes::Whole(Arc::clone(&body));
                Some(body)
            }
            _ => None,
        };
        coming.end = Some(End::Complete(trailers));
        coming.wake_readers();
        body
    }

    /// Whether all of it is there, and is being kept.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.coming().bytes, Bytes::Whole(_))
    }

    /// Nobody keeps it any more: it is kept, or broke off.
    pub(super) fn leave(&self) {
        self.fail();
        self.kept.land(());
    }

    /// It broke off, if it has no end yet.
    pub(super) fn fail(&self) {
        let mut coming = self.coming();
        if coming.end.is_none() {
            coming.end = Some(End::Failed);
        }
        coming.wake_readers();
    }

    /// Begins to read these bytes; none: all, and what is behind them. No reader where the first is forgotten already.
    pub(super) fn read(self: &Arc<Self>, part: Option<Range<usize>>) -> Option<Reader> {
        let mut coming = self.coming();
        let is_part = part.is_some();
        let left = part.unwrap_or(0..usize::MAX);
        if left.start < coming.forgotten {
            return None;
        }
        let id = coming.readers_before;
        coming.readers_before += 1;
        let place = Place {
            at: left.start,
            waker: None,
        };
        coming.readers.insert(id, place);
        Some(Reader {
            insertion: Arc::clone(self),
            id,
            left,
            is_part,
        })
    }

    /// Whether the head is all there is.
    pub(super) fn is_bare(&self) -> bool {
        let coming = self.coming();
        coming.held().is_empty() && matches!(coming.end, Some(End::Complete(None)))
    }

    fn coming(&self) -> MutexGuard<'_, Coming> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Insertion {
    fn drop(&mut self) {
        let counted = self.coming().counted;
        self.store.end_pending(counted);
    }
}

impl Coming {
    fn held(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Growing(bytes) => bytes,
            Bytes::Whole(body) => body,
        }
    }

    /// How much whoever has read least has read.
    fn slowest(&self) -> Option<usize> {
        self.readers.values().map(|place| place.at).min()
    }

    /// How much is held that not all have read.
    fn unread_bytes(&self) -> usize {
        let read = self.slowest().unwrap_or(0).saturating_sub(self.forgotten);
        self.held().len().saturating_sub(read)
    }

    /// Forgets what all have read, where it is not kept; how much less is to be counted. Only once it is half of what
    /// is held, so that the rest is not moved for each piece.
    fn forget(&mut self) -> usize {
        let slowest = self.slowest();
        if let (false, Some(slowest), Bytes::Growing(bytes)) =
            (self.is_kept, slowest, &mut self.bytes)
        {
            let read = slowest.saturating_sub(self.forgotten).min(bytes.len());
            if read < bytes.len().div_ceil(2) {
                return 0;
            }
            bytes.drain(..read);
            self.forgotten += read;
            let uncounted = self.counted.saturating_sub(bytes.len());
            self.counted -= uncounted;
            return uncounted;
        }
        0
    }

    fn wake_readers(&mut self) {
        for place in self.readers.values_mut() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    fn wake_host(&mut self) {
        if let Some(host) = self.host.take() {
            host.wake();
        }
    }
}

impl Reader {
    /// What it reads.
    pub(super) fn insertion(&self) -> &Arc<Insertion> {
        &self.insertion
    }

    /// The next of it, when it comes.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let mut coming = self.insertion.coming();
        let start = self.left.start.checked_sub(coming.forgotten);
        let Some(start) = start.filter(|_| coming.readers.contains_key(&self.id)) else {
            return Poll::Ready(Piece::Failed);
        };
        let wanted = self.left.len().min(CHUNK_BYTES);
        let held = coming.held();
        let end = start.saturating_add(wanted).min(held.len());
        let chunk = held.get(start..end).unwrap_or_default();
        let rest_bytes = held.len().saturating_sub(end);
        if chunk.is_empty() {
            return match coming.end.clone() {
                Some(End::Complete(None)) => Poll::Ready(Piece::Last(Buffer::default())),
                Some(End::Complete(Some(trailers))) => Poll::Ready(Piece::Trailers(trailers)),
                Some(End::Failed) => Poll::Ready(Piece::Failed),
                None => {
                    if let Some(place) = coming.readers.get_mut(&self.id) {
                        place.waker = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            };
        }
        let mut data = Buffer::default();
        data.extend(chunk);
        self.left.start += data.len();
        let is_through = self.is_part && self.left.is_empty();
        let is_last = rest_bytes == 0 && matches!(coming.end, Some(End::Complete(None)));
        if let Some(place) = coming.readers.get_mut(&self.id) {
            place.at = self.left.start;
        }
        coming.wake_host();
        Poll::Ready(match is_through || is_last {
            true => Piece::Last(data),
            false => Piece::Data(data),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut coming = self.insertion.coming();
        coming.readers.remove(&self.id);
        coming.wake_host();
    }
}
