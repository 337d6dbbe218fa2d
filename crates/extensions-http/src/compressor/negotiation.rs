//! Which of a chain's compressors compresses a response, by `accept-encoding`: decided once a stream, by the first that
//! asks, and the same for all. Codings are compared to the letter, and of a coding that is named twice both weights count.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_contract::stream_info::{FilterStateObject, StreamInfo};

use super::config::Chain;

/// Where a stream has its compressors.
const KEY: &str = "compressors";
const IDENTITY: &str = "identity";
const WILDCARD: &str = "*";

/// A stream's compressors, and the one that was chosen.
#[derive(Default)]
struct Compressors {
    chains: Vec<Arc<Chain>>,
    decision: Option<Decision>,
}

impl FilterStateObject for Compressors {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What was chosen, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) coding: &'static str,
    pub(super) reason: Reason,
}

/// Why a coding was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// There is nothing that both sides have.
    NotValid,
    /// The client would rather have it as it is.
    Identity,
    /// The client takes anything.
    Wildcard,
    /// The client named it.
    Named,
}

impl Decision {
    const NONE: Decision = Decision {
        coding: IDENTITY,
        reason: Reason::NotValid,
    };
}

/// Notes a compressor of a stream.
pub(super) fn register(info: &mut StreamInfo, chain: &Arc<Chain>) {
    let state = info.filter_state_mut();
    if let Some(compressors) = state.get_mut_as::<Compressors>(KEY) {
        compressors.chains.push(Arc::clone(chain));
        return;
    }
    let compressors = Compressors {
        chains: vec![Arc::clone(chain)],
        decision: None,
    };
    state.set(KEY, Box::new(compressors));
}

/// Who asks for a decision, and for which response.
pub(super) struct Question<'a> {
    pub(super) accept_encoding: &'a [u8],
    /// Of the response, without parameters.
    pub(super) content_type: Option<&'a [u8]>,
    pub(super) asker: &'a Arc<Chain>,
    /// The asker's coding on this route.
    pub(super) own_coding: &'static str,
}

/// The decision of a stream.
pub(super) fn decide(info: &mut StreamInfo, question: &Question<'_>) -> Decision {
    let state = info.filter_state_mut();
    let Some(compressors) = state.get_mut_as::<Compressors>(KEY) else {
        return Decision::NONE;
    };
    let chains = &compressors.chains;
    let decided = &mut compressors.decision;
    *decided.get_or_insert_with(|| choose(chains, question))
}

/// A compressor that may be chosen.
#[derive(Clone, Copy)]
struct Candidate {
    place: usize,
    is_first_choice: bool,
    coding: &'static str,
}

fn choose(chains: &[Arc<Chain>], question: &Question<'_>) -> Decision {
    let mut candidates = candidates(chains, question);
    let wishes = wishes(question.accept_encoding);
    for (coding, _) in wishes.iter().filter(|(_, weight)| *weight == 0.0) {
        candidates.remove(coding);
    }
    if wishes.is_empty() || candidates.is_empty() {
        return Decision::NONE;
    }
    let mut best = (IDENTITY.as_bytes(), 0.0);
    for (coding, weight) in wishes {
        let is_known = [IDENTITY, WILDCARD]
            .iter()
            .any(|name| name.as_bytes() == coding);
        if !is_known && !candidates.contains_key(coding) {
            continue;
        }
        let is_better = weight > best.1
            || (weight == best.1
                && candidates
                    .get(coding)
                    .is_some_and(|found| found.is_first_choice));
        if is_better {
            best = (coding, weight);
        }
    }
    let (coding, weight) = best;
    if weight == 0.0 {
        return Decision::NONE;
    }
    if coding == IDENTITY.as_bytes() {
        return Decision {
            coding: IDENTITY,
            reason: Reason::Identity,
        };
    }
    if coding == WILDCARD.as_bytes() {
        let first = candidates.values().min_by_key(|candidate| candidate.place);
        return Decision {
            coding: first.map_or(IDENTITY, |first| first.coding),
            reason: Reason::Wildcard,
        };
    }
    let named = candidates.get(coding);
    Decision {
        coding: named.map_or(IDENTITY, |named| named.coding),
        reason: Reason::Named,
    }
}

/// The compressors that take the response's type; of two for one coding the first counts.
fn candidates<'c>(chains: &[Arc<Chain>], question: &Question<'_>) -> BTreeMap<&'c [u8], Candidate> {
    let mut candidates = BTreeMap::new();
    for chain in chains {
        let direction = &chain.response.direction;
        let content_type = question.content_type;
        if !content_type.is_none_or(|content_type| direction.has_type(content_type)) {
            continue;
        }
        let coding = match Arc::ptr_eq(chain, question.asker) {
            true => question.own_coding,
            false => chain.library.content_encoding(),
        };
        let place = candidates.len();
        candidates.entry(coding.as_bytes()).or_insert(Candidate {
            place,
            is_first_choice: chain.is_first_choice,
            coding,
        });
    }
    candidates
}

/// What a client accepts, in its order, with weights; a weight that is none takes its coding with it.
fn wishes(accept_encoding: &[u8]) -> Vec<(&[u8], f32)> {
    let tokens = accept_encoding.split(|byte| *byte == b',');
    let wishes = tokens
        .filter(|token| !token.is_empty())
        .filter_map(|token| {
            let (coding, parameter) = split_once(token, b';');
            let weight = match parameter.map(|parameter| split_once(parameter, b'=')) {
                Some((name, Some(weight))) if name.trim_ascii().eq_ignore_ascii_case(b"q") => {
                    std::str::from_utf8(weight)
                        .ok()?
                        .trim_ascii()
                        .parse()
                        .ok()?
                }
                _ => 1.0,
            };
            Some((coding.trim_ascii(), weight))
        });
    wishes.collect()
}

fn split_once(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == at) {
        None => (text, None),
        Some(place) => (text.get(..place).unwrap_or_default(), text.get(place + 1..)),
    }
}
