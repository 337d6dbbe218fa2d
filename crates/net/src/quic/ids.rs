//! Connection ids of ours: the number of the endpoint, then what nobody can guess.

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use std::time::Duration;

/// As many bytes as Envoy's have.
pub(super) const ID_BYTES: usize = 8;

/// Makes the ids of one endpoint.
pub(super) struct Ids {
    pub(super) endpoint: u16,
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        // Without chance there are no keys either; quinn looks whether an id is there already.
        let _is_made_of_noughts = aws_lc_rs::rand::fill(&mut id);
        let [high, low, ..] = &mut id;
        [*high, *low] = self.endpoint.to_be_bytes();
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match endpoint_of(id) == Some(self.endpoint) {
            true => Ok(()),
            false => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The endpoint whose id it is.
pub(super) fn endpoint_of(id: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*id.first_chunk()?))
}

/// The endpoint that a datagram is for, where it tells: behind the handshake.
pub(super) fn endpoint_of_datagram(bytes: &[u8]) -> Option<u16> {
    const LONG_HEADER: u8 = 0x80;
    let (first, rest) = bytes.split_first()?;
    if first & LONG_HEADER != 0 {
        return None;
    }
    endpoint_of(rest.get(..ID_BYTES)?)
}
