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

/// The endpoint that a datagram is for, where it tells: packets of the handshake and those behind it have ids of ours, but
/// the first ones have what the client has made up.
pub(super) fn endpoint_of_datagram(bytes: &[u8]) -> Option<u16> {
    const LONG_HEADER: u8 = 0x80;
    const KIND: u8 = 0x30;
    const HANDSHAKE: u8 = 0x20;
    const VERSION_BYTES: usize = 4;
    let (first, rest) = bytes.split_first()?;
    if first & LONG_HEADER == 0 {
        return endpoint_of(rest.get(..ID_BYTES)?);
    }
    let (length, rest) = rest.get(VERSION_BYTES..)?.split_first()?;
    match first & KIND == HANDSHAKE && usize::from(*length) == ID_BYTES {
        true => endpoint_of(rest.get(..ID_BYTES)?),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::endpoint_of_datagram;

    #[test]
    fn packets_with_ids_of_ours_find_their_endpoint() {
        let short = [0x40, 1, 2, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(endpoint_of_datagram(&short), Some(0x0102));
        let handshake = [0xe0, 0, 0, 0, 1, 8, 3, 4, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(endpoint_of_datagram(&handshake), Some(0x0304));
        let initial = [0xc0, 0, 0, 0, 1, 8, 3, 4, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(endpoint_of_datagram(&initial), None);
        let early = [0xd0, 0, 0, 0, 1, 8, 3, 4, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(endpoint_of_datagram(&early), None);
        let other_length = [0xe0, 0, 0, 0, 1, 9, 3, 4, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(endpoint_of_datagram(&other_length), None);
        assert_eq!(endpoint_of_datagram(&handshake[..10]), None);
        assert_eq!(endpoint_of_datagram(&[0x40]), None);
        assert_eq!(endpoint_of_datagram(&[]), None);
    }
}
