//! What binds a stream's task and the driver of its connection.

use std::cell::Cell;

use nuncio_contract::stream_info::BytesMeter;
use nuncio_upstream::Http2Task;

/// A stream's end as the driver sees it, its bytes, and its task; `C` says why a stream was cut off.
pub(crate) struct Link<C> {
    /// Why nothing more comes and nothing more can be sent.
    pub(crate) cut: Cell<Option<C>>,
    pub(crate) bytes: Cell<BytesMeter>,
    pub(crate) task: Http2Task,
}

impl<C: Copy> Link<C> {
    /// Of a stream of which so much has come.
    pub(crate) fn new(bytes: BytesMeter) -> Self {
        Link {
            cut: Cell::new(None),
            bytes: Cell::new(bytes),
            task: Http2Task::default(),
        }
    }

    /// Ends the stream's hopes, and tells its task. The first reason stays.
    pub(crate) fn cut(&self, why: C) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
        self.task.wake();
    }

    /// Whether it was cut off.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.get().is_some()
    }

    pub(crate) fn meter(&self, change: impl FnOnce(&mut BytesMeter)) {
        let mut bytes = self.bytes.get();
        change(&mut bytes);
        self.bytes.set(bytes);
    }
}
