//! Predicates: one input and what it has to be like, and what is made of them by `and`, `or` and `not`. What depends
//! on something that is not there yet is unknown, unless the rest decides alone.

use nuncio_config::typed::Refused;

use super::build::wrong_kind;
use super::expression;
use super::input::{Fetched, Given, Input};
use super::message::{PredicateKind, PredicateList, PredicateMessage, SingleKind};
use super::value::ValueTest;
use super::{MatchContext, MatchData};
use crate::cel::Expression;

/// A compiled predicate.
#[derive(Debug)]
pub(super) enum Predicate {
    Single(Input, ValueTest),
    Expression(Expression),
    Or(Box<[Predicate]>),
    And(Box<[Predicate]>),
    Not(Box<Predicate>),
}

/// What a predicate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

impl Predicate {
    pub(super) fn compile<C: MatchContext>(
        message: &PredicateMessage,
        context: &mut C,
    ) -> Result<Self, Refused> {
        let mut all = |list: &PredicateList| {
            let compiled: Vec<_> = list
                .predicate
                .iter()
                .map(|predicate| Self::compile(predicate, context))
                .collect();
            compiled.into_iter().collect::<Result<Box<[_]>, _>>()
        };
        match &message.match_type {
            PredicateKind::Or(list) => all(list).map(Predicate::Or),
            PredicateKind::And(list) => all(list).map(Predicate::And),
            PredicateKind::Not(inner) => {
                Self::compile(inner, context).map(|inner| Predicate::Not(Box::new(inner)))
            }
            PredicateKind::Single(single) => {
                let input = Input::compile(&single.input, context);
                if let SingleKind::Custom(custom) = &single.matcher
                    && expression::is_one(custom)
                {
                    let expression = expression::compile(custom, context.ctx());
                    let (input, expression) = (input?, expression?);
                    if input.gives() != Given::Attributes {
                        wrong_kind(&single.input, input.gives(), true, context.ctx());
                        return Err(Refused);
                    }
                    return Ok(Predicate::Expression(expression));
                }
                let test = ValueTest::compile(&single.matcher, context.ctx());
                let (input, test) = (input?, test?);
                if !test.takes(&input) {
                    wrong_kind(&single.input, input.gives(), false, context.ctx());
                    return Err(Refused);
                }
                Ok(Predicate::Single(input, test))
            }
        }
    }

    pub(super) fn holds(&self, data: &MatchData<'_>) -> Truth {
        match self {
            Predicate::Single(input, test) => match input.fetch(data) {
                Fetched::NotYet => Truth::Unknown,
                fetched if test.matches(&fetched) => Truth::True,
                _ => Truth::False,
            },
            Predicate::Expression(expression) => expression::holds(expression, data),
            Predicate::Or(all) => {
                let mut unknown = false;
                for predicate in all {
                    match predicate.holds(data) {
                        Truth::True => return Truth::True,
                        Truth::Unknown => unknown = true,
                        Truth::False => {}
                    }
                }
                if unknown {
                    Truth::Unknown
                } else {
                    Truth::False
                }
            }
            Predicate::And(all) => {
                let mut holds = all.iter().map(|predicate| predicate.holds(data));
                holds
                    .find(|truth| *truth != Truth::True)
                    .unwrap_or(Truth::True)
            }
            Predicate::Not(inner) => match inner.holds(data) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                Truth::Unknown => Truth::Unknown,
            },
        }
    }
}
