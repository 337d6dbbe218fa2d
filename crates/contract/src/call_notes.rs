//! What becomes of a request that the proxy sends for the sake of a stream, noted by whoever sends it, for its span
//! ([`call_span`](crate::call_span)).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::stream_info::{Address, ClusterDescription, ResponseFlags};

/// What a span of HTTP is to say, noted as it comes.
#[derive(Debug, Default)]
pub struct CallNotes {
    /// Who was asked.
    pub cluster: RefCell<Option<Rc<ClusterDescription>>>,
    /// The host that was chosen last.
    pub host: RefCell<Option<Address>>,
    /// The status of the answer, the proxy's own too.
    pub status: Cell<Option<u16>>,
    /// What happened.
    pub flags: Cell<ResponseFlags>,
    /// Whether the answer broke off.
    pub was_reset: Cell<bool>,
}
