//! What who logs a stream holds for it, such as what was added to a gauge. It is dropped, and so undone, once the stream
//! is over, whatever else is logged of it.
//!
//! Limit: one thing of a key.

use std::any::Any;
use std::cell::RefCell;

/// The things that are held for a stream.
#[derive(Debug, Default)]
pub struct Held(RefCell<Vec<(usize, Box<dyn Any>)>>);

impl Held {
    /// Holds what `thing` makes until it is released; nothing if something of this key is held already.
    pub fn hold(&self, key: usize, thing: impl FnOnce() -> Box<dyn Any>) {
        let mut held = self.0.borrow_mut();
        if held.iter().all(|(known, _)| *known != key) {
            held.push((key, thing()));
        }
    }

    /// Drops what is held of this key, if something is.
    pub fn release(&self, key: usize) {
        self.0.borrow_mut().retain(|(known, _)| *known != key);
    }

    /// The stream is over.
    pub(super) fn clear(&mut self) {
        self.0.get_mut().clear();
    }
}
