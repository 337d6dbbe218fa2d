//! How a declared message reads its fields: numbers are looked up once a type, not once a value.

use std::sync::OnceLock;

use nuncio_api as api;

use crate::span::Span;
use crate::tree::{Entry, Message};
use crate::typed::{Ctx, FromValue, Refused, SupportTable};

/// A field as `message!` lists it.
#[derive(Clone, Copy, Debug)]
pub enum Declared {
    /// A field that the room reads.
    Field(&'static str),
    /// A field that is safe to accept without acting on it, and why.
    Inert(&'static str, &'static str),
    /// The members of a oneof that the room reads.
    OneOf(&'static [&'static str]),
}

/// The declared fields of one message type with their numbers.
#[derive(Debug)]
pub struct FieldTable {
    message: &'static str,
    declared: &'static [Declared],
    resolved: OnceLock<Resolved>,
}

#[derive(Debug)]
struct Resolved {
    /// For each declaration its field numbers; 0 for a name that the API does not have.
    numbers: Vec<Vec<u32>>,
    /// All numbers, sorted.
    known: Vec<u32>,
}

impl FieldTable {
    /// A table for the message with the given full name.
    pub const fn new(message: &'static str, declared: &'static [Declared]) -> FieldTable {
        FieldTable {
            message,
            declared,
            resolved: OnceLock::new(),
        }
    }

    fn resolve(&self) -> &Resolved {
        self.resolved.get_or_init(|| {
            let descriptor = api::message(self.message);
            let number = |name: &&str| {
                descriptor
                    .and_then(|message| message.field(name))
                    .map_or(0, |field| field.number())
            };
            let numbers: Vec<Vec<u32>> = self
                .declared
                .iter()
                .map(|declared| match declared {
                    Declared::Field(name) | Declared::Inert(name, _) => vec![number(name)],
                    Declared::OneOf(names) => names.iter().map(number).collect(),
                })
                .collect();
            let mut known: Vec<u32> = numbers.iter().flatten().copied().collect();
            known.sort_unstable();
            Resolved { numbers, known }
        })
    }

    /// Adds the declarations to the support table; also says which names the API does not have.
    pub fn support(&self, table: &mut SupportTable) {
        let numbers = &self.resolve().numbers;
        for (declared, numbers) in self.declared.iter().zip(numbers) {
            let names: &[&'static str] = match declared {
                Declared::Field(name) => std::slice::from_ref(name),
                Declared::OneOf(names) => names,
                Declared::Inert(name, reason) => {
                    table.add_inert(self.message, name, reason);
                    std::slice::from_ref(name)
                }
            };
            for (name, number) in names.iter().zip(numbers) {
                if *number == 0 {
                    table.add_unknown(self.message, name);
                } else if !matches!(declared, Declared::Inert(..)) {
                    table.add_field(self.message, name);
                }
            }
        }
    }
}

/// The members of a oneof that a room reads; `one_of!` implements it.
pub trait OneOf: Sized {
    /// The members' names, in the order of the variants.
    const FIELDS: &'static [&'static str];

    /// Makes the variant of the member at `index` of [`OneOf::FIELDS`].
    fn from_member(index: usize, entry: &Entry, ctx: &mut Ctx) -> Result<Self, Refused>;

    /// Adds the types of the members to the table.
    fn support(table: &mut SupportTable);
}

/// Reads the fields of one message, in the order of their declaration.
pub struct Fields<'m> {
    table: &'static FieldTable,
    resolved: &'static Resolved,
    message: &'m Message,
    next: usize,
    refused: bool,
}

