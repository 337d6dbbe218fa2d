//! Expressions as messages: the trees that CEL's parsers and checkers make. There are two of each message, of the old
//! package and of the new one, with the same fields.
//!
//! Depth is limited by the configuration's own limits.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message, one_of};

use super::ast::{self, Constant};
use super::{Expression, Options};

macro_rules! trees {
    ($module:ident $expr:literal $constant:literal $ident:literal $select:literal $call:literal $list:literal $structure:literal
     $entry:literal $parsed:literal $checked:literal) => {
        /// The messages of one package.
        pub(crate) mod $module {
            use super::*;

            message! {
                /// An expression.
                pub struct Expr: $expr {
                    inert id = "only sources of mistakes are told by it",
                    pub(crate) oneof expr_kind: Option<ExprKind>,
                }
            }

            one_of! {
                /// Its kinds.
                pub enum ExprKind {
                    const_expr => Constant(ConstantMessage),
                    ident_expr => Ident(Ident),
                    select_expr => Select(Box<Select>),
                    call_expr => Call(Box<Call>),
                    list_expr => List(List),
                    struct_expr => Struct(Struct),
                    /// Always refused, as in Envoy.
                    comprehension_expr => Comprehension(()),
                }
            }

            message! {
                /// A literal.
                pub struct ConstantMessage: $constant {
                    pub(crate) oneof constant_kind: Option<ConstantKind>,
                }
            }

            one_of! {
                /// Its kinds.
                pub enum ConstantKind {
                    null_value => Null(NullValue),
                    bool_value => Bool(bool),
                    int64_value => Int(i64),
                    uint64_value => Uint(u64),
                    double_value => Double(f64),
                    string_value => String(String),
                    bytes_value => Bytes(Bytes),
                }
            }

            message! {
                /// A name.
                pub struct Ident: $ident {
                    pub(crate) name: String,
                }
            }

            message! {
                /// A field, or whether it is there.
                pub struct Select: $select {
                    pub(crate) operand: Expr,
                    pub(crate) field: String,
                    pub(crate) test_only: bool,
                }
            }

            message! {
                /// A function of arguments, perhaps of a target.
                pub struct Call: $call {
                    pub(crate) target: Option<Expr>,
                    pub(crate) function: String,
                    pub(crate) args: Vec<Expr>,
                }
            }

            message! {
                /// A list.
                pub struct List: $list {
                    pub(crate) elements: Vec<Expr>,
                }
            }

            message! {
                /// A map, or a message.
                pub struct Struct: $structure {
                    pub(crate) message_name: String,
                    pub(crate) entries: Vec<Entry>,
                }
            }

            message! {
                /// A key and its value.
                pub struct Entry: $entry {
                    inert id = "only sources of mistakes are told by it",
                    pub(crate) oneof key_kind: Option<KeyKind>,
                    pub(crate) value: Expr,
                }
            }

            one_of! {
                /// A field of a message, or a key of a map.
                pub enum KeyKind {
                    field_key => Field(String),
                    map_key => Key(Expr),
                }
            }

            message! {
                /// What a parser makes.
                pub struct ParsedExpr: $parsed {
                    pub(crate) expr: Option<Expr>,
                    inert source_info = "Envoy does not look at it",
                }
            }

            message! {
                /// What a checker makes.
                pub struct CheckedExpr: $checked {
                    inert reference_map = "Envoy does not look at it",
                    inert type_map = "Envoy does not look at it",
                    inert source_info = "Envoy does not look at it",
                    inert expr_version = "Envoy does not look at it",
                    pub(crate) expr: Option<Expr>,
                }
            }

            impl Expr {
                /// Its tree; none where something is empty.
                pub(crate) fn tree(&self) -> Option<ast::Expr> {
                    Some(match self.expr_kind.as_ref()? {
                        ExprKind::Constant(constant) => {
                            ast::Expr::Constant(constant.constant_kind.as_ref()?.constant())
                        }
                        ExprKind::Ident(ident) => ast::Expr::Ident(ident.name.as_str().into()),
                        ExprKind::Select(select) => ast::Expr::select(
                            select.operand.tree()?,
                            &select.field,
                            select.test_only,
                        ),
                        ExprKind::Call(call) => {
                            let target = match &call.target {
                                Some(target) => Some(target.tree()?),
                                None => None,
                            };
                            let arguments =
                                call.args.iter().map(Expr::tree).collect::<Option<_>>()?;
                            called(&call.function, target, arguments)
                        }
                        ExprKind::List(list) => {
                            let all = list.elements.iter().map(Expr::tree);
                            ast::Expr::List(all.collect::<Option<_>>()?)
                        }
                        ExprKind::Struct(made) if !made.message_name.is_empty() => {
                            ast::Expr::Struct(made.message_name.as_str().into())
                        }
                        ExprKind::Struct(made) => {
                            let entry = |entry: &Entry| match entry.key_kind.as_ref()? {
                                KeyKind::Key(key) => Some((key.tree()?, entry.value.tree()?)),
                                KeyKind::Field(name) => {
                                    let key = Constant::String(name.as_str().into());
                                    Some((ast::Expr::Constant(key), entry.value.tree()?))
                                }
                            };
                            ast::Expr::Map(made.entries.iter().map(entry).collect::<Option<_>>()?)
                        }
                        ExprKind::Comprehension(()) => ast::Expr::Comprehension,
                    })
                }
            }

            impl ConstantKind {
                fn constant(&self) -> Constant {
                    match self {
                        ConstantKind::Null(NullValue::Null) => Constant::Null,
                        ConstantKind::Bool(bool) => Constant::Bool(*bool),
                        ConstantKind::Int(number) => Constant::Int(*number),
                        ConstantKind::Uint(number) => Constant::Uint(*number),
                        ConstantKind::Double(number) => Constant::Double(*number),
                        ConstantKind::String(text) => Constant::String(text.as_str().into()),
                        ConstantKind::Bytes(bytes) => Constant::Bytes(bytes.as_slice().into()),
                    }
                }
            }
        }
    };
}

