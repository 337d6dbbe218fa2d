//! `xds.type.matcher.v3.Matcher`, compiled once: what to do with a stream, by what is known of it. Routes, filters and
//! whoever else decides by a tree give it their actions and get one of them back.
//!
//! The order is Envoy's: a list asks its predicates in turn; a map of prefixes begins with the longest; ranges of
//! addresses and domains with the most specific; where what was found leads to nothing, the next is tried, at last
//! `on_no_match`. What is asked of something that is not there yet (a response, while the request comes) decides
//! nothing: the outcome is [`Outcome::Undecided`].
//!
//! Not there: the `ip` input matcher (its counter), network namespaces, dynamic modules; all are refused. Depth is
//! limited by the configuration's own limits.

mod address;
mod build;
mod domain;
mod expression;
mod input;
mod message;
mod of_hosts;
mod predicate;
#[cfg(test)]
mod tests;
mod text_input;
mod value;

use hashbrown::HashMap;
use nuncio_config::typed::{Ctx, Refused, SupportTable};

use crate::headers::HeaderMap;
use crate::listener_filter::Inspected;
use crate::matching::PrefixTable;
use crate::stream_info::{Metadata, StreamInfo};
use address::Ranges;
pub use build::unknown as unknown_extension;
use domain::Domains;
pub(crate) use input::query_parameter;
use input::{Fetched, Input};
pub use message::{Extension, MatcherMessage};
use predicate::{Predicate, Truth};
pub use text_input::TextInput;

/// Adds the inputs, matchers and structures that are known.
pub(crate) fn support(table: &mut SupportTable) {
    input::support(table);
    of_hosts::support(table);
    expression::support(table);
    value::support(table);
    build::support(table);
}

/// What a tree may ask about.
#[derive(Clone, Copy)]
pub struct MatchData<'a> {
    /// The stream.
    pub info: &'a StreamInfo,
    /// The request's headers, once they are there.
    pub request: Option<&'a HeaderMap>,
    /// The request's trailers, once they are there.
    pub request_trailers: Option<&'a HeaderMap>,
    /// The response's headers, once they are there.
    pub response: Option<&'a HeaderMap>,
    /// The response's trailers, once they are there.
    pub response_trailers: Option<&'a HeaderMap>,
    /// What listener filters found out, where the tree chooses a filter chain.
    pub inspected: Option<&'a Inspected>,
    /// The name of a stat, where the tree is asked about stats.
    pub stat: Option<&'a str>,
    /// What is known of a host, where the tree is asked about hosts.
    pub host: Option<HostData<'a>>,
}

/// What a tree may ask about a host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostData<'a> {
    /// Its own metadata, if it has some.
    pub endpoint: Option<&'a Metadata>,
    /// That of its locality.
    pub locality: Option<&'a Metadata>,
}

impl<'a> MatchData<'a> {
    /// What is known when the request's head has come.
    pub fn of_request(request: &'a HeaderMap, info: &'a StreamInfo) -> Self {
        MatchData {
            info,
            request: Some(request),
            request_trailers: None,
            response: None,
            response_trailers: None,
            inspected: None,
            stat: None,
            host: None,
        }
    }

    /// A stat; `info` is a stream of which nothing is known.
    pub fn of_stat(name: &'a str, info: &'a StreamInfo) -> Self {
        MatchData {
            info,
            request: None,
            request_trailers: None,
            response: None,
            response_trailers: None,
            inspected: None,
            stat: Some(name),
            host: None,
        }
    }

    /// A host; `info` is a stream of which nothing is known.
    pub fn of_host(host: HostData<'a>, info: &'a StreamInfo) -> Self {
        MatchData {
            host: Some(host),
            ..Self::of_stat("", info)
        }
    }

    /// What is known before there is a filter chain.
    pub fn of_connection(info: &'a StreamInfo, inspected: &'a Inspected) -> Self {
        MatchData {
            info,
            request: None,
            request_trailers: None,
            response: None,
            response_trailers: None,
            inspected: Some(inspected),
            stat: None,
            host: None,
        }
    }

    /// What is known when the response's head has come.
    pub fn of_response(
        request: &'a HeaderMap,
        response: &'a HeaderMap,
        info: &'a StreamInfo,
    ) -> Self {
        MatchData {
            response: Some(response),
            ..Self::of_request(request, info)
        }
    }
}

/// What a tree says.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'t, A> {
    /// This is to be done.
    Action(&'t A),
    /// Nothing matches.
    Nothing,
    /// It depends on what is not there yet.
    Undecided,
}

/// Who compiles a tree: its actions, and what it may ask about.
pub trait MatchContext {
    /// What is done with what matches.
    type Action;

    /// Where mistakes go.
    fn ctx(&mut self) -> &mut Ctx;

    /// Compiles an action.
    ///
    /// # Errors
    /// When it is not sound; what is wrong is said.
    fn action(&mut self, action: &Extension) -> Result<Self::Action, Refused>;

