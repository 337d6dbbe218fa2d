//! Expressions as trees, from a text or from a message.

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Constant(Constant),
    Ident(Box<str>),
    /// A field, or whether it is there (`has`).
    Select {
        operand: Box<Expr>,
        field: Box<str>,
        is_test: bool,
    },
    /// A function or operator by its name in CEL, such as `_==_`.
    Call {
        name: Box<str>,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    /// `a && b && c`.
    And(Vec<Expr>),
    /// `a || b || c`.
    Or(Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// A message of this type.
    Struct(Box<str>),
    /// `exists` and its like.
    Comprehension,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
}

impl Expr {
    /// A call of a function or operator.
    pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Self {
        Expr::Call {
            name: name.into(),
            target: None,
            arguments,
        }
    }

    /// A field.
    pub(crate) fn select(operand: Expr, field: &str, is_test: bool) -> Self {
        Expr::Select {
            operand: Box::new(operand),
            field: field.into(),
            is_test,
        }
    }

    /// `left && right`, flat.
    pub(crate) fn and(left: Expr, right: Expr) -> Self {
        Expr::And(joined(left, right, |expr| match expr {
            Expr::And(list) => Ok(list),
            other => Err(other),
        }))
    }

    /// `left || right`, flat.
    pub(crate) fn or(left: Expr, right: Expr) -> Self {
        Expr::Or(joined(left, right, |expr| match expr {
            Expr::Or(list) => Ok(list),
            other => Err(other),
        }))
    }
}

fn joined(left: Expr, right: Expr, list: fn(Expr) -> Result<Vec<Expr>, Expr>) -> Vec<Expr> {
    let mut all = list(left).unwrap_or_else(|one| vec![one]);
    all.extend(list(right).unwrap_or_else(|one| vec![one]));
    all
}
