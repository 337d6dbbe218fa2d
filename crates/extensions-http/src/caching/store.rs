//! Answers in memory, shared by all workers, with a limit on what they take: those that were used longest ago go first.
//! What has gone and is still being read may take as much again; while it does nothing more is kept.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use nuncio_contract::headers::{HeaderMap, Known};

use super::vary::Names;

/// The largest body that is kept.
pub(crate) const MAX_BODY_BYTES: usize = 16 << 20;
/// What a store holds.
pub(crate) const MAX_BYTES: usize = 128 << 20;
const MAX_PENDING_BYTES: usize = 64 << 20;
/// What an answer takes besides its texts, about.
const ENTRY_OVERHEAD_BYTES: usize = 512;
/// What a header takes besides its texts.
const HEADER_OVERHEAD_BYTES: usize = 32;

/// Headers as they are kept, the status among them.
#[derive(Clone)]
pub(crate) struct Head(pub(crate) Vec<NameAndValue>);

pub(crate) type NameAndValue = (Box<[u8]>, Box<[u8]>);

impl Head {
    /// A copy.
    pub(crate) fn of(head: &HeaderMap) -> Self {
        let headers = head.iter();
        Head(
            headers
                .map(|header| (header.name.into(), header.value.into()))
                .collect(),
        )
    }

    /// Appends them.
    pub(crate) fn append_to(&self, head: &mut HeaderMap) {
        for (name, value) in &self.0 {
            head.append_found(Known::find(name), name, value);
        }
    }

    fn bytes(&self) -> usize {
        let lengths = self.0.iter();
        lengths
            .map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD_BYTES)
            .sum()
    }
}

/// The bytes of an answer.
#[derive(Clone)]
pub(crate) enum Body {
    /// At hand.
    Memory(Arc<[u8]>),
    /// On the disk.
    File(FileBody),
}

/// Bytes in a file, which stay as long as it is open.
#[derive(Clone)]
pub(crate) struct FileBody {
    file: Arc<File>,
    offset: u64,
    length: u64,
}

impl Body {
    /// How many they are.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Body::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Body::File(body) => body.length,
        }
    }

    /// The same, where they can be counted as what is in memory.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.length()).unwrap_or(usize::MAX)
    }

    /// Some of them, of those that are at hand.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.at_hand().get(range.clone()).unwrap_or_default()
    }

    /// All of them, if they are at hand.
    pub(crate) fn at_hand(&self) -> &[u8] {
        match self {
            Body::Memory(bytes) => bytes,
            Body::File(_) => &[],
        }
    }

    /// Writes all of them, waiting for the disk.
    pub(crate) fn write_to(&self, out: &mut File) -> io::Result<()> {
        const STEP_BYTES: usize = 256 << 10;
        let body = match self {
            Body::Memory(bytes) => return out.write_all(bytes),
            Body::File(body) => body,
        };
        let (mut at, end) = (0, self.len());
        while at < end {
            let next = end.min(at.saturating_add(STEP_BYTES));
            out.write_all(&body.read(&(at..next))?)?;
            at = next;
        }
        Ok(())
    }
}

impl FileBody {
    /// So many bytes from `offset` on.
    pub(crate) fn new(file: File, offset: u64, length: u64) -> Self {
        FileBody {
            file: Arc::new(file),
            offset,
            length,
        }
    }

    /// Whether they are in the file that `found` is of.
    pub(crate) fn is_in(&self, found: &Metadata) -> bool {
        let own = self.file.metadata();
        own.is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
    }

    /// Some of them, waiting for the disk.
    pub(crate) fn read(&self, range: &Range<usize>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; range.len()];
        let start = u64::try_from(range.start).unwrap_or(u64::MAX);
        let offset = self.offset.saturating_add(start);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// An answer.
pub(crate) struct Entry {
    pub(crate) head: Head,
    pub(crate) body: Body,
    pub(crate) trailers: Option<Arc<Head>>,
    /// When it came, or was last found unchanged.
    pub(crate) came: SystemTime,
}

impl Entry {
    /// What stands for answers that depend on these headers of the request, where answers are in files.
    pub(crate) fn of_names(names: &Names, came: SystemTime) -> Self {
        Entry {
            head: Head(vec![(b"vary"[..].into(), names.join(&b',').into())]),
            body: Body::Memory(Arc::new([])),
            trailers: None,
            came,
        }
    }

