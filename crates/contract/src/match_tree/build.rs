//! From the messages to the compiled tree; every mistake is reported at its place, in Envoy's words where it has some.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::HashMap;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};

use super::address::{Range, Ranges};
use super::domain::Domains;
use super::input::{Given, Input};
use super::message::{
    Extension, IpMatcher, MatchMap, MatcherMessage, MatcherType, OnMatchKind, OnMatchMessage,
    ServerNameMatcher, TreeKind,
};
use super::predicate::Predicate;
use super::{Kind, MatchContext, MatchTree, OnMatch, Then};
use crate::matching::PrefixTable;

const IP: &str = "xds.type.matcher.v3.IPMatcher";
const DOMAIN: &str = "xds.type.matcher.v3.ServerNameMatcher";

/// Adds the structures.
pub(super) fn support(table: &mut SupportTable) {
    IpMatcher::support(table);
    ServerNameMatcher::support(table);
}

/// Says that Envoy has no such extension where this stands.
pub fn unknown(extension: &Extension, ctx: &mut Ctx) -> Refused {
    unknown_named(&extension.name, &extension.typed_config, ctx)
}

/// The same of an extension in the words of another API.
pub(super) fn unknown_named(name: &str, any: &Any, ctx: &mut Ctx) -> Refused {
    let text = format!(
        "Didn't find a registered implementation for '{name}' with type URL: '{}'",
        any.type_name()
    );
    ctx.error(any.span, text);
    Refused
}

/// Says that an input does not give what it is asked for.
pub(super) fn wrong_kind(input: &Extension, given: Given, is_expression: bool, ctx: &mut Ctx) {
    let text = match (given, is_expression) {
        (Given::Value, false) => {
            "Unsupported data input type: dynamic_metadata. The matcher supports input type: string"
        }
        (Given::Text, _) => "Unsupported data input type: string",
        (Given::Value, true) => "Unsupported data input type: dynamic_metadata",
        (Given::Attributes, _) => "Unsupported data input type: cel_data_input",
    };
    ctx.error(input.typed_config.span, text);
}

impl<A> MatchTree<A> {
    /// Compiles a tree; on an error all of its mistakes are in the context.
    ///
    /// # Errors
    /// When the tree is not sound.
    pub fn compile<C: MatchContext<Action = A>>(
        message: &MatcherMessage,
        context: &mut C,
    ) -> Result<Self, Refused> {
        let kind = match &message.matcher_type {
            None => Ok(Kind::Any),
            Some(MatcherType::List(list)) => {
                let compiled: Vec<_> = list
                    .matchers
                    .iter()
                    .map(|matcher| {
                        let predicate = Predicate::compile(&matcher.predicate, context);
                        let on_match = OnMatch::compile(&matcher.on_match, context);
                        Ok((predicate?, on_match?))
                    })
                    .collect();
                let list: Result<_, Refused> = compiled.into_iter().collect();
                list.map(Kind::List)
            }
            Some(MatcherType::Tree(tree)) => {
                let input = Input::compile(&tree.input, context).and_then(|input| {
                    if input.gives() != Given::Text {
                        let given = input.gives();
                        wrong_structure(&tree.input, given, &tree.tree_type, context.ctx());
                        return Err(Refused);
                    }
                    Ok(input)
                });
                Self::by_structure(input, &tree.tree_type, context)
            }
        };
        let otherwise = message
            .on_no_match
            .as_ref()
            .map(|on_match| OnMatch::compile(on_match, context))
            .transpose();
        Ok(MatchTree {
            kind: kind?,
            otherwise: otherwise?,
        })
    }

    fn by_structure<C: MatchContext<Action = A>>(
        input: Result<Input, Refused>,
        kind: &TreeKind,
        context: &mut C,
    ) -> Result<Kind<A>, Refused> {
        match kind {
            TreeKind::Exact(map) => {
                let branches = branches(map, context)?;
                let map: HashMap<_, _> = branches
                    .into_iter()
                    .map(|(text, on_match)| (text.into_boxed_slice(), on_match))
                    .collect();
                Ok(Kind::Exact(input?, map))
            }
            TreeKind::Prefix(map) => {
                let table = PrefixTable::new(branches(map, context)?, |on_match, _| on_match);
                Ok(Kind::Prefix(input?, table))
            }
            TreeKind::Custom(extension) if context.is_of_hosts() => {
                Err(unknown(extension, context.ctx()))
            }
            TreeKind::Custom(extension) => match extension.typed_config.type_name() {
                IP => {
                    let ranges = ranges(extension, context)?;
                    Ok(Kind::Address(input?, ranges))
                }
                DOMAIN => {
                    let domains = domains(extension, context)?;
                    Ok(Kind::Domain(input?, domains))
                }
                _ => Err(unknown(extension, context.ctx())),
            },
        }
    }
}

