//! The outcome of a stream's tree: asked whenever more of the stream is known, until it decides.

use std::sync::Arc;

use nuncio_contract::match_tree::{MatchData, MatchTree, Outcome};

use super::action::Action;

/// A tree and whether it has decided.
#[derive(Default)]
pub(crate) struct Decision {
    tree: Option<Arc<MatchTree<Action>>>,
    is_made: bool,
}

impl Decision {
    /// Nothing is decided yet.
    pub(crate) fn by(tree: Option<&Arc<MatchTree<Action>>>) -> Self {
        Decision {
            tree: tree.cloned(),
            is_made: false,
        }
    }

    /// Another tree decides.
    pub(crate) fn rest_with(&mut self, tree: &Arc<MatchTree<Action>>) {
        self.tree = Some(Arc::clone(tree));
    }

    /// Whether there is a tree.
    pub(crate) fn has_tree(&self) -> bool {
        self.tree.is_some()
    }

    /// What is to be done, told once.
    pub(crate) fn ask(&mut self, data: &MatchData<'_>) -> Option<Action> {
        if self.is_made {
            return None;
        }
        let outcome = self.tree.as_ref()?.find(data);
        self.is_made = !matches!(outcome, Outcome::Undecided);
        match outcome {
            Outcome::Action(action) => Some(action.clone()),
            Outcome::Nothing | Outcome::Undecided => None,
        }
    }
}
