//! What VMs of one `vm_id` share, over all workers: data by key, each with a number that changes whenever it does, and
//! queues. Both go with the last VM of their id.
//!
//! Limits: 64 MiB of data and of queues each, in the process, where an item counts 64 bytes besides what is in it; of an
//! id 10,000 queues, with names of 1 KiB.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::key::Key;
use crate::mailbox::Mailbox;
use crate::status::{Done, Status};

const MAX_BYTES: usize = 64 << 20;
/// What an item takes besides its bytes.
const ITEM_BYTES: usize = 64;
/// How many queues an id has.
const MAX_QUEUES: usize = 10_000;
const MAX_NAME_BYTES: usize = 1024;

/// An id, as long as any VM has it.
#[derive(Debug)]
pub(crate) struct VmId(Box<str>);

impl VmId {
    /// The one of this name.
    pub(crate) fn of(name: &str) -> Arc<Self> {
        let mut shelf = shelf();
        if let Some(id) = shelf.ids.get(name).and_then(Weak::upgrade) {
            return id;
        }
        let id = Arc::new(VmId(name.into()));
        shelf.ids.insert(name.into(), Arc::downgrade(&id));
        id
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for VmId {
    fn drop(&mut self) {
        let mut shelf = shelf();
        let is_gone = shelf
            .ids
            .get(&self.0)
            .is_none_or(|id| id.strong_count() == 0);
        if !is_gone {
            return;
        }
        shelf.ids.remove(&self.0);
        let name = &*self.0;
        let gone = shelf.data.remove(name).unwrap_or_default();
        let bytes: usize = gone
            .iter()
            .map(|(key, item)| data_bytes(key, &item.0))
            .sum();
        shelf.data_bytes = shelf.data_bytes.saturating_sub(bytes);
        let Shelf {
            queues,
            queue_bytes,
            tokens_of,
            ..
        } = &mut *shelf;
        tokens_of.remove(name);
        queues.retain(|_, queue| {
            let stays = *queue.vm_id != *name;
            if !stays {
                let bytes: usize = queue.items.iter().map(|item| item_bytes(item)).sum();
                *queue_bytes = queue_bytes.saturating_sub(bytes);
            }
            stays
        });
    }
}

fn item_bytes(item: &[u8]) -> usize {
    item.len().saturating_add(ITEM_BYTES)
}

fn data_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len().saturating_add(item_bytes(value))
}

/// Values by key, each with its number.
type Data = HashMap<Vec<u8>, (Vec<u8>, u32)>;

#[derive(Default)]
struct Shelf {
    ids: HashMap<Box<str>, Weak<VmId>>,
    data: HashMap<Box<str>, Data>,
    data_bytes: usize,
    changes: u32,
    queues: HashMap<u32, Queue>,
    /// The tokens of queues, by the id of their VMs and by their names.
    tokens_of: HashMap<Box<str>, HashMap<Vec<u8>, u32>>,
    queue_bytes: usize,
    tokens: u32,
}

struct Queue {
    vm_id: Box<str>,
    items: VecDeque<Vec<u8>>,
    /// Nobody while the plugin is only tried.
    reader: Option<Reader>,
}

/// Who is told of what comes into a queue.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) vm: Key,
    pub(crate) context: u32,
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Shelf {
    fn token_of(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        self.tokens_of.get(vm_id)?.get(name).copied()
    }
}

fn shelf() -> MutexGuard<'static, Shelf> {
    static SHELF: OnceLock<Mutex<Shelf>> = OnceLock::new();
    let shelf = SHELF.get_or_init(Mutex::default);
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value of a key, and its number.
pub(crate) fn get(vm_id: &str, key: &[u8]) -> Done<(Vec<u8>, u32)> {
    let shelf = shelf();
    let found = shelf.data.get(vm_id).and_then(|data| data.get(key));
    found.cloned().ok_or(Status::NotFound)
}

/// Sets the value of a key, if it still has this number, which 0 does not ask for.
pub(crate) fn set(vm_id: &str, key: &[u8], value: &[u8], number: u32) -> Done {
    let mut shelf = shelf();
    let before = shelf.data.get(vm_id).and_then(|data| data.get(key));
    let before_bytes = match before {
        Some((_, now)) if number != 0 && number != *now => return Err(Status::CasMismatch),
        Some((value, _)) => data_bytes(key, value),
        None => 0,
    };
    let bytes = shelf
        .data_bytes
        .saturating_sub(before_bytes)
        .saturating_add(data_bytes(key, value));
    if bytes > MAX_BYTES {
        return Err(Status::InternalFailure);
    }
    shelf.data_bytes = bytes;
    shelf.changes = shelf.changes.wrapping_add(1).max(1);
    let changes = shelf.changes;
    let data = shelf.data.entry(vm_id.into()).or_default();
    data.insert(key.to_vec(), (value.to_vec(), changes));
    Ok(())
}

/// The token of a queue, whose reader is this one from now on, if it is one.
pub(crate) fn register_queue(vm_id: &str, name: &[u8], reader: Option<Reader>) -> Done<u32> {
    let mut shelf = shelf();
    let known = shelf.token_of(vm_id, name);
    if let Some(token) = known {
        if let Some(queue) = shelf.queues.get_mut(&token)
            && reader.is_some()
        {
            queue.reader = reader;
        }
        return Ok(token);
    }
    let queues = shelf.tokens_of.get(vm_id).map_or(0, HashMap::len);
    if queues >= MAX_QUEUES || name.len() > MAX_NAME_BYTES {
        return Err(Status::InternalFailure);
    }
    shelf.tokens = shelf.tokens.wrapping_add(1).max(1);
    let token = shelf.tokens;
    let queue = Queue {
        vm_id: vm_id.into(),
        items: VecDeque::new(),
        reader,
    };
    shelf.queues.insert(token, queue);
    let tokens = shelf.tokens_of.entry(vm_id.into()).or_default();
    tokens.insert(name.to_vec(), token);
    Ok(token)
}

/// The token of a queue that is there.
pub(crate) fn resolve_queue(vm_id: &str, name: &[u8]) -> Done<u32> {
    shelf().token_of(vm_id, name).ok_or(Status::NotFound)
}

/// The first of a queue.
pub(crate) fn dequeue(token: u32) -> Done<Vec<u8>> {
    let mut shelf = shelf();
    let queue = shelf.queues.get_mut(&token).ok_or(Status::NotFound)?;
    let item = queue.items.pop_front().ok_or(Status::Empty)?;
    shelf.queue_bytes = shelf.queue_bytes.saturating_sub(item_bytes(&item));
    Ok(item)
}

/// One more behind the others; its reader is told.
pub(crate) fn enqueue(token: u32, value: &[u8]) -> Done {
    let mut shelf = shelf();
    let bytes = shelf.queue_bytes.saturating_add(item_bytes(value));
    let queue = shelf.queues.get_mut(&token).ok_or(Status::NotFound)?;
    if bytes > MAX_BYTES {
        return Err(Status::InternalFailure);
    }
    queue.items.push_back(value.to_vec());
    let reader = queue.reader.clone();
    shelf.queue_bytes = bytes;
    drop(shelf);
    if let Some(reader) = reader {
        reader.mailbox.post(reader.vm, reader.context, token);
    }
    Ok(())
}
