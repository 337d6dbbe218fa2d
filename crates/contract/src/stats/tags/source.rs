//! Where a tag comes from: one of Envoy's rules, a fixed value, or an expression of the configuration.

use std::ops::Range;

use super::expression::Expression;
use super::rules::{BOUND, RULES};

/// One source of a tag.
#[derive(Clone, Debug)]
pub struct TagSource {
    tag: String,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    /// By index.
    Rule(usize),
    Fixed(String),
    Expression(Box<Expression>),
}

impl TagSource {
    /// Envoy's own rules for the tags that `wanted` names.
    pub(in crate::stats) fn defaults(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Self> {
        let rules = RULES.iter().enumerate();
        rules
            .filter(move |(_, rule)| wanted(rule.tag))
            .map(|(at, rule)| Self {
                tag: rule.tag.to_owned(),
                how: How::Rule(at),
            })
    }

    /// Values that every stat gets, under names.
    pub(in crate::stats) fn fixed(tags: &[(String, String)]) -> impl Iterator<Item = Self> {
        tags.iter().map(|(tag, value)| Self {
            tag: tag.clone(),
            how: How::Fixed(value.clone()),
        })
    }

    /// What an expression finds.
    pub(in crate::stats) fn expression(tag: &str, expression: Expression) -> Self {
        Self {
            tag: tag.to_owned(),
            how: How::Expression(Box::new(expression)),
        }
    }

    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn is_rule(&self) -> bool {
        matches!(self.how, How::Rule(_))
    }

    pub(super) fn is_expression(&self) -> bool {
        matches!(self.how, How::Expression(_))
    }

    /// Whether its tags come after those of the others: it is bound to names of one first token.
    pub(super) fn is_bound(&self) -> bool {
        match &self.how {
            How::Rule(at) => *at >= BOUND,
            How::Fixed(_) => false,
            How::Expression(expression) => expression.first_token.is_some(),
        }
    }

    /// Whether names of any first token may have its tag.
    pub(super) fn is_for_all(&self) -> bool {
        match &self.how {
            How::Rule(at) => {
                let rule = RULES.get(*at);
                rule.is_some_and(|rule| super::first_tokens(rule).contains(&""))
            }
            How::Fixed(_) => true,
            How::Expression(expression) => expression.first_token.is_none(),
        }
    }

    /// The first tokens of names that may have its tag, where not all may.
    pub(super) fn first_tokens(&self) -> impl Iterator<Item = &str> {
        let (of_rule, of_expression) = match &self.how {
            How::Rule(at) => (RULES.get(*at).map(super::first_tokens), None),
            How::Fixed(_) => (None, None),
            How::Expression(expression) => (None, expression.first_token.as_deref()),
        };
        let tokens = of_rule.into_iter().flatten().chain(of_expression);
        tokens.filter(|token| !token.is_empty())
    }

    /// The value in a name, and what is taken out of the name with it.
    pub(super) fn find<'n>(&'n self, name: &'n str) -> Option<(&'n str, Range<usize>)> {
        let found = match &self.how {
            How::Rule(at) => super::find(RULES.get(*at)?, name)?,
            How::Fixed(value) => return Some((value, 0..0)),
            How::Expression(expression) => expression.find(name)?,
        };
        Some((name.get(found.value).unwrap_or_default(), found.removed))
    }
}
