//! Headers that a config adds, sets or removes: `HeaderValueOption` lists, compiled.
//!
//! Follows Envoy's order: removals first; then every value is computed from the headers as they are after
//! that; then the overwrites are done, then the additions.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};

use crate::formatter::{
    ExtensionCommands, Format, FormatContext, FormatterExtension, extension_commands,
};
use crate::headers::{HeaderMap, HeaderName, Known};

enumeration! {
    /// What happens where the header exists already.
    pub enum AppendAction: "envoy.config.core.v3.HeaderValueOption.HeaderAppendAction" {
        APPEND_IF_EXISTS_OR_ADD => AppendIfExistsOrAdd,
        ADD_IF_ABSENT => AddIfAbsent,
        OVERWRITE_IF_EXISTS_OR_ADD => OverwriteIfExistsOrAdd,
        OVERWRITE_IF_EXISTS => OverwriteIfExists,
    }
}

message! {
    /// A header to add and how.
    pub struct HeaderValueOption: "envoy.config.core.v3.HeaderValueOption" {
        pub(crate) header: HeaderValue,
        pub(crate) append: Option<bool>,
        pub(crate) append_action: AppendAction,
        pub(crate) keep_empty_value: bool,
    }
}

message! {
    /// A header's name and value; the value may hold `%OPERATORS%`.
    pub struct HeaderValue: "envoy.config.core.v3.HeaderValue" {
        pub(crate) key: Spanned<String>,
        pub(crate) value: Spanned<String>,
        pub(crate) raw_value: Vec<u8>,
    }
}

/// Compiled additions and removals of one level (route, virtual host, ...).
#[derive(Clone, Debug, Default)]
pub struct HeaderMutations {
    remove: Box<[HeaderName]>,
    add: Box<[Addition]>,
}

#[derive(Clone, Debug)]
struct Addition {
    name: HeaderName,
    value: Format,
    action: AppendAction,
    keep_empty: bool,
}

/// Values computed by [`HeaderMutations::evaluate`], to be applied.
pub struct Evaluated<'a> {
    values: Vec<(&'a Addition, Vec<u8>)>,
}

impl HeaderMutations {
    /// Compiles both lists; every bad entry is reported.
    pub fn compile(
        add: &[HeaderValueOption],
        remove: &[Spanned<String>],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        Self::compile_extended(add, remove, &[], ctx)
    }

    /// The same; values may have the commands that extensions bring.
    ///
    /// # Errors
    /// An entry is bad.
    pub fn compile_extended(
        add: &[HeaderValueOption],
        remove: &[Spanned<String>],
        formatters: &[FormatterExtension],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let commands = extension_commands(formatters, ctx)?;
        let additions: Vec<_> = add
            .iter()
            .map(|option| Addition::compile(option, &commands, ctx))
            .collect();
        let removals: Vec<_> = remove.iter().map(|name| removable(name, ctx)).collect();
        let additions: Vec<_> = additions.into_iter().collect::<Result<_, _>>()?;
        let removals: Vec<_> = removals.into_iter().collect::<Result<_, _>>()?;
        Ok(HeaderMutations {
            add: additions.into_iter().flatten().collect(),
            remove: removals.into_iter().flatten().collect(),
        })
    }

    /// Headers that are set whatever was there, such as the metadata of a call.
    ///
    /// # Errors
    /// [`Refused`] when one of them cannot be set.
    pub fn of_values(values: &[HeaderValue], ctx: &mut Ctx) -> Result<Self, Refused> {
        let additions: Vec<_> = values
            .iter()
            .map(|value| {
                let action = AppendAction::OverwriteIfExistsOrAdd;
                Addition::of_value(value, action, false, &ExtensionCommands::default(), ctx)
            })
            .collect();
        let additions: Vec<_> = additions.into_iter().collect::<Result<_, _>>()?;
        Ok(HeaderMutations {
            remove: Box::default(),
            add: additions.into_iter().flatten().collect(),
        })
    }