    /// Whether what matches may depend on an input, by the type of its message.
    ///
    /// # Errors
    /// In Envoy's words, if not.
    fn check_input(&self, _type_url: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether there is such an input at all where the tree stands, by its message.
    fn knows_input(&self, _message: &str) -> bool {
        true
    }

    /// Whether the tree chooses filter chains: then nothing of HTTP is known, but what listener filters found out.
    fn is_of_listener(&self) -> bool {
        false
    }

    /// Whether the tree is asked about stats: then nothing else is known.
    fn is_of_stats(&self) -> bool {
        false
    }

    /// Whether the tree is asked about hosts: then nothing else is known.
    fn is_of_hosts(&self) -> bool {
        false
    }

    /// Whether an action may be noted and the search go on (`keep_matching`).
    ///
    /// # Errors
    /// In Envoy's words, if not.
    fn check_keep_matching(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A compiled tree.
#[derive(Debug)]
pub struct MatchTree<A> {
    kind: Kind<A>,
    otherwise: Option<OnMatch<A>>,
}

#[derive(Debug)]
enum Kind<A> {
    Any,
    List(Box<[(Predicate, OnMatch<A>)]>),
    Exact(Input, HashMap<Box<[u8]>, OnMatch<A>>),
    Prefix(Input, PrefixTable<OnMatch<A>>),
    Address(Input, Ranges<OnMatch<A>>),
    Domain(Input, Domains<OnMatch<A>>),
}

#[derive(Debug)]
struct OnMatch<A> {
    then: Then<A>,
    keep_matching: bool,
}

#[derive(Debug)]
enum Then<A> {
    Tree(Box<MatchTree<A>>),
    Action(A),
}

/// What is told of actions that are noted while the search goes on.
type Noted<'n, 't, A> = &'n mut dyn FnMut(&'t A);

impl<A> MatchTree<A> {
    /// What is to be done with every stream, if it does not depend on anything.
    pub fn unconditional(&self) -> Option<&A> {
        match (&self.kind, &self.otherwise) {
            (
                Kind::Any,
                Some(OnMatch {
                    then: Then::Action(action),
                    keep_matching: false,
                }),
            ) => Some(action),
            _ => None,
        }
    }

    /// What is to be done with a stream.
    pub fn find(&self, data: &MatchData<'_>) -> Outcome<'_, A> {
        self.find_noting(data, &mut |_| {})
    }

    /// The same; `noted` is told of the actions that match and have `keep_matching`.
    pub fn find_noting<'t>(
        &'t self,
        data: &MatchData<'_>,
        noted: Noted<'_, 't, A>,
    ) -> Outcome<'t, A> {
        let found = match &self.kind {
            Kind::Any => Outcome::Nothing,
            Kind::List(list) => of_list(list, data, noted),
            Kind::Exact(input, map) => {
                let places = |text: &[u8]| map.get(text).into_iter();
                of_text(input, places, data, noted)
            }
            Kind::Prefix(input, table) => of_text(input, |text| table.of(text), data, noted),
            Kind::Address(input, ranges) => of_text(input, |text| ranges.of(text), data, noted),
            Kind::Domain(input, domains) => of_text(input, |text| domains.of(text), data, noted),
        };
        match (found, &self.otherwise) {
            (Outcome::Nothing, Some(otherwise)) => otherwise.follow(data, noted),
            (found, _) => found,
        }
    }
}

impl<A> OnMatch<A> {
    fn follow<'t>(&'t self, data: &MatchData<'_>, noted: Noted<'_, 't, A>) -> Outcome<'t, A> {
        let found = match &self.then {
            Then::Tree(tree) => tree.find_noting(data, noted),
            Then::Action(action) => Outcome::Action(action),
        };
        match found {
            Outcome::Action(action) if self.keep_matching => {
                noted(action);
                Outcome::Nothing
            }
            found => found,
        }
    }
}

fn of_list<'t, A>(
    list: &'t [(Predicate, OnMatch<A>)],
    data: &MatchData<'_>,
    noted: Noted<'_, 't, A>,
) -> Outcome<'t, A> {
    for (predicate, on_match) in list {
        match predicate.holds(data) {
            Truth::False => continue,
            Truth::Unknown => return Outcome::Undecided,
            Truth::True => {}
        }
        match on_match.follow(data, noted) {
            Outcome::Nothing => {}
            found => return found,
        }
    }
    Outcome::Nothing
}

/// The first of the `branches` of a text that leads to something.
fn of_text<'t, A: 't, I: Iterator<Item = &'t OnMatch<A>>>(
    input: &Input,
    branches: impl FnOnce(&[u8]) -> I,
    data: &MatchData<'_>,
    noted: Noted<'_, 't, A>,
) -> Outcome<'t, A> {
    let text = match input.fetch(data) {
        Fetched::NotYet => return Outcome::Undecided,
        Fetched::Absent | Fetched::Value(_) => return Outcome::Nothing,
        Fetched::Text(text) => text,
    };
    for branch in branches(&text) {
        match branch.follow(data, noted) {
            Outcome::Nothing => {}
            found => return found,
        }
    }
    Outcome::Nothing
}