impl<'m> Fields<'m> {
    /// Begins, and reports each field that is set and not declared.
    pub fn new(
        table: &'static FieldTable,
        message: &'m Message,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        if message.name() != table.message {
            let text = format!(
                "expected a message `{}`, found `{}`",
                table.message,
                message.name()
            );
            ctx.error(message.span, text);
            return Err(Refused);
        }
        let resolved = table.resolve();
        for entry in message.entries() {
            if !entry.is_implicit_default() && resolved.known.binary_search(&entry.number).is_err()
            {
                let name = message
                    .descriptor
                    .field_by_number(entry.number)
                    .map_or("?", |field| field.name());
                ctx.unsupported(
                    entry.key_span(),
                    format_args!("field `{name}` of `{}`", table.message),
                );
            }
        }
        Ok(Fields {
            table,
            resolved,
            message,
            next: 0,
            refused: false,
        })
    }

    /// Where the message stands.
    pub fn span(&self) -> Span {
        self.message.span
    }

    /// The next declared field.
    // Not inlined: messages have thousands of fields of a few types, and each would bring its own copy.
    #[inline(never)]
    pub fn field<T: FromValue>(&mut self, ctx: &mut Ctx) -> Result<T, Refused> {
        match self.next_entry() {
            Some(entry) => T::from_entry(entry, ctx),
            None => T::absent().ok_or_else(|| self.missing(ctx)),
        }
    }

    #[inline(never)]
    fn next_entry(&mut self) -> Option<&'m Entry> {
        let numbers = self.resolved.numbers.get(self.next);
        self.next += 1;
        self.message.get(*numbers?.first()?)
    }

    /// Reports that the field that was read last is not there and must be.
    #[cold]
    #[inline(never)]
    fn missing(&self, ctx: &mut Ctx) -> Refused {
        let declared = self.next.checked_sub(1);
        let name = match declared.and_then(|at| self.table.declared.get(at)) {
            Some(Declared::Field(name)) => name,
            _ => "?",
        };
        ctx.error(
            self.message.span,
            format!("`{name}` is required in `{}`", self.table.message),
        );
        Refused
    }

    /// The next declared oneof, which must be set.
    pub fn one_of<T: OneOf>(&mut self, name: &str, ctx: &mut Ctx) -> Result<T, Refused> {
        let reported = self.has_undeclared_member();
        match self.optional_one_of(ctx)? {
            Some(member) => Ok(member),
            None => {
                if !reported {
                    let text = format!("one of `{}` is required ({name})", T::FIELDS.join("`, `"));
                    ctx.error(self.message.span, text);
                }
                Err(Refused)
            }
        }
    }

    /// The next declared oneof, or nothing when none of its declared members is set.
    pub fn optional_one_of<T: OneOf>(&mut self, ctx: &mut Ctx) -> Result<Option<T>, Refused> {
        let at = self.advance();
        let numbers = self
            .resolved
            .numbers
            .get(at)
            .map_or(&[][..], |numbers| &numbers[..]);
        for (index, number) in numbers.iter().enumerate() {
            if let Some(entry) = self.message.get(*number) {
                return T::from_member(index, entry, ctx).map(Some);
            }
        }
        Ok(None)
    }

    /// The next declared field, whose value needs nothing done once it has passed.
    pub fn check<T: FromValue>(&mut self, ctx: &mut Ctx) {
        self.refused |= self.field::<T>(ctx).is_err();
    }

    /// Whether all fields have passed that are only checked.
    pub fn passed(&self) -> Result<(), Refused> {
        match self.refused {
            true => Err(Refused),
            false => Ok(()),
        }
    }

    /// Passes over a declaration that is read by nobody.
    pub fn inert(&mut self) {
        self.advance();
    }

    /// Whether a member of the next declared oneof is set that the room does not read.
    fn has_undeclared_member(&self) -> bool {
        let first = self
            .resolved
            .numbers
            .get(self.next)
            .and_then(|numbers| numbers.first())
            .copied();
        let field = first.and_then(|number| self.message.descriptor.field_by_number(number));
        let Some(oneof) = field.and_then(|field| field.oneof()) else {
            return false;
        };
        oneof
            .fields()
            .any(|field| self.message.get(field.number()).is_some())
    }

    fn advance(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }
}
