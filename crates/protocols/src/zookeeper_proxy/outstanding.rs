//! The requests that are not answered yet.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::opcode::Op;

/// More are not remembered.
const MAX_REQUESTS: usize = 10_000;

/// The transaction ids of requests that have none of their own.
pub(super) mod xid {
    pub(crate) const CONNECT: i32 = 0;
    pub(crate) const EVENT: i32 = -1;
    pub(crate) const PING: i32 = -2;
    pub(crate) const AUTH: i32 = -4;
    pub(crate) const SET_WATCHES: i32 = -8;
}

/// A request and when it came.
type Asked = (Op, Instant);

/// The requests of a connection that are not answered.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    by_xid: HashMap<i32, Asked>,
    /// Those of transaction ids that come again and again: connect, ping, auth, setwatches.
    control: [VecDeque<Asked>; 4],
}

/// Which of the lists is that of a transaction id.
fn control_place(xid: i32) -> Option<usize> {
    Some(match xid {
        xid::CONNECT => 0,
        xid::PING => 1,
        xid::AUTH => 2,
        xid::SET_WATCHES => 3,
        _ => return None,
    })
}

impl Outstanding {
    /// Remembers a request; one of the same transaction id is forgotten.
    pub(super) fn add(&mut self, xid: i32, op: Op, at: Instant) {
        match control_place(xid).and_then(|place| self.control.get_mut(place)) {
            Some(list) if list.len() < MAX_REQUESTS => list.push_back((op, at)),
            None if self.by_xid.len() < MAX_REQUESTS => {
                self.by_xid.insert(xid, (op, at));
            }
            _ => {}
        }
    }

    /// The request that is answered.
    pub(super) fn take(&mut self, xid: i32) -> Option<Asked> {
        match control_place(xid).and_then(|place| self.control.get_mut(place)) {
            Some(list) => list.pop_front(),
            None => self.by_xid.remove(&xid),
        }
    }
}