    /// Those headers; none if it is an answer.
    pub(crate) fn names(&self) -> Option<Names> {
        match self.head.0.as_slice() {
            [(name, value)] if **name == *b"vary" => {
                Some(value.split(|byte| *byte == b',').map(Box::from).collect())
            }
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        let trailers = self
            .trailers
            .as_ref()
            .map_or(0, |trailers| trailers.bytes());
        self.head.bytes() + self.body.at_hand().len() + trailers + ENTRY_OVERHEAD_BYTES
    }
}

enum Kept {
    Entry(Arc<Entry>),
    /// The answer depends on these headers of the request, and is kept for each of their values.
    Varies(Arc<Names>),
}

struct Slot {
    kept: Kept,
    bytes: usize,
    /// When it was last used, in uses of the store.
    used: u64,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<Arc<[u8]>, Slot>,
    by_use: BTreeMap<u64, Arc<[u8]>>,
    bytes: usize,
    uses: u64,
    /// What is not kept any more and still read, with its bytes.
    leaving: Vec<(Weak<Entry>, usize)>,
}

/// All that is kept.
pub(crate) struct Store {
    slots: Mutex<Slots>,
    max_bytes: usize,
    pending_bytes: AtomicUsize,
}

static OF_THE_PROCESS: LazyLock<Arc<Store>> = LazyLock::new(|| Arc::new(Store::new(MAX_BYTES)));

impl Store {
    /// An empty one.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Store {
            slots: Mutex::default(),
            max_bytes,
            pending_bytes: AtomicUsize::new(0),
        }
    }

    /// The one that all filters share.
    pub(crate) fn of_the_process() -> Arc<Self> {
        Arc::clone(&OF_THE_PROCESS)
    }

    /// The answer that is kept for a request, and the key of its own; `variant` tells what of the request an answer
    /// depends on.
    pub(crate) fn find(
        &self,
        key: &[u8],
        variant: impl FnOnce(&Names) -> Option<Vec<u8>>,
    ) -> Option<(Vec<u8>, Arc<Entry>)> {
        let mut slots = self.slots();
        let names = match slots.take_use(key)? {
            Kept::Entry(entry) => return Some((key.to_vec(), entry)),
            Kept::Varies(names) => names,
        };
        let own_key = [key, &variant(&names)?].concat();
        match slots.take_use(&own_key)? {
            Kept::Entry(entry) => Some((own_key, entry)),
            Kept::Varies(_) => None,
        }
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, key: &[u8], entry: Entry) {
        self.keep_shared(key, Arc::new(entry));
    }

    /// The same of one that others have as well.
    pub(crate) fn keep_shared(&self, key: &[u8], entry: Arc<Entry>) {
        let bytes = entry.bytes();
        let kept = Kept::Entry(entry);
        self.slots().put(key, kept, bytes, self.max_bytes);
    }

    /// Keeps one that depends on what `names` have in the request.
    pub(crate) fn keep_variant(&self, key: &[u8], names: Names, variant: &[u8], entry: Entry) {
        let bytes = entry.bytes();
        let mut slots = self.slots();
        let names_bytes = names.iter().map(|name| name.len()).sum::<usize>();
        let varies = Kept::Varies(Arc::new(names));
        slots.put(
            key,
            varies,
            names_bytes + ENTRY_OVERHEAD_BYTES,
            self.max_bytes,
        );
        let kept = Kept::Entry(Arc::new(entry));
        slots.put(&[key, variant].concat(), kept, bytes, self.max_bytes);
    }

