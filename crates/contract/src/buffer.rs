//! Bytes of one direction of a connection, in memory borrowed from the thread.
//!
//! A buffer holds memory only while it holds bytes: reading borrows a block
//! from this thread's pool, and consuming the last byte gives it back. An idle
//! connection therefore costs a few words.
//!
//! Blocks come in classes of 16 KiB (heads), 64 KiB and 128 KiB (large bodies).
//! A thread keeps at most 64 blocks of 16 KiB and 16 of each larger class;
//! larger ones are given back to the allocator at once.
//!
//! Before the bytes of a block stands a front, into which a head can be put: the
//! body that was read is then not copied behind it. Fronts are of three lengths
//! in turn, as first bytes that are all equally far from the begin of a page fall
//! upon the same few places of the processor's caches.

use std::cell::RefCell;

/// The size classes that are pooled, in bytes, and how many of each a thread keeps.
const CLASSES: [(usize, usize); 3] = [(16 << 10, 64), (64 << 10, 16), (128 << 10, 16)];

/// How long the fronts of blocks are, in turn, in bytes.
const FRONTS_BYTES: [usize; 3] = [512, 1536, 2560];
const LONGEST_FRONT_BYTES: usize = FRONTS_BYTES[2];

/// Blocks that hold their fronts alone.
#[derive(Default)]
struct Pool {
    classes: [Vec<Vec<u8>>; CLASSES.len()],
    /// How many blocks were made, which says what front the next one has.
    made: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { classes: [Vec::new(), Vec::new(), Vec::new()], made: 0 })
    };
}

/// Gives back to the allocator what this thread keeps for buffers to come.
pub fn give_back() {
    let _there_is_none_while_the_thread_ends = POOL.try_with(RefCell::take);
}

/// A queue of bytes: filled at the end, consumed from the front.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// What a read for a head borrows, in bytes.
    pub const HEAD_BYTES: usize = CLASSES[0].0;
    /// What a read borrows once a body is large, in bytes.
    pub const BODY_BYTES: usize = CLASSES[1].0;
    /// The largest block that is pooled, in bytes.
    pub const LARGE_BODY_BYTES: usize = CLASSES[2].0;

    /// An empty buffer, without memory.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// The bytes that are not consumed yet.
    #[inline]
    pub fn readable(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// How many bytes are not consumed yet.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether all bytes are consumed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory is held, in bytes, with what stands before the bytes; 0 for one that was never filled or is [released].
    ///
    /// [released]: Buffer::release_if_empty
    #[inline]
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Consumes `count` bytes from the front, or all if there are fewer. When none
    /// is left the memory goes back to the pool.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        self.release_if_empty();
    }

    /// Puts `front` before the bytes that are there; false if there are none or no room is before them.
    #[inline]
    pub fn put_before(&mut self, front: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(front.len()) else {
            return false;
        };
        if self.is_empty() {
            return false;
        }
        if let Some(place) = self.bytes.get_mut(start..self.start) {
            place.copy_from_slice(front);
        }
        self.start = start;
        true
    }

    /// Consumes everything and gives the memory back.
    pub fn clear(&mut self) {
        self.start = self.bytes.len();
        self.release_if_empty();
    }

    /// Gives the memory back when there are no bytes; call it after a read that found none.
    #[inline]
    pub fn release_if_empty(&mut self) {
        if self.start == self.bytes.len() && self.bytes.capacity() > 0 {
            self.start = 0;
            give(std::mem::take(&mut self.bytes));
        }
    }

    /// Adds bytes at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds another buffer's bytes at the end; takes it over whole when there are none here.
    pub fn append(&mut self, other: Buffer) {
        if self.is_empty() {
            *self = other;
        } else {
            self.extend(other.readable());
        }
    }

    /// Makes sure that `count` more bytes fit, borrowing or growing a block, and
    /// moving what is unconsumed to the front first.
    #[inline]
    pub fn make_room(&mut self, count: usize) {
        if self.bytes.capacity() - self.bytes.len() < count {
            self.find_room(count);
        }
    }

    fn find_room(&mut self, count: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes = take(count);
            self.start = self.bytes.len();
            return;
        }
        let front = class_of(&self.bytes).map_or(0, |(_, front)| front);
        if self.start > front {
            self.bytes.drain(front..self.start);
            self.start = front;
            if self.bytes.capacity() - self.bytes.len() >= count {
                return;
            }
        }
        let mut larger = take(self.len().saturating_add(count));
        let start = larger.len();
        larger.extend_from_slice(self.readable());
        give(std::mem::replace(&mut self.bytes, larger));
        self.start = start;
    }

    /// The vector to read into, with room for at least `count` more bytes. Only
    /// append to it: the unconsumed bytes are at its end.
    #[inline]
    pub fn vec_mut(&mut self, count: usize) -> &mut Vec<u8> {
        self.make_room(count);
        &mut self.bytes
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            give(std::mem::take(&mut self.bytes));
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("held_bytes", &self.held_bytes())
            .finish()
    }
}

/// The class whose blocks hold `count` bytes.
#[inline]
fn class_for(count: usize) -> Option<usize> {
    // Nearly all blocks are of the first class.
    if count <= CLASSES[0].0 {
        return Some(0);
    }
    CLASSES.iter().position(|(size, _)| count <= *size)
}

/// A block's class and the length of its front; none for one of no class.
#[inline]
fn class_of(block: &Vec<u8>) -> Option<(usize, usize)> {
    let front = |size: usize| {
        let front = block.capacity().checked_sub(size)?;
        (front <= LONGEST_FRONT_BYTES).then_some(front)
    };
    // Nearly all blocks are of the first class.
    if let Some(front) = front(CLASSES[0].0) {
        return Some((0, front));
    }
    let mut fronts = CLASSES.iter().enumerate();
    fronts.find_map(|(class, (size, _))| Some((class, front(*size)?)))
}

