//! Listeners and clusters as a configuration has them, compiled and not yet running, and what tells one
//! version of them from another.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::tree::{Message, Value, same, same_but_for};
use nuncio_config::typed::{Awaited, Ctx, FileRead, Refused, SecretWish, decode};
use nuncio_config::wire;
use nuncio_contract::config_source::ConfigSource;
use nuncio_contract::hash::xxh64;
use nuncio_upstream::config::ClusterConfig;

use crate::listener::{ChainIdentities, CompiledListener, Routes};

/// The fields of a listener that hold filter chains.
const CHAINS: [&str; 3] = [
    "filter_chains",
    "default_filter_chain",
    "filter_chain_matcher",
];

const ROUTE_CONFIGURATION: &str = "envoy.config.route.v3.RouteConfiguration";

/// What a resource was made of.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Its message.
    pub message: Arc<Message>,
    /// The files that it names: certificates, bodies.
    pub files: Vec<FileRead>,
    /// The static secrets that it refers to.
    pub secrets: Vec<Arc<Message>>,
    /// Those from elsewhere.
    pub wanted: Vec<SecretWish>,
}

/// The secrets from elsewhere that were wished for since there were `before` of them. Not everybody who wishes for one
/// looks at its source: formats cannot, as sources may have formats themselves.
///
/// # Errors
/// What is wrong with a source is in the context.
pub(crate) fn wishes_since(before: usize, ctx: &mut Ctx) -> Result<Vec<SecretWish>, Refused> {
    let wanted = ctx.secrets_wanted.split_off(before);
    for wish in &wanted {
        let mut found = Ctx::new(ctx.allow_unsupported);
        let source = decode::<ConfigSource>(&wish.source, &mut found);
        if source.and_then(|source| source.source(&mut found)).is_err()
            || found.diagnostics.has_errors()
        {
            ctx.diagnostics.append(found.diagnostics);
            return Err(Refused);
        }
    }
    Ok(wanted)
}

/// A listener, ready to be bound.
#[derive(Clone)]
pub(crate) struct ListenerResource {
    /// What it was made of.
    pub version: Version,
    /// Its config.
    pub listener: Arc<CompiledListener>,
    /// What it waits for before it runs.
    pub awaited: Vec<Arc<dyn Awaited>>,
    /// The routes of its chains, which can change without it.
    pub routes: Routes,
    /// The version of the update that it came by; none if it is static.
    pub update: Option<Arc<str>>,
    /// Whether it was counted when it began to warm.
    pub is_counted: bool,
}

/// A cluster, ready to be added.
pub(crate) struct ClusterResource {
    /// What it was made of.
    pub version: Version,
    /// Its config.
    pub config: ClusterConfig,
    /// The version of the update that it came by; none if it is static.
    pub update: Option<Arc<str>>,
}

/// A resource that was refused.
#[derive(Clone)]
pub(crate) struct Rejected {
    /// Its name; none if no resource of that name is to show it.
    pub(crate) name: Option<String>,
    /// The resource.
    pub(crate) message: Arc<Message>,
    /// Why, in Envoy's words.
    pub(crate) details: String,
    /// When.
    pub(crate) at: SystemTime,
}

/// How much of a resource is another than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    Nothing,
    /// The routes inside of it.
    Routes,
    /// What it refers to: the bytes of files, or static secrets.
    Referred,
    /// More than that.
    Much,
}

impl ClusterResource {
    /// One that the process made for itself, which names no files and no secrets. None if it cannot be had.
    pub(crate) fn of_its_own(message: Message) -> Option<Self> {
        let message = Arc::new(message);
        let config = ClusterConfig::parse(&message, &mut Ctx::new(false)).ok()?;
        Some(Self {
            version: Version::of(message),
            config,
            update: None,
        })
    }
}

impl Version {
    /// That of a message which names nothing else.
    fn of(message: Arc<Message>) -> Self {
        Self {
            message,
            files: Vec::new(),
            secrets: Vec::new(),
            wanted: Vec::new(),
        }
    }