    /// Puts `new` in the place of `old`, if that is still there.
    pub(crate) fn renew(&self, own_key: &[u8], old: &Arc<Entry>, new: Entry) {
        let mut slots = self.slots();
        let is_there = matches!(
            slots.by_key.get(own_key),
            Some(Slot { kept: Kept::Entry(there), .. }) if Arc::ptr_eq(there, old)
        );
        if is_there {
            let bytes = new.bytes();
            let kept = Kept::Entry(Arc::new(new));
            slots.put(own_key, kept, bytes, self.max_bytes);
        }
    }

    /// Counts bytes that are coming, until [`Store::end_pending`]; false if there are too many of them now.
    pub(crate) fn begin_pending(&self, bytes: usize) -> bool {
        let before = self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= MAX_PENDING_BYTES
    }

    /// They are not coming any more.
    pub(crate) fn end_pending(&self, bytes: usize) {
        self.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Forgets an answer.
    pub(crate) fn forget(&self, key: &[u8]) {
        self.slots().remove(key);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn take_use(&mut self, key: &[u8]) -> Option<Kept> {
        let slot = self.by_key.get_mut(key)?;
        self.uses += 1;
        if let Some(key) = self.by_use.remove(&slot.used) {
            self.by_use.insert(self.uses, key);
        }
        slot.used = self.uses;
        Some(match &slot.kept {
            Kept::Entry(entry) => Kept::Entry(Arc::clone(entry)),
            Kept::Varies(names) => Kept::Varies(Arc::clone(names)),
        })
    }

    fn put(&mut self, key: &[u8], kept: Kept, bytes: usize, max_bytes: usize) {
        self.remove(key);
        let bytes = bytes + 2 * key.len();
        if self.leaving_bytes().saturating_add(bytes) > max_bytes {
            return;
        }
        self.uses += 1;
        let used = self.uses;
        let key: Arc<[u8]> = key.into();
        self.by_use.insert(used, Arc::clone(&key));
        self.by_key.insert(key, Slot { kept, bytes, used });
        self.bytes += bytes;
        while self.bytes > max_bytes {
            let Some((_, oldest)) = self.by_use.first_key_value() else {
                break;
            };
            let oldest = Arc::clone(oldest);
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(slot) = self.by_key.remove(key) {
            self.by_use.remove(&slot.used);
            self.bytes -= slot.bytes;
            if let Kept::Entry(entry) = &slot.kept
                && Arc::strong_count(entry) > 1
            {
                self.leaving.push((Arc::downgrade(entry), slot.bytes));
            }
        }
    }

    /// How much is still read of what is not kept any more.
    fn leaving_bytes(&mut self) -> usize {
        self.leaving.retain(|(entry, _)| entry.strong_count() > 0);
        self.leaving.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// A body that is still coming.
pub(crate) struct Pending {
    store: Arc<Store>,
    bytes: Vec<u8>,
    max_bytes: usize,
}

impl Pending {
    /// Nothing yet.
    pub(crate) fn new(store: &Arc<Store>, max_bytes: usize) -> Self {
        Pending {
            store: Arc::clone(store),
            bytes: Vec::new(),
            max_bytes,
        }
    }

    /// Takes more of it; false if that is more than may be.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> bool {
        if self.bytes.len().saturating_add(chunk.len()) > self.max_bytes {
            return false;
        }
        self.bytes.extend_from_slice(chunk);
        self.store.begin_pending(chunk.len())
    }

    /// All of it, and what counts it as long as it must be.
    pub(crate) fn finish(mut self) -> (Body, Counted) {
        let bytes = std::mem::take(&mut self.bytes);
        let counted = Counted {
            store: Arc::clone(&self.store),
            bytes: bytes.len(),
        };
        (Body::Memory(bytes.into()), counted)
    }
}

/// Bytes that are counted.
pub(crate) struct Counted {
    store: Arc<Store>,
    bytes: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.store.end_pending(self.bytes);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.store.end_pending(self.bytes.len());
    }
}