trees!(v1alpha1
    "google.api.expr.v1alpha1.Expr" "google.api.expr.v1alpha1.Constant" "google.api.expr.v1alpha1.Expr.Ident"
    "google.api.expr.v1alpha1.Expr.Select" "google.api.expr.v1alpha1.Expr.Call"
    "google.api.expr.v1alpha1.Expr.CreateList" "google.api.expr.v1alpha1.Expr.CreateStruct"
    "google.api.expr.v1alpha1.Expr.CreateStruct.Entry"
    "google.api.expr.v1alpha1.ParsedExpr" "google.api.expr.v1alpha1.CheckedExpr");
trees!(canonical
    "cel.expr.Expr" "cel.expr.Constant" "cel.expr.Expr.Ident" "cel.expr.Expr.Select" "cel.expr.Expr.Call"
    "cel.expr.Expr.CreateList" "cel.expr.Expr.CreateStruct" "cel.expr.Expr.CreateStruct.Entry"
    "cel.expr.ParsedExpr" "cel.expr.CheckedExpr");

/// Bytes of a literal.
type Bytes = Vec<u8>;

enumeration! {
    /// The literal `null`.
    pub enum NullValue: "google.protobuf.NullValue" {
        NULL_VALUE => Null,
    }
}

message! {
    /// An expression of either package, or its text.
    pub struct CelExpression: "xds.type.v3.CelExpression" {
        pub(crate) oneof expr_specifier: Option<OldKind>,
        pub(crate) cel_expr_parsed: Option<canonical::ParsedExpr>,
        pub(crate) cel_expr_checked: Option<canonical::CheckedExpr>,
        inert cel_expr_string = "Envoy's matcher does not look at it",
    }
}

one_of! {
    /// The kinds of the old package.
    pub enum OldKind {
        parsed_expr => Parsed(v1alpha1::ParsedExpr),
        checked_expr => Checked(v1alpha1::CheckedExpr),
    }
}

impl CelExpression {
    /// Compiles the expression that counts: a checked one first, those of the new package before those of the old.
    pub(crate) fn compile(&self, ctx: &mut Ctx) -> Result<Expression, Refused> {
        let tree = match (
            &self.cel_expr_checked,
            &self.cel_expr_parsed,
            &self.expr_specifier,
        ) {
            (Some(checked), ..) => checked.expr.as_ref().and_then(canonical::Expr::tree),
            (_, Some(parsed), _) => parsed.expr.as_ref().and_then(canonical::Expr::tree),
            (.., Some(OldKind::Checked(it))) => it.expr.as_ref().and_then(v1alpha1::Expr::tree),
            (.., Some(OldKind::Parsed(it))) => it.expr.as_ref().and_then(v1alpha1::Expr::tree),
            (None, None, None) => {
                let text = "failed to create an expression: CEL expression not set.";
                ctx.error(self.span(), text);
                return Err(Refused);
            }
        };
        Expression::of(tree, Options::default(), self.span(), ctx)
    }
}

/// A call as the parser of texts would have made it: operators of logic are flat.
fn called(name: &str, target: Option<ast::Expr>, arguments: Vec<ast::Expr>) -> ast::Expr {
    match (name, target, <[ast::Expr; 2]>::try_from(arguments)) {
        ("_&&_", None, Ok([left, right])) => ast::Expr::and(left, right),
        ("_||_", None, Ok([left, right])) => ast::Expr::or(left, right),
        (name, target, arguments) => ast::Expr::Call {
            name: name.into(),
            target: target.map(Box::new),
            arguments: arguments.map_or_else(|all| all, Vec::from),
        },
    }
}
