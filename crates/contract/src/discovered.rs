//! Configurations of filters that come from elsewhere (`config_discovery`, ECDS), whatever the kind of filter.
//!
//! A chain that was compiled holds a place for the configuration, which the server fills; until then there is the
//! default one, or none. Workers see by a number whether it is another than before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nuncio_config::message;
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};

use crate::config_source::{ConfigSource, ResourceSource};

message! {
    /// Where a filter's configuration comes from.
    pub struct ExtensionConfigSource: "envoy.config.core.v3.ExtensionConfigSource" {
        pub(crate) config_source: ConfigSource,
        pub(crate) default_config: Option<Any>,
        pub(crate) apply_default_config_without_warming: bool,
        pub(crate) type_urls: Vec<Spanned<String>>,
    }
}

/// The place of a configuration.
pub struct Discovered<C: ?Sized> {
    /// The filter's name, and that of its configuration.
    pub name: Box<str>,
    /// Who has it.
    pub source: ResourceSource,
    /// The names of the messages that it may be.
    types: Box<[Box<str>]>,
    /// Whether a listener waits for what its source has.
    pub is_awaited: bool,
    /// What there is before one has come, and when it was taken back.
    default: Option<Arc<C>>,
    current: RwLock<Option<Arc<C>>>,
    changes: AtomicU64,
}

impl<C: ?Sized> Discovered<C> {
    /// The place for a filter, with the default configuration in it; `parse` makes one.
    ///
    /// # Errors
    /// [`Refused`] when the default one cannot be used.
    pub fn new(
        name: &str,
        source: &ExtensionConfigSource,
        parse: impl FnOnce(&Any, &mut Ctx) -> Result<Arc<C>, Refused>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let types = source.type_urls.iter();
        let types = types.map(|url| url.value.rsplit('/').next().unwrap_or_default().into());
        let mut place = Discovered {
            name: name.into(),
            source: source.config_source.source(ctx)?,
            types: types.collect(),
            is_awaited: source.default_config.is_none()
                || !source.apply_default_config_without_warming,
            default: None,
            current: RwLock::new(None),
            changes: AtomicU64::new(0),
        };
        if let Some(any) = &source.default_config {
            if let Err(text) = place.accepts(any.type_name()) {
                ctx.error(any.span, text);
                return Err(Refused);
            }
            let default = parse(any, ctx)?;
            place.default = Some(Arc::clone(&default));
            place.set(default);
        }
        Ok(place)
    }

    /// Whether it may be a message of this name.
    ///
    /// # Errors
    /// Why not, in Envoy's words.
    pub fn accepts(&self, type_name: &str) -> Result<(), String> {
        if self.types.iter().any(|one| **one == *type_name) {
            return Ok(());
        }
        Err(format!(
            "Error: filter config has type URL {type_name} but expect {}.",
            self.types.join(", ")
        ))
    }

    /// The names of the messages that it may be.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|one| &**one)
    }

    /// Refuses what would be a filter that there is no room for.
    ///
    /// # Errors
    /// [`Refused`] when `has_room` says so of one of its types.
    pub fn check_types(
        &self,
        span: Span,
        has_room: impl Fn(&str) -> bool,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        match self.types().find(|one| !has_room(one)) {
            None => Ok(()),
            Some(other) => {
                let what = format!("the filter `{}` ({other}) from elsewhere", self.name);
                Err(ctx.unsupported_here(span, what))
            }
        }
    }

    /// Has it be another one for what begins from now on.
    pub fn set(&self, config: Arc<C>) {
        self.put(Some(config));
    }

    /// Has it be the default one, or none, as at the beginning.
    pub fn reset(&self) {
        self.put(self.default.clone());
    }

    fn put(&self, config: Option<Arc<C>>) {
        let current = self.current.write();
        *current.unwrap_or_else(PoisonError::into_inner) = config;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The one of now.
    pub fn current(&self) -> Option<Arc<C>> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it became another one.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}
