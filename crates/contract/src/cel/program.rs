//! From a tree to what is run: names become functions and attributes, patterns are compiled. What Envoy would refuse
//! when it builds an expression is refused here, in its words.

use super::ast::{Constant, Expr};
use super::attributes::Root;
use super::functions::Function;
use super::options::Options;
use super::pattern::Pattern;
use super::value::Type;

/// A part of an expression, ready to run.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Constant),
    /// Attributes of one kind.
    Root(Root),
    /// The stream's dynamic metadata.
    Metadata,
    Type(Type),
    /// A name that stands for nothing.
    Unknown,
    Select(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Conditional(Box<[Node; 3]>),
    /// A search for a pattern that is known.
    Matches(Box<Node>, Box<Pattern>),
    Call(Function, Box<[Node]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
}

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// In Envoy's words.
    Wrong(String),
    /// What Envoy can do and Nuncio not yet.
    NotYet(String),
}

/// Makes what is run of a tree.
///
/// # Errors
/// When Envoy would refuse it, or when it needs what is not there yet.
pub(super) fn plan(expr: &Expr, options: Options) -> Result<Node, Refusal> {
    Planner { options }.value(expr)
}

/// Functions that Envoy has besides where `enable_string_functions` is set.
const MORE_OF_TEXTS: [&str; 9] = [
    "charAt",
    "format",
    "indexOf",
    "join",
    "lastIndexOf",
    "quote",
    "reverse",
    "substring",
    "trim",
];

struct Planner {
    options: Options,
}

type Planned = Result<Node, Refusal>;

impl Planner {
    /// A node that is a value of its own: of the process's node only fields are.
    fn value(&self, expr: &Expr) -> Planned {
        match self.any(expr)? {
            Node::Root(Root::Node) => Err(not_yet("xds.node")),
            node => Ok(node),
        }
    }

    fn any(&self, expr: &Expr) -> Planned {
        match expr {
            Expr::Constant(constant) => Ok(Node::Constant(constant.clone())),
            Expr::Ident(name) => Ok(ident(name)),
            Expr::Select {
                operand,
                field,
                is_test,
            } => self.select(operand, field, *is_test),
            Expr::And(all) => self.values(all).map(Node::And),
            Expr::Or(all) => self.values(all).map(Node::Or),
            Expr::List(all) => self.values(all).map(Node::List),
            Expr::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok((self.value(key)?, self.value(value)?)));
                entries.collect::<Result<_, _>>().map(Node::Map)
            }
            Expr::Call {
                name,
                target,
                arguments,
            } => self.call(name, target.as_deref(), arguments),
            Expr::Struct(name) => Err(match nuncio_api::message(name) {
                Some(_) => not_yet(name),
                None => Refusal::Wrong(format!(
                    "Invalid struct creation: missing type info for '{name}'"
                )),
            }),
            Expr::Comprehension => Err(Refusal::Wrong(
                "Comprehension support is disabled".to_owned(),
            )),
        }
    }

    fn values(&self, all: &[Expr]) -> Result<Box<[Node]>, Refusal> {
        all.iter().map(|expr| self.value(expr)).collect()
    }

    fn select(&self, operand: &Expr, field: &str, is_test: bool) -> Planned {
        let operand = self.any(operand)?;
        if let Node::Root(root) = operand {
            if root.is_missing(field) {
                return Err(not_yet(&format!("{}.{field}", root.name())));
            }
            if root == Root::Xds && field == "node" && !is_test {
                return Ok(Node::Root(Root::Node));
            }
        }
        Ok(match is_test {
            true => Node::Has(Box::new(operand), field.into()),
            false => Node::Select(Box::new(operand), field.into()),
        })
    }

    fn call(&self, name: &str, target: Option<&Expr>, arguments: &[Expr]) -> Planned {
        match (name, target, arguments) {
            ("_?_:_", None, [condition, then, otherwise]) => {
                let parts = [
                    self.value(condition)?,
                    self.value(then)?,
                    self.value(otherwise)?,
                ];
                return Ok(Node::Conditional(Box::new(parts)));
            }
            ("_[_]", None, [operand, Expr::Constant(Constant::String(key))])
                if may_be_root(operand)
                    && let Node::Root(_) = self.any(operand)? =>
            {
                return self.select(operand, key, false);
            }
            _ => {}
        }
        let of_namespace = match target {
            Some(Expr::Ident(namespace)) => {
                let full = format!("{namespace}.{name}");
                Function::named(&full, arguments.len(), false, self.options)
            }
            _ => None,
        };
        if let Some(function) = of_namespace {
            return Ok(Node::Call(function, self.values(arguments)?));
        }
        let count = arguments.len() + usize::from(target.is_some());
        let is_of_texts = target.is_some() && MORE_OF_TEXTS.contains(&name);
        if self.options.string_functions && is_of_texts {
            return Err(not_yet(name));
        }
        let Some(function) = Function::named(name, count, target.is_some(), self.options) else {
            let words = format!("No overload found in reference resolve step for {name}");
            return Err(Refusal::Wrong(words));
        };
        let all: Vec<&Expr> = target.into_iter().chain(arguments).collect();
        if let (Function::Matches, [text, Expr::Constant(Constant::String(pattern))]) =
            (function, all.as_slice())
        {
            let pattern = Pattern::compile(pattern.as_bytes()).map_err(Refusal::Wrong)?;
            return Ok(Node::Matches(
                Box::new(self.value(text)?),
                Box::new(pattern),
            ));
        }
        let nodes = all.into_iter().map(|expr| self.value(expr));
        Ok(Node::Call(function, nodes.collect::<Result<_, _>>()?))
    }
}

fn ident(name: &str) -> Node {
    if name == "metadata" {
        return Node::Metadata;
    }
    let root = Root::named(name).map(Node::Root);
    root.or_else(|| Type::named(name).map(Node::Type))
        .unwrap_or(Node::Unknown)
}

fn not_yet(what: &str) -> Refusal {
    Refusal::NotYet(format!("`{what}` in an expression of CEL"))
}

/// Whether it may be the name of attributes, `request` or `xds.node`. Nothing larger is one, so that nobody plans an
/// operand to find out.
fn may_be_root(expr: &Expr) -> bool {
    let is_name = |expr: &Expr| matches!(expr, Expr::Ident(_));
    match expr {
        Expr::Ident(_) => true,
        Expr::Select { operand, .. } => is_name(operand),
        Expr::Call { arguments, .. } => {
            matches!(arguments.as_slice(), [operand, Expr::Constant(_)] if is_name(operand))
        }
        _ => false,
    }
}
