//! Where resources come from that are not in the configuration itself (`ConfigSource`): clusters, listeners, routes,
//! hosts and secrets alike.
//!
//! Files are the one source that there is; servers (`api_config_source`, `ads`, `self`) are refused.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Ctx, FromValue, Refused, Spanned, SupportTable};
use nuncio_config::{message, one_of};

message! {
    /// A source of resources.
    pub struct ConfigSource: "envoy.config.core.v3.ConfigSource" {
        pub(crate) oneof config_source_specifier: ConfigSourceSpecifier,
        inert initial_fetch_timeout = "a file is read at once, so that nothing is waited for",
        inert resource_api_version = "resources are of v3",
    }
}

one_of! {
    /// The kinds of source.
    pub enum ConfigSourceSpecifier {
        path => Path(Spanned<String>),
        path_config_source => PathConfigSource(PathConfigSource),
    }
}

message! {
    /// A file.
    pub struct PathConfigSource: "envoy.config.core.v3.PathConfigSource" {
        pub(crate) path: Spanned<String>,
        pub(crate) watched_directory: Option<WatchedDirectory>,
    }
}

message! {
    /// A directory whose content is replaced by moves.
    pub struct WatchedDirectory: "envoy.config.core.v3.WatchedDirectory" {
        pub(crate) path: Spanned<String>,
    }
}

/// A source by its message, for who hands it on to whoever subscribes. It has been looked at, so that a source that is
/// not supported is refused where it stands.
#[derive(Clone, Debug)]
pub struct SourceMessage(pub Arc<Message>);

impl FromValue for SourceMessage {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        ConfigSource::from_value(value, span, ctx)?;
        Arc::from_value(value, span, ctx).map(SourceMessage)
    }

    fn support(table: &mut SupportTable) {
        ConfigSource::support(table);
    }
}

/// A source of resources, for comparing and for subscribing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResourceSource {
    /// A file.
    File {
        /// Its path.
        path: Arc<str>,
        /// The directory whose moves tell that it may be another.
        watched_directory: Option<Arc<str>>,
    },
}

impl ConfigSource {
    /// What is to be subscribed to.
    pub fn source(&self) -> ResourceSource {
        let (path, watched) = match &self.config_source_specifier {
            ConfigSourceSpecifier::Path(path) => (path, None),
            ConfigSourceSpecifier::PathConfigSource(file) => {
                (&file.path, file.watched_directory.as_ref())
            }
        };
        ResourceSource::File {
            path: path.value.as_str().into(),
            watched_directory: watched.map(|watched| watched.path.value.as_str().into()),
        }
    }
}
