//! From a text of CEL to its tree, by precedence. Mistakes are told in the words of Envoy's parser, but for some of
//! its lists of what it had expected.
//!
//! Limits: 100,000 bytes, brackets and operators nested 100 deep (Envoy's parser takes 250).

use std::ops::Range;

use super::ast::{Constant, Expr};
use super::lexer::{Kind, Token, tokens};

const MOST_BYTES: usize = 100_000;
const MOST_DEPTH: usize = 100;

/// Operators and members of an expression; the tree cannot be deeper than these and its brackets.
const MOST_LINKS: usize = 1_000;

/// Characters that nobody can read, of which each is told with its line.
const MOST_ERRORS: usize = 16;
pub(super) const OPERANDS: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// The macros that go through lists, with their numbers of arguments.
const COMPREHENSIONS: [(&str, usize); 6] = [
    ("all", 2),
    ("exists", 2),
    ("exists_one", 2),
    ("map", 2),
    ("map", 3),
    ("filter", 2),
];

/// Parses a text.
///
/// # Errors
/// In Envoy's words.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.len() > MOST_BYTES {
        return Err(format!(
            "expression size exceeds codepoint limit. input size: {}, limit: {MOST_BYTES}",
            text.chars().count()
        ));
    }
    let (tokens, unreadable) = tokens(text);
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
        links: 0,
    };
    let parsed = parser.whole();
    let mut errors: Vec<String> = unreadable
        .into_iter()
        .take(MOST_ERRORS)
        .map(|it| {
            let words = text.get(it.place.clone()).unwrap_or_default();
            let message = format!("Syntax error: token recognition error at: '{words}'");
            parser.error(it.place.start, &message)
        })
        .collect();
    match parsed {
        Ok(expr) if errors.is_empty() => Ok(expr),
        Ok(_) => Err(errors.join(" ")),
        Err(error) => {
            errors.push(error);
            Err(errors.join(" "))
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Operators and members so far, each of which may make the tree deeper.
    links: usize,
}

/// What is left to tell after a mistake: its text.
type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Expr> {
        let expr = self.expr()?;
        match self.kind() {
            Kind::End => Ok(expr),
            _ => Err(self.unexpected("<EOF>")),
        }
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| {
            let condition = parser.or()?;
            if !parser.take("?") {
                return Ok(condition);
            }
            let then = parser.or()?;
            parser.expect(":", "':'")?;
            let otherwise = parser.expr()?;
            Ok(Expr::call("_?_:_", vec![condition, then, otherwise]))
        })
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.take("||") {
            left = Expr::or(left, self.and()?);
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.binary(0)?;
        while self.take("&&") {
            left = Expr::and(left, self.binary(0)?);
        }
        Ok(left)
    }

    /// Relations, sums and products, by `level`.
    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        const LEVELS: [&[(&str, &str)]; 3] = [
            &[
                ("==", "_==_"),
                ("!=", "_!=_"),
                ("<", "_<_"),
                ("<=", "_<=_"),
                (">", "_>_"),
                (">=", "_>=_"),
                ("in", "@in"),
            ],
            &[("+", "_+_"), ("-", "_-_")],
            &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        let mut chain = 0;
        while let Some(name) = self.operator(operators) {
            chain += 1;
            self.link(chain)?;
            let right = self.binary(level + 1)?;
            left = Expr::call(name, vec![left, right]);
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&str, &'static str)]) -> Option<&'static str> {
        let Kind::Symbol(symbol) = self.kind() else {
            return None;
        };
        let (_, name) = operators.iter().find(|(known, _)| known == symbol)?;
        self.at += 1;
        Some(name)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let mut count = 0;
        while self.take("!") {
            count += 1;
        }
        if count > 0 {
            let operand = self.member()?;
            return Ok(match count % 2 {
                0 => operand,
                _ => Expr::call("!_", vec![operand]),
            });
        }
        while self.take("-") {
            count += 1;
        }
        let is_number = matches!(self.kind(), Kind::Int | Kind::Float);
        if count == 1 && is_number {
            let number = self.literal(true)?;
            return self.members_of(number);
        }
        let operand = self.member()?;
        Ok(match count % 2 {
            0 => operand,
            _ => Expr::call("-_", vec![operand]),
        })
    }

    fn member(&mut self) -> Parsed<Expr> {
        let primary = self.primary()?;
        self.members_of(primary)
    }

    fn members_of(&mut self, mut operand: Expr) -> Parsed<Expr> {
        let mut chain = 0;
        loop {
            chain += 1;
            match chain {
                1 => self.check_depth(self.depth + 1)?,
                _ => self.link(chain)?,
            }
            let start = self.token().place.start;
            if self.take(".") {
                if *self.kind() == Kind::Symbol("?") {
                    return Err(self.error(start, "unsupported syntax '.?'"));
                }
                let field = self.ident()?;
                operand = match self.take("(") {
                    true => {
                        let arguments = self.list(")")?;
                        method(operand, &field, arguments)
                    }
                    false => Expr::select(operand, &field, false),
                };
            } else if self.take("[") {
                if *self.kind() == Kind::Symbol("?") {
                    return Err(self.error(start, "unsupported syntax '[?'"));
                }
                let index = self.expr()?;
                self.expect("]", "']'")?;
                operand = Expr::call("_[_]", vec![operand, index]);
            } else if *self.kind() == Kind::Symbol("{")
                && let Some(name) = qualified(&operand)
            {
                self.at += 1;
                self.fields()?;
                operand = Expr::Struct(name.into());
            } else {
                return Ok(operand);
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let start = self.token().place.start;
        match self.kind() {
            Kind::Symbol(".") => {
                self.at += 1;
                self.named()
            }
            Kind::Ident => self.named(),
            Kind::Symbol("(") => {
                self.at += 1;
                let inner = self.expr()?;
                self.expect(")", "')'")?;
                Ok(inner)
            }
            Kind::Symbol("[") => {
                self.at += 1;
                self.list("]").map(Expr::List)
            }
            Kind::Symbol("{") => {
                self.at += 1;
                self.map().map(Expr::Map)
            }
            Kind::Symbol("true" | "false" | "null")
            | Kind::Int
            | Kind::Uint
            | Kind::Float
            | Kind::String(_)
            | Kind::Bytes(_) => self.literal(false),
            _ if self.tokens.get(self.at + 1).is_some_and(begins_operand) => {
                Err(self.error(start, &self.extraneous(OPERANDS)))
            }
            _ => Err(self.error(start, &self.mismatched(OPERANDS))),
        }
    }

    /// An identifier or a call of a function.
    fn named(&mut self) -> Parsed<Expr> {
        let start = self.token().place.start;
        let name = self.ident()?;
        if RESERVED.contains(&name.as_str()) {
            return Err(self.error(start, &format!("reserved identifier: {name}")));
        }
        if !self.take("(") {
            return Ok(Expr::Ident(name.into()));
        }
        let argument = self.token().place.start;
        let mut arguments = self.list(")")?;
        if name != "has" || arguments.len() != 1 {
            return Ok(Expr::call(&name, arguments));
        }
        match arguments.pop() {
            Some(Expr::Select {
                operand,
                field,
                is_test: false,
            }) => Ok(Expr::Select {
                operand,
                field,
                is_test: true,
            }),
            _ => Err(self.error(argument, "has() argument must be a field selection")),
        }
    }

    fn ident(&mut self) -> Parsed<String> {
        let place = self.token().place.clone();
        if *self.kind() != Kind::Ident {
            let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
            let from = before.map_or(place.start, |token| token.place.start);
            let words = self.words(from..place.end);
            let message = format!("Syntax error: no viable alternative at input '{words}'");
            return Err(self.error(place.start, &message));
        }
        self.at += 1;
        Ok(self.words(place).to_owned())
    }

    /// Expressions up to a bracket; a comma may be the last before it.
    fn list(&mut self, end: &'static str) -> Parsed<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.take(end) {
            all.push(self.expr()?);
            if !self.take(",") {
                self.expect(end, &format!("{{'{end}', ','}}"))?;
                break;
            }
        }
        Ok(all)
    }

    fn map(&mut self) -> Parsed<Vec<(Expr, Expr)>> {
        let mut all = Vec::new();
        while !self.take("}") {
            let key = self.expr()?;
            self.expect(":", "':'")?;
            all.push((key, self.expr()?));
            if !self.take(",") {
                self.expect("}", "{'}', ','}")?;
                break;
            }
        }
        Ok(all)
    }

    fn fields(&mut self) -> Parsed<()> {
        while !self.take("}") {
            self.ident()?;
            self.expect(":", "':'")?;
            self.expr()?;
            if !self.take(",") {
                self.expect("}", "{'}', ','}")?;
                break;
            }
        }
        Ok(())
    }

    fn literal(&mut self, is_negative: bool) -> Parsed<Expr> {
        let token = self.token().clone();
        let words = self.words(token.place.clone());
        let sign = if is_negative { "-" } else { "" };
        let bad = |what: &str| self.error(token.place.start, &format!("invalid {what} literal"));
        let constant = match &token.kind {
            Kind::Symbol("true") => Constant::Bool(true),
            Kind::Symbol("false") => Constant::Bool(false),
            Kind::String(text) => match String::from_utf8(text.clone()) {
                Ok(text) => Constant::String(text.into()),
                Err(_) => return Err(bad("string")),
            },
            Kind::Bytes(bytes) => Constant::Bytes(bytes.as_slice().into()),
            Kind::Float => match format!("{sign}{words}").parse() {
                Ok(number) => Constant::Double(number),
                Err(_) => return Err(bad("double")),
            },
            Kind::Int => {
                let (digits, radix) = radix(words);
                let number = i64::from_str_radix(&format!("{sign}{digits}"), radix);
                Constant::Int(number.map_err(|_| bad("int"))?)
            }
            Kind::Uint => {
                let (digits, radix) = radix(words.trim_end_matches(['u', 'U']));
                let number = u64::from_str_radix(digits, radix);
                Constant::Uint(number.map_err(|_| bad("uint"))?)
            }
            _ => Constant::Null,
        };
        self.at += 1;
        Ok(Expr::Constant(constant))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        self.check_depth(self.depth)?;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Another operator or member, so manieth in its chain.
    fn link(&mut self, chain: usize) -> Parsed<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(format!("More than {MOST_LINKS} operators and members."));
        }
        self.check_depth(self.depth + chain)
    }

    fn check_depth(&self, depth: usize) -> Parsed<()> {
        if depth > MOST_DEPTH {
            return Err(format!(
                "Exceeded max recursion depth of {MOST_DEPTH} when parsing."
            ));
        }
        Ok(())
    }

    fn token(&self) -> &Token {
        static END: Token = Token {
            kind: Kind::End,
            place: 0..0,
        };
        self.tokens.get(self.at).unwrap_or(&END)
    }

    fn kind(&self) -> &Kind {
        &self.token().kind
    }

    fn words(&self, place: Range<usize>) -> &str {
        self.text.get(place).unwrap_or_default()
    }

    fn take(&mut self, symbol: &'static str) -> bool {
        let is_next = *self.kind() == Kind::Symbol(symbol);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, symbol: &'static str, expected: &str) -> Parsed<()> {
        match self.take(symbol) {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn unexpected(&self, expected: &str) -> String {
        let is_alone = self
            .tokens
            .get(self.at + 1)
            .is_some_and(|next| next.kind == Kind::End);
        let message = match is_alone && expected == "<EOF>" {
            true => self.extraneous(expected),
            false => self.mismatched(expected),
        };
        self.error(self.token().place.start, &message)
    }

    fn mismatched(&self, expected: &str) -> String {
        let words = self.shown();
        format!("Syntax error: mismatched input '{words}' expecting {expected}")
    }

    fn extraneous(&self, expected: &str) -> String {
        let words = self.shown();
        format!("Syntax error: extraneous input '{words}' expecting {expected}")
    }

    fn shown(&self) -> &str {
        match self.kind() {
            Kind::End => "<EOF>",
            _ => self.words(self.token().place.clone()),
        }
    }

    /// A mistake at a place, with its line.
    fn error(&self, place: usize, message: &str) -> String {
        let before = self.words(0..place);
        let line = before.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = self.words(start..place).chars().count();
        let source = self.text.lines().nth(line).unwrap_or_default();
        let dots = ".".repeat(column);
        let (line, column) = (line + 1, column + 1);
        format!("ERROR: <input>:{line}:{column}: {message} | {source} | {dots}^")
    }
}

fn radix(words: &str) -> (&str, u32) {
    match words.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (words, 10),
    }
}

fn begins_operand(token: &Token) -> bool {
    match &token.kind {
        Kind::End => false,
        Kind::Symbol(symbol) => {
            ["[", "{", "(", ".", "-", "!", "true", "false", "null"].contains(symbol)
        }
        _ => true,
    }
}

fn method(target: Expr, name: &str, arguments: Vec<Expr>) -> Expr {
    let shape = (name, arguments.len());
    if COMPREHENSIONS.contains(&shape) {
        return Expr::Comprehension;
    }
    Expr::Call {
        name: name.into(),
        target: Some(Box::new(target)),
        arguments,
    }
}

/// The name that identifiers and fields of it spell.
fn qualified(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) => Some(name.to_string()),
        Expr::Select {
            operand,
            field,
            is_test: false,
        } => qualified(operand).map(|name| format!("{name}.{field}")),
        _ => None,
    }
}
