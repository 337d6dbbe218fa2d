//! Who has which slots.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::SLOT_COUNT;

/// Which hosts commands that read go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadPolicy {
    /// The primary.
    #[default]
    Primary,
    /// The primary, or any other if it is not healthy.
    PreferPrimary,
    /// A replica.
    Replica,
    /// A replica, or the primary if none is healthy.
    PreferReplica,
    /// Any of them.
    Any,
    /// A replica of the proxy's own zone, or any replica, or the primary.
    LocalZone,
    /// The same with the primary, if it is of that zone, before replicas that are not.
    LocalZoneWithPrimary,
}

/// What of a cluster is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardPlace {
    /// Who has a slot.
    OfSlot(u16),
    /// One of all, in the order of their slots.
    Number(usize),
}

/// Hosts that have the same slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Who writes.
    pub(crate) primary: SocketAddr,
    /// Who copies.
    pub(crate) replicas: Vec<SocketAddr>,
}

/// Who has which slots.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    shards: Vec<Shard>,
    /// The shard of each slot; the first of those that nobody has. Empty if nothing is known.
    slots: Box<[u16]>,
}

/// A range of slots, with addresses.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) shard: Shard,
}

impl Topology {
    /// What ranges come to: those of one primary are one shard, with the replicas of its first.
    pub(crate) fn new(mut ranges: Vec<Range>) -> Self {
        ranges.sort_by_key(|range| range.first);
        let mut slots = vec![0_u16; usize::from(SLOT_COUNT)];
        let mut shards = Vec::new();
        let mut known = HashMap::new();
        for range in ranges {
            let number = *known.entry(range.shard.primary).or_insert_with(|| {
                shards.push(range.shard);
                u16::try_from(shards.len() - 1).unwrap_or(u16::MAX)
            });
            let own = slots.get_mut(usize::from(range.first)..=usize::from(range.last));
            own.into_iter().flatten().for_each(|slot| *slot = number);
        }
        Self {
            shards,
            slots: slots.into(),
        }
    }

    /// How many shards there are.
    pub(crate) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// The shard that is asked for, if there is one.
    pub(crate) fn shard(&self, place: ShardPlace) -> Option<&Shard> {
        let number = match place {
            ShardPlace::OfSlot(slot) => usize::from(*self.slots.get(usize::from(slot))?),
            ShardPlace::Number(number) => number,
        };
        self.shards.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16, primary: u16, replicas: &[u16]) -> Range {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        Range {
            first,
            last,
            shard: Shard {
                primary: address(&primary),
                replicas: replicas.iter().map(address).collect(),
            },
        }
    }

    #[test]
    fn shards_stand_in_the_order_of_their_slots() {
        let topology = Topology::new(vec![
            range(9000, 16382, 2, &[]),
            range(0, 99, 1, &[3]),
            range(100, 199, 2, &[4]),
            range(200, 299, 1, &[]),
        ]);
        let port = |place| topology.shard(place).map(|shard| shard.primary.port());
        assert_eq!(topology.shard_count(), 2);
        assert_eq!(port(ShardPlace::Number(0)), Some(1));
        assert_eq!(port(ShardPlace::Number(1)), Some(2));
        assert_eq!(port(ShardPlace::Number(2)), None);
        assert_eq!(port(ShardPlace::OfSlot(250)), Some(1));
        assert_eq!(port(ShardPlace::OfSlot(16382)), Some(2));
        assert_eq!(port(ShardPlace::OfSlot(16383)), Some(1));
        assert_eq!(Topology::default().shard(ShardPlace::OfSlot(0)), None);
    }
}