impl<A> OnMatch<A> {
    fn compile<C: MatchContext<Action = A>>(
        message: &OnMatchMessage,
        context: &mut C,
    ) -> Result<Self, Refused> {
        let kept = match message.keep_matching {
            true => context.check_keep_matching(),
            false => Ok(()),
        };
        let then = match &message.on_match {
            OnMatchKind::Matcher(matcher) => {
                MatchTree::compile(matcher, context).map(|tree| Then::Tree(Box::new(tree)))
            }
            OnMatchKind::Action(action) => context.action(action).map(Then::Action),
        };
        if let Err(words) = kept {
            context.ctx().error(message.span(), words);
            return Err(Refused);
        }
        Ok(OnMatch {
            then: then?,
            keep_matching: message.keep_matching,
        })
    }
}

type Branches<A> = BTreeMap<Vec<u8>, OnMatch<A>>;

fn branches<C: MatchContext>(
    map: &MatchMap,
    context: &mut C,
) -> Result<Branches<C::Action>, Refused> {
    let compiled: Vec<_> = map
        .map
        .iter()
        .map(|(text, on_match)| {
            let on_match = OnMatch::compile(on_match, context)?;
            Ok((text.clone().into_bytes(), on_match))
        })
        .collect();
    compiled.into_iter().collect()
}

fn ranges<C: MatchContext>(
    extension: &Extension,
    context: &mut C,
) -> Result<Ranges<OnMatch<C::Action>>, Refused> {
    let config: IpMatcher = extension.typed_config.decode(context.ctx())?;
    let mut values = Vec::new();
    let mut ranges = Vec::new();
    let mut sound = true;
    for matcher in &config.range_matchers {
        for range in &matcher.ranges {
            match range.address_prefix.value.parse::<IpAddr>() {
                Ok(address) => ranges.push(Range {
                    address,
                    prefix_len: range.prefix_len.unwrap_or(0),
                    value: values.len(),
                    exclusive: matcher.exclusive,
                }),
                Err(_) => {
                    let text = format!("malformed IP address: {}", range.address_prefix.value);
                    context.ctx().error(range.address_prefix.span, text);
                    sound = false;
                }
            }
        }
        match OnMatch::compile(&matcher.on_match, context) {
            Ok(on_match) => values.push(on_match),
            Err(Refused) => sound = false,
        }
    }
    if sound {
        Ok(Ranges::new(values, ranges))
    } else {
        Err(Refused)
    }
}

fn domains<C: MatchContext>(
    extension: &Extension,
    context: &mut C,
) -> Result<Domains<OnMatch<C::Action>>, Refused> {
    let config: ServerNameMatcher = extension.typed_config.decode(context.ctx())?;
    let compiled: Vec<_> = config
        .domain_matchers
        .iter()
        .map(|matcher| OnMatch::compile(&matcher.on_match, context))
        .collect();
    let mut domains = Domains::new(compiled.into_iter().collect::<Result<_, _>>()?);
    let mut sound = true;
    for (place, matcher) in config.domain_matchers.iter().enumerate() {
        for domain in &matcher.domains {
            sound &= domains.add(domain, place, context.ctx()).is_ok();
        }
    }
    if sound { Ok(domains) } else { Err(Refused) }
}

/// Says that a structure of texts is asked for something that gives other values.
fn wrong_structure(input: &Extension, given: Given, kind: &TreeKind, ctx: &mut Ctx) {
    let structure = match kind {
        TreeKind::Exact(_) | TreeKind::Prefix(_) => "map matcher",
        TreeKind::Custom(custom) if custom.typed_config.type_name() == IP => "IP range matcher",
        TreeKind::Custom(_) => "domain matcher",
    };
    let given = given.name();
    let text = format!(
        "Unsupported data input type: {given}, currently only string type is supported in {structure}"
    );
    ctx.error(input.typed_config.span, text);
}