    /// Sets the metadata of a call, whose values may be of the stream that it is for; those that need one are left out
    /// where there is none. Binary metadata goes as base64.
    pub fn set_metadata(&self, headers: &mut HeaderMap, of: Option<&FormatContext<'_>>) {
        for addition in &self.add {
            let mut value = Vec::new();
            match (of, addition.value.as_literal()) {
                (_, Some(literal)) => value.extend_from_slice(literal),
                (Some(context), None) => addition.value.format(context, &mut value),
                (None, None) => continue,
            }
            if value.is_empty() || !is_clean(&value) {
                continue;
            }
            if addition.name.as_bytes().ends_with(b"-bin") {
                value = nuncio_config::base64::encode(&value).into_bytes();
            }
            headers.replace(&addition.name, &value);
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// The same, and behind it a header that is added where there is none yet.
    #[must_use]
    pub fn with_default(&self, name: HeaderName, value: Vec<u8>) -> Self {
        let sets_it = |addition: &Addition| {
            addition.name == name && addition.action != AppendAction::OverwriteIfExists
        };
        if self.add.iter().any(sets_it) {
            return self.clone();
        }
        let mut add = self.add.to_vec();
        add.push(Addition {
            name,
            value: Format::literal(value),
            action: AppendAction::AddIfAbsent,
            keep_empty: false,
        });
        HeaderMutations {
            add: add.into(),
            remove: self.remove.clone(),
        }
    }

    /// Removes what is to be removed; call it before [`Self::evaluate`].
    pub fn remove_from(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
    }

    /// Computes the values; `target` are the headers that they will be added to.
    pub fn evaluate(&self, target: &HeaderMap, context: &FormatContext<'_>) -> Evaluated<'_> {
        let mut values = Vec::with_capacity(self.add.len());
        for addition in &self.add {
            let exists = || target.get(&addition.name).is_some();
            let wanted = match addition.action {
                AppendAction::AddIfAbsent => !exists(),
                AppendAction::OverwriteIfExists => exists(),
                AppendAction::AppendIfExistsOrAdd | AppendAction::OverwriteIfExistsOrAdd => true,
            };
            if !wanted {
                continue;
            }
            let mut value = Vec::new();
            addition.value.format(context, &mut value);
            if !value.is_empty() || addition.keep_empty {
                values.push((addition, value));
            }
        }
        Evaluated { values }
    }
}

impl Evaluated<'_> {
    /// Overwrites, then adds. A value that came out with a CR, LF or NUL in it is left away.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let usable = || self.values.iter().filter(|(_, value)| is_clean(value));
        for (addition, value) in usable() {
            if addition.overwrites() {
                headers.replace(&addition.name, value);
            }
        }
        for (addition, value) in usable() {
            if !addition.overwrites() {
                headers.append(&addition.name, value);
            }
        }
    }
}

/// Whether nothing in a value would end its line.
fn is_clean(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

impl Addition {
    fn compile(
        option: &HeaderValueOption,
        commands: &ExtensionCommands,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        let action = match option.append {
            None => option.append_action,
            Some(_) if option.append_action != AppendAction::AppendIfExistsOrAdd => {
                ctx.error(
                    option.span(),
                    "Both append and append_action are set and it's not allowed",
                );
                return Err(Refused);
            }
            Some(true) => AppendAction::AppendIfExistsOrAdd,
            Some(false) => AppendAction::OverwriteIfExistsOrAdd,
        };
        Self::of_value(
            &option.header,
            action,
            option.keep_empty_value,
            commands,
            ctx,
        )
    }

    fn of_value(
        header: &HeaderValue,
        action: AppendAction,
        keep_empty: bool,
        commands: &ExtensionCommands,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        let Some(name) = named(&header.key, ctx) else {
            return Ok(None);
        };
        if name.is_pseudo() || name.known() == Some(Known::Host) {
            ctx.error(
                header.key.span,
                ":-prefixed or host headers may not be modified",
            );
            return Err(Refused);
        }
        let value = if header.raw_value.is_empty() {
            let text = &header.value.value;
            Format::compile_header_value_with(text, commands).map_err(|error| {
                ctx.error(header.value.span, error.to_string());
                Refused
            })?
        } else {
            Format::literal(header.raw_value.clone())
        };
        Ok(Some(Addition {
            name,
            value,
            action,
            keep_empty,
        }))
    }

    fn overwrites(&self) -> bool {
        matches!(
            self.action,
            AppendAction::OverwriteIfExists | AppendAction::OverwriteIfExistsOrAdd
        )
    }
}

fn removable(name: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<HeaderName>, Refused> {
    let Some(parsed) = named(name, ctx) else {
        return Ok(None);
    };
    if parsed.is_pseudo() || parsed.known() == Some(Known::Host) {
        ctx.error(name.span, ":-prefixed or host headers may not be removed");
        return Err(Refused);
    }
    Ok(Some(parsed))
}

/// Envoy takes what is no header name and writes it on the wire; here such an entry does nothing.
fn named(name: &Spanned<String>, ctx: &mut Ctx) -> Option<HeaderName> {
    let parsed = HeaderName::parse_with_pseudo(&name.value).ok();
    if parsed.is_none() {
        let text = format!(
            "`{}` is not a header name: the entry does nothing",
            name.value
        );
        ctx.warning(name.span, text);
    }
    parsed
}