/// A block with room for `count` bytes behind its front, which is all that it holds; from the pool if a class fits.
fn take(count: usize) -> Vec<u8> {
    let Some(class) = class_for(count) else {
        let more_than_classes = Buffer::LARGE_BODY_BYTES + LONGEST_FRONT_BYTES + 1;
        return Vec::with_capacity(count.max(more_than_classes));
    };
    // At thread exit the pool may be gone already.
    let block = POOL.try_with(|pool| {
        let pool = &mut *pool.borrow_mut();
        let pooled = pool.classes.get_mut(class).and_then(Vec::pop);
        pooled.unwrap_or_else(|| {
            pool.made += 1;
            new_block(class, FRONTS_BYTES[pool.made % FRONTS_BYTES.len()])
        })
    });
    block.unwrap_or_else(|_| new_block(class, FRONTS_BYTES[0]))
}

#[cold]
fn new_block(class: usize, front: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(CLASSES[class].0 + front);
    block.resize(front, 0);
    block
}

/// Gives a block back to the pool; frees it when its class is full or it has none.
fn give(mut block: Vec<u8>) {
    let Some((class, front)) = class_of(&block) else {
        return;
    };
    block.truncate(front);
    // At thread exit the pool may be gone already; the memory is then freed.
    let _ = POOL.try_with(|pool| {
        if let Some(pool) = pool.borrow_mut().classes.get_mut(class)
            && pool.len() < CLASSES[class].1
        {
            pool.push(block);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.held_bytes(), 0);
        buffer.extend(b"GET / HTTP/1.1\r\n\r\n");
        assert!(buffer.held_bytes() > Buffer::HEAD_BYTES);
        buffer.advance(buffer.len());
        assert_eq!(buffer.held_bytes(), 0);
    }

    #[test]
    fn a_block_is_used_again() {
        let mut buffer = Buffer::new();
        buffer.extend(b"once");
        let block = buffer.readable().as_ptr();
        buffer.clear();
        buffer.extend(b"again");
        assert_eq!(buffer.readable().as_ptr(), block);
    }

    #[test]
    fn bytes_come_out_as_they_went_in_across_growth() {
        let mut buffer = Buffer::new();
        let sent: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let mut received = Vec::new();
        for piece in sent.chunks(1000) {
            buffer.extend(piece);
            if buffer.len() > 100_000 {
                received.extend_from_slice(&buffer.readable()[..777]);
                buffer.advance(777);
            }
        }
        received.extend_from_slice(buffer.readable());
        assert!(received == sent);
    }

    #[test]
    fn advancing_too_far_stops_at_the_end() {
        let mut buffer = Buffer::new();
        buffer.extend(b"abc");
        buffer.advance(usize::MAX);
        assert!(buffer.is_empty());
        buffer.extend(b"d");
        assert_eq!(buffer.readable(), b"d");
    }

    #[test]
    fn a_head_is_put_before_a_body_without_moving_it() {
        let mut buffer = Buffer::new();
        buffer.extend(b"head of the host, body");
        buffer.advance(18);
        let body = buffer.readable().as_ptr();
        assert!(buffer.put_before(b"HTTP/1.1 200 OK and more, "));
        assert_eq!(buffer.readable(), b"HTTP/1.1 200 OK and more, body");
        assert_eq!(buffer.readable()[26..].as_ptr(), body);
    }

    #[test]
    fn what_has_no_room_before_the_bytes_is_not_put_there() {
        let mut buffer = Buffer::new();
        assert!(!buffer.put_before(b"head"));
        buffer.extend(b"body");
        assert!(!buffer.put_before(&[b'x'; LONGEST_FRONT_BYTES + 1]));
        assert_eq!(buffer.readable(), b"body");
    }

    #[test]
    fn a_block_that_had_something_put_before_its_bytes_is_used_again_whole() {
        let mut buffer = Buffer::new();
        for _ in 0..3 {
            buffer.extend(b"body");
            assert!(buffer.put_before(&[b'x'; FRONTS_BYTES[0]]));
            buffer.make_room(Buffer::HEAD_BYTES - 4);
            assert!(buffer.held_bytes() <= Buffer::HEAD_BYTES + LONGEST_FRONT_BYTES);
            assert_eq!(buffer.len(), FRONTS_BYTES[0] + 4);
            buffer.clear();
        }
    }

    #[test]
    fn a_block_larger_than_all_classes_holds_what_it_is_given() {
        let mut buffer = Buffer::new();
        buffer.extend(&[1; 3 * Buffer::LARGE_BODY_BYTES]);
        buffer.advance(5);
        buffer.extend(&[2; Buffer::LARGE_BODY_BYTES]);
        assert_eq!(buffer.len(), 4 * Buffer::LARGE_BODY_BYTES - 5);
        assert_eq!(buffer.readable().last(), Some(&2));
    }

    #[test]
    fn a_read_finds_room_at_the_end() {
        let mut buffer = Buffer::new();
        buffer.extend(b"abc");
        buffer.advance(1);
        buffer.vec_mut(5).extend_from_slice(b"defgh");
        assert_eq!(buffer.readable(), b"bcdefgh");
    }

    #[test]
    fn a_thread_keeps_a_bounded_number_of_blocks() {
        let blocks: Vec<Vec<u8>> = (0..200).map(|_| take(1)).collect();
        blocks.into_iter().for_each(give);
        let kept = POOL.with(|pool| pool.borrow().classes[0].len());
        assert_eq!(kept, CLASSES[0].1);
    }
}