    /// Whether `newer` is another in its filter chains at most.
    pub(crate) fn differs_in_chains_alone(&self, newer: &Version) -> bool {
        let without = |message: &Message| {
            let mut rest = message.clone();
            for name in CHAINS {
                let field = message.descriptor.field(name);
                field.and_then(|field| rest.remove(field.number()));
            }
            Arc::new(rest)
        };
        same(&without(&self.message), &without(&newer.message))
    }

    /// What tells its filter chains apart, in their order, the default one last.
    pub(crate) fn chain_identities(&self) -> ChainIdentities {
        let list = self.message.find(&["filter_chains"]);
        let list = list.and_then(Value::as_list).unwrap_or_default();
        let chains = list.iter().filter_map(|item| item.value.as_message());
        let default = self.message.find(&["default_filter_chain"]);
        let all = chains.chain(default.and_then(Value::as_message));
        all.map(|chain| xxh64(&wire::encode(chain), 0)).collect()
    }

    /// How much of `newer` is another than this.
    pub(crate) fn change_to(&self, newer: &Version) -> Change {
        let same_files = self.files.len() == newer.files.len()
            && self
                .files
                .iter()
                .zip(&newer.files)
                .all(|(old, new)| old.has_same_content(new));
        let same_secrets = self.secrets.len() == newer.secrets.len()
            && self
                .secrets
                .iter()
                .zip(&newer.secrets)
                .all(|(old, new)| same(old, new));
        let same_referred = same_files && same_secrets;
        match (same(&self.message, &newer.message), same_referred) {
            (true, true) => Change::Nothing,
            (true, false) => Change::Referred,
            (false, true) if same_but_for(&self.message, &newer.message, ROUTE_CONFIGURATION) => {
                Change::Routes
            }
            (false, _) => Change::Much,
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_config::bootstrap::{Input, load};
    use nuncio_config::tree::Value;
    use nuncio_config::typed::Ctx;

    use super::*;

    const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.\
                           http_connection_manager.v3.HttpConnectionManager";

    /// A listener's version, its connection manager with the given fields.
    fn listener(fields: &str) -> Version {
        let filter = format!("{{'@type': {MANAGER}, stat_prefix: p, {fields}}}");
        let yaml = format!(
            "static_resources: {{listeners: [{{name: l, filter_chains: [{{filters: [{{name: h, \
             typed_config: {filter}}}]}}]}}]}}"
        );
        let input = Input {
            yaml: Some(yaml),
            ..Input::default()
        };
        let tree = load(&input).expect("the bootstrap is sound").tree;
        let listeners = tree.find(&["static_resources", "listeners"]);
        let listeners = listeners.and_then(Value::as_list).expect("there is one");
        let message = listeners[0].value.as_message().expect("it is a message");
        Version::of(Arc::clone(message))
    }

    #[test]
    fn the_same_in_other_words_is_no_change() {
        let one = listener("route_config: {name: r}, server_name: s");
        let other = listener("server_name: \"s\",   route_config: {name: 'r'}");
        assert_eq!(one.change_to(&other), Change::Nothing);
    }

    #[test]
    fn routes_alone_are_told_from_anything_more() {
        let one = listener("route_config: {name: r}");
        let routes = listener("route_config: {name: other}");
        let more = listener("route_config: {name: other}, server_name: s");
        assert_eq!(one.change_to(&routes), Change::Routes);
        assert_eq!(one.change_to(&more), Change::Much);
    }

    #[test]
    fn files_count_by_their_bytes() {
        let path = std::env::temp_dir().join(format!("nuncio-version-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).expect("it can be written");
            let mut ctx = Ctx::default();
            ctx.read_file(&path.to_string_lossy(), 100)
                .expect("it can be read");
            Version {
                files: ctx.files,
                ..listener("route_config: {name: r}")
            }
        };
        let (one, again, other) = (read("one"), read("one"), read("other"));
        std::fs::remove_file(&path).expect("it can be removed");
        assert_eq!(one.change_to(&again), Change::Nothing);
        assert_eq!(one.change_to(&other), Change::Referred);
        assert_eq!(
            one.change_to(&listener("route_config: {name: r}")),
            Change::Referred
        );
    }
}
