//! Which cluster a call goes to: the first route that matches counts.

use nuncio_codec::thrift::Head;
use nuncio_config::typed::{Refused, Spanned};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::matching::{CompiledHeaderMatcher, RuntimeFractionalPercent};
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::rate_limit::RateLimitPolicy;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::ClusterId;

use crate::context::CompileContext;
use crate::messages::{
    ClusterSpecifier, MatchSpecifier, RouteConfiguration, RouteMatch, RouteMessage,
};

/// All routes, in their order.
#[derive(Default)]
pub(crate) struct Routes(Vec<Route>);

/// A route.
pub(crate) struct Route {
    name: Name,
    inverts: bool,
    headers: Vec<CompiledHeaderMatcher>,
    clusters: Clusters,
    metadata: Option<Box<Struct>>,
    pub(crate) rate_limits: RateLimitPolicy,
    pub(crate) strips_service: bool,
    pub(crate) mirrors: Vec<Mirror>,
}

/// What methods are called.
enum Name {
    Any,
    Method(Vec<u8>),
    /// With the colon behind it.
    Service(Vec<u8>),
}

enum Clusters {
    One(Target),
    Weighted {
        targets: Vec<Weighted>,
        total: u64,
    },
    /// The header that names it, in lower case.
    Header(Vec<u8>),
}

/// A cluster.
struct Target {
    id: ClusterId,
    name: Box<str>,
}

struct Weighted {
    target: Target,
    weight: u64,
    metadata: Option<Box<Struct>>,
}

/// A cluster that gets calls as well.
pub(crate) struct Mirror {
    pub(crate) id: ClusterId,
    share: Option<RuntimeFractionalPercent>,
}

impl Mirror {
    /// Whether a call that draws this number goes there.
    pub(crate) fn chooses(&self, random: u64) -> bool {
        self.share
            .as_ref()
            .is_none_or(|share| share.chooses(random))
    }
}

/// What was chosen for a call.
pub(crate) struct Choice {
    /// The place of its route.
    place: usize,
    /// None: its name says it.
    pub(crate) id: Option<ClusterId>,
    /// The cluster, as routes or headers call it.
    pub(crate) cluster: Box<str>,
    /// The place of its weighted cluster.
    weighted: Option<usize>,
}

/// A call's headers as matchers know them.
pub(crate) fn header_map(head: &Head) -> HeaderMap {
    let mut map = HeaderMap::request();
    for (name, value) in &head.headers {
        map.append_from_wire(&name.to_ascii_lowercase(), value);
    }
    map
}

impl Routes {
    pub(crate) fn compile(
        message: &RouteConfiguration,
        context: &mut CompileContext<'_>,
    ) -> Result<Self, Refused> {
        let validates = message.validate_clusters != Some(false);
        let routes: Vec<_> = message
            .routes
            .iter()
            .map(|route| Route::compile(route, validates, context))
            .collect();
        routes.into_iter().collect::<Result<_, _>>().map(Routes)
    }

    /// What is chosen for a call that draws this number.
    pub(crate) fn choose(&self, head: &Head, random: u64) -> Option<Choice> {
        let mut map = None;
        self.0.iter().enumerate().find_map(|(place, route)| {
            let headers = &route.headers;
            let matches = route.matches_name(&head.method)
                && (headers.is_empty() || {
                    let map = map.get_or_insert_with(|| header_map(head));
                    headers.iter().all(|header| header.matches(map))
                });
            matches.then(|| route.choose(place, head, random))?
        })
    }

    pub(crate) fn route(&self, choice: &Choice) -> Option<&Route> {
        self.0.get(choice.place)
    }

    /// What the hosts of a choice have to have.
    pub(crate) fn metadata(&self, choice: &Choice) -> Option<&Struct> {
        let route = self.route(choice)?;
        let own = match (&route.clusters, choice.weighted) {
            (Clusters::Weighted { targets, .. }, Some(place)) => {
                targets.get(place).and_then(|it| it.metadata.as_deref())
            }
            _ => None,
        };
        own.or(route.metadata.as_deref())
    }
}

