//! A cluster's load balancer on one worker.

use std::sync::Arc;

use super::context::{Around, PickContext};
use super::level_set::Snapshot;
use super::picker::Picker;
use super::subset::SubsetPickers;

/// One worker's turns among a cluster's hosts.
#[derive(Debug)]
pub(crate) struct Balancer {
    snapshot: Arc<Snapshot>,
    turns: Turns,
}

#[derive(Debug)]
enum Turns {
    Whole(Box<Picker>),
    Subsets(Box<SubsetPickers>),
}

impl Balancer {
    /// A balancer over the hosts of `snapshot`.
    pub(crate) fn new(snapshot: Arc<Snapshot>, around: &Around<'_>) -> Self {
        let turns = match &snapshot.subsets {
            None => Turns::Whole(Box::new(Picker::new(Arc::clone(&snapshot.set), around))),
            Some(tree) => {
                let mut pickers = SubsetPickers::default();
                pickers.follow(None, tree, around);
                Turns::Subsets(Box::new(pickers))
            }
        };
        Self { snapshot, turns }
    }

    /// Goes on with other hosts.
    pub(crate) fn follow(&mut self, snapshot: Arc<Snapshot>, around: &Around<'_>) {
        match (&mut self.turns, &snapshot.subsets) {
            (Turns::Whole(picker), None) => picker.follow(Arc::clone(&snapshot.set), around),
            (Turns::Subsets(pickers), Some(tree)) => {
                pickers.follow(self.snapshot.subsets.as_ref(), tree, around);
            }
            // The settings of a cluster do not change.
            _ => *self = Self::new(Arc::clone(&snapshot), around),
        }
        self.snapshot = snapshot;
    }

    /// The number of a host, its place among all of the cluster; none if there is none to pick.
    pub(crate) fn pick(&mut self, around: &Around<'_>, context: &PickContext<'_>) -> Option<u32> {
        match &mut self.turns {
            Turns::Whole(picker) => picker.pick(around, context),
            Turns::Subsets(pickers) => pickers.pick(&self.snapshot, around, context),
        }
    }
}