impl Route {
    fn compile(
        message: &RouteMessage,
        validates: bool,
        context: &mut CompileContext<'_>,
    ) -> Result<Self, Refused> {
        let (matched, action) = (&message.r#match, &message.route);
        let name = name_of(matched, context)?;
        let headers: Vec<_> = matched
            .headers
            .iter()
            .map(|header| CompiledHeaderMatcher::compile(header, context.ctx))
            .collect();
        let metadata = balancing_metadata(action.metadata_match.as_ref());
        let clusters = match &action.cluster_specifier {
            ClusterSpecifier::Cluster(name) => {
                Clusters::One(target(name, validates.then_some("cluster"), context)?)
            }
            ClusterSpecifier::Weighted(weighted) => {
                let targets: Vec<_> = weighted
                    .clusters
                    .iter()
                    .map(|each| {
                        let kind = validates.then_some("weighted cluster");
                        let Some(weight) = each.weight else {
                            let text = format!(
                                "Field 'weight' is missing in: name: \"{}\"",
                                each.name.value
                            );
                            context.ctx.error(each.span(), text);
                            return Err(Refused);
                        };
                        Ok(Weighted {
                            target: target(&each.name, kind, context)?,
                            weight: u64::from(weight),
                            metadata: merged(metadata.as_deref(), each.metadata_match.as_ref()),
                        })
                    })
                    .collect();
                let targets: Vec<Weighted> = targets.into_iter().collect::<Result<_, _>>()?;
                let total = targets.iter().map(|each| each.weight).sum();
                Clusters::Weighted { targets, total }
            }
            ClusterSpecifier::Header(name) => {
                Clusters::Header(name.to_ascii_lowercase().into_bytes())
            }
        };
        let mirrors: Vec<_> = action
            .request_mirror_policies
            .iter()
            .map(|policy| {
                let kind = validates.then_some("shadow cluster");
                Ok(Mirror {
                    id: target(&policy.cluster, kind, context)?.id,
                    share: policy.runtime_fraction.clone(),
                })
            })
            .collect();
        Ok(Route {
            name,
            inverts: matched.invert,
            headers: headers.into_iter().collect::<Result<_, _>>()?,
            clusters,
            metadata,
            rate_limits: RateLimitPolicy::compile(&action.rate_limits, context.ctx)?,
            strips_service: action.strip_service_name,
            mirrors: mirrors.into_iter().collect::<Result<_, _>>()?,
        })
    }

    fn matches_name(&self, method: &[u8]) -> bool {
        let matches = match &self.name {
            Name::Any => true,
            Name::Method(name) => method == name,
            Name::Service(prefix) => method.starts_with(prefix),
        };
        matches != self.inverts
    }

    /// None if the header that names the cluster is missing: the next route may match.
    fn choose(&self, place: usize, head: &Head, random: u64) -> Option<Choice> {
        let of = |target: &Target, weighted| Choice {
            place,
            id: Some(target.id),
            cluster: target.name.clone(),
            weighted,
        };
        match &self.clusters {
            Clusters::One(target) => Some(of(target, None)),
            Clusters::Weighted { targets, total } => {
                let mut drawn = random % (*total).max(1);
                let found = targets.iter().position(|each| {
                    let is_it = drawn < each.weight;
                    drawn = drawn.saturating_sub(each.weight);
                    is_it
                })?;
                Some(of(&targets.get(found)?.target, Some(found)))
            }
            Clusters::Header(name) => {
                let mut headers = head.headers.iter();
                let (_, value) = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(Choice {
                    place,
                    id: None,
                    cluster: String::from_utf8_lossy(value).into(),
                    weighted: None,
                })
            }
        }
    }
}

fn name_of(message: &RouteMatch, context: &mut CompileContext<'_>) -> Result<Name, Refused> {
    let (name, what) = match &message.match_specifier {
        MatchSpecifier::Method(name) => (name, "method"),
        MatchSpecifier::Service(name) => (name, "service"),
    };
    if name.is_empty() && message.invert {
        let text = format!("Cannot have an empty {what} name with inversion enabled");
        context.ctx.error(message.span(), text);
        return Err(Refused);
    }
    let bytes = name.clone().into_bytes();
    Ok(match &message.match_specifier {
        _ if bytes.is_empty() => Name::Any,
        MatchSpecifier::Method(_) => Name::Method(bytes),
        MatchSpecifier::Service(name) if name.ends_with(':') => Name::Service(bytes),
        MatchSpecifier::Service(name) => Name::Service(format!("{name}:").into_bytes()),
    })
}

/// A cluster; one that is not there is an error, if it is to be of a `kind`.
fn target(
    name: &Spanned<String>,
    kind: Option<&str>,
    context: &mut CompileContext<'_>,
) -> Result<Target, Refused> {
    if let Some(kind) = kind
        && !(context.known_clusters)(&name.value)
    {
        let text = format!("route: unknown thrift {kind} '{}'", name.value);
        context.ctx.error(name.span, text);
        return Err(Refused);
    }
    Ok(Target {
        id: (context.cluster_id)(&name.value),
        name: name.value.as_str().into(),
    })
}

fn balancing_metadata(message: Option<&MetadataMessage>) -> Option<Box<Struct>> {
    let metadata = message?.read()?;
    metadata.namespace("envoy.lb").cloned().map(Box::new)
}

/// What the route says and what one of its clusters says, which wins.
fn merged(of_route: Option<&Struct>, own: Option<&MetadataMessage>) -> Option<Box<Struct>> {
    let own = balancing_metadata(own)?;
    let mut merged = of_route.cloned().unwrap_or_default();
    for (name, value) in own.fields() {
        merged.insert(name, value.clone());
    }
    Some(Box::new(merged))
}
