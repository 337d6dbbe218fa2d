//! From the messages to the compiled table; every mistake is reported at its place, in Envoy's words where it
//! has some.

mod paths;

use std::collections::HashMap;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::cluster_specifier::CompiledPlugin;
use nuncio_contract::cors::{CorsPolicy, RouteCorsPolicyMessage};
use nuncio_contract::data_source;
use nuncio_contract::hash_policy::HashPolicies;
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::matching::RegexRewrite;
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::rate_limit::RateLimitPolicy;
use nuncio_contract::registry::Extensions;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_contract::upstream_filters;
use nuncio_upstream::ClusterId;

use super::domain::{DomainError, DomainTable};
use super::forward::{ClusterSource, Forward, HostRewrite, RateLimits};
use super::matcher::RouteMatcher;
use super::resilience::{self, Resilience, StreamTimes};
use super::weight::RuntimeWeights;
use super::{
    Action, Additions, Decorator, Level, PerFilter, PerFilterConfigs, Route, RouteTable,
    RouteUpgrades, Sampling, VirtualHost,
};
use crate::body_format::BodyFormat;
use crate::config::route as config;
use crate::spans::RouteSpans;

const DEFAULT_ROUTE_TIMEOUT: Duration = Duration::from_secs(15);
const DEFAULT_DIRECT_RESPONSE_LIMIT_BYTES: u32 = 4096;
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

/// Envoy's words for a direct response's body that can't be had.
const BODY_WORDS: data_source::Words = data_source::Words {
    no_file: |path| format!("file {path} does not exist"),
    too_large: |source, size_bytes, limit_bytes| match source.filename() {
        Some(path) => format!("file {path} size is {size_bytes} bytes; maximum is {limit_bytes}"),
        None => format!("response body size is {size_bytes} bytes; maximum is {limit_bytes}"),
    },
};

/// What a level says of a filter by its name.
struct NamedEntry<'n> {
    name: &'n str,
    place: Option<usize>,
    config: PerFilter,
    may_be_upstream: bool,
}

/// Compiles route tables.
pub struct RouteCompiler<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// The rooms that parse per-filter configs.
    pub extensions: &'a Extensions,
    /// The names of the connection manager's filters, in order.
    pub filter_names: &'a [String],
    /// The slot of a cluster's name, reserved if need be.
    pub cluster_id: &'a mut dyn FnMut(&str) -> ClusterId,
    /// The clusters that exist; none if they need not (dynamic tables).
    pub known_clusters: Option<&'a dyn Fn(&str) -> bool>,
    /// The table's plugins that choose clusters, which are found as it is compiled.
    pub plugins: HashMap<String, CompiledPlugin>,
}

/// What metadata says of load balancing, if it does.
pub(super) fn balancing_metadata(message: Option<&MetadataMessage>) -> Option<Box<Struct>> {
    let metadata = message?.read()?;
    metadata.namespace("envoy.lb").cloned().map(Box::new)
}

impl RouteCompiler<'_> {
    /// Compiles a table; on an error all of its mistakes are in `ctx`.
    pub fn compile(&mut self, table: &config::RouteConfiguration) -> Result<RouteTable, Refused> {
        let mut domains = DomainTable::default();
        let mut sound = true;
        for (index, host) in (0_u32..).zip(&table.virtual_hosts) {
            for domain in &host.domains {
                if let Err(error) = domains.insert(&domain.value, index) {
                    self.domain_error(&error, domain, &table.name);
                    sound = false;
                }
            }
        }
        if table.validate_clusters == Some(false) {
            self.known_clusters = None;
        }
        let rooms = self.extensions.cluster_specifiers;
        self.plugins.clear();
        for plugin in &table.cluster_specifier_plugins {
            match plugin.compile(rooms, self.ctx) {
                Ok(compiled) => {
                    self.plugins.insert(plugin.name().to_owned(), compiled);
                }
                Err(Refused) => sound = false,
            }
        }
        let hosts: Vec<_> = table
            .virtual_hosts
            .iter()
            .map(|host| self.virtual_host(host, table))
            .collect();
        let level = self.level(
            (
                &table.request_headers_to_add,
                &table.request_headers_to_remove,
            ),
            (
                &table.response_headers_to_add,
                &table.response_headers_to_remove,
            ),
            &table.typed_per_filter_config,
        );
        let internal_only = table
            .internal_only_headers
            .iter()
            .map(|name| HeaderName::to_look_up(&name.value));
        let internal_only_headers = internal_only.collect();
        let host_header = Some(&table.vhost_header)
            .filter(|name| !name.value.is_empty())
            .map(|name| HeaderName::to_look_up(&name.value));
        let mut compiled = RouteTable {
            name: table.name.as_str().into(),
            domains,
            virtual_hosts: hosts.into_iter().collect::<Result<_, _>>()?,
            level: level?,
            most_specific_header_mutations_wins: table.most_specific_header_mutations_wins,
            ignore_port: table.ignore_port_in_host_matching,
            counted: Box::default(),
            adds: Additions::default(),
            internal_only_headers,
            host_header,
            scopes: None,
            more: None,
        };
        compiled.adds = Additions::of(compiled.all_levels());
        compiled.number_counted();
        if sound { Ok(compiled) } else { Err(Refused) }
    }

    fn domain_error(&mut self, error: &DomainError, domain: &Spanned<String>, table: &str) {
        let text = match error {
            DomainError::SecondDefault => {
                format!("Only a single wildcard domain is permitted in route {table}")
            }
            DomainError::Duplicate => format!(
                "Only unique values for domains are permitted. Duplicate entry of domain {} in route {table}",
                domain.value.to_ascii_lowercase()
            ),
        };
        self.ctx.error(domain.span, text);
    }

    fn virtual_host(
        &mut self,
        host: &config::VirtualHost,
        table: &config::RouteConfiguration,
    ) -> Result<VirtualHost, Refused> {
        let routes = self.routes_of(host, table);
        let virtual_clusters = self.virtual_clusters(&host.virtual_clusters);
        let cors = self.cors(host.cors.as_ref());
        let rate_limits = RateLimitPolicy::compile(&host.rate_limits, self.ctx);
        let level = self.level(
            (
                &host.request_headers_to_add,
                &host.request_headers_to_remove,
            ),
            (
                &host.response_headers_to_add,
                &host.response_headers_to_remove,
            ),
            &host.typed_per_filter_config,
        );
        let resilience = Resilience::of_host(host, self.ctx);
        let mirrors = self.mirrors(match host.request_mirror_policies.as_slice() {
            [] => &table.request_mirror_policies,
            own => own,
        });
        let (mut routes, order) = routes?;
        let resilience = Resilience {
            mirrors: mirrors?,
            ..resilience?
        };
        resilience::inherit(&mut routes, &resilience);
        Ok(VirtualHost {
            name: host.name.value.as_str().into(),
            order,
            routes,
            require_tls: host.require_tls,
            level: level?,
            virtual_clusters: virtual_clusters?,
            cors: cors?,
            rate_limits: Some(rate_limits?).filter(|it| !it.is_empty()).map(Box::new),
            metadata: host.metadata.as_ref().and_then(MetadataMessage::read),
            include_request_attempt_count: host.include_request_attempt_count,
            include_attempt_count_in_response: host.include_attempt_count_in_response,
            include_is_timeout_retry_header: host.include_is_timeout_retry_header,
        })
    }

    pub(super) fn route(
        &mut self,
        route: &config::Route,
        table: &config::RouteConfiguration,
    ) -> Result<Route, Refused> {
        let matcher = RouteMatcher::compile(
            &route.r#match,
            table.ignore_path_parameters_in_path_matching,
            self.ctx,
        );
        let action = match &route.action {
            config::Action::Route(action) => self
                .forward(route, action, matcher.as_ref().map_err(|refused| *refused))
                .map(|action| Action::Forward(Box::new(action))),
            config::Action::Redirect(action) => self
                .redirect(action, matcher.as_ref().ok())
                .map(|action| Action::Redirect(Box::new(action))),
            config::Action::DirectResponse(action) => self.direct(action, table),
            config::Action::NonForwarding(_) => Ok(Action::NonForwarding),
            config::Action::Filter(_) => Ok(Action::Filter),
        };
        let level = self.level(
            (
                &route.request_headers_to_add,
                &route.request_headers_to_remove,
            ),
            (
                &route.response_headers_to_add,
                &route.response_headers_to_remove,
            ),
            &route.typed_per_filter_config,
        );
        let matcher = matcher.map(|mut matcher| {
            if let Ok(Action::Forward(forward)) = &action
                && let Some(weights) = RuntimeWeights::of(forward)
            {
                matcher.add_weights(weights);
            }
            matcher
        });
        let name = (!route.name.is_empty()).then(|| route.name.as_str().into());
        Ok(Route {
            name,
            matcher: matcher?,
            action: action?,
            level: level?,
            metadata: route.metadata.as_ref().and_then(MetadataMessage::read),
            stat_prefix: route.stat_prefix.as_str().into(),
            counted: None,
            sampling: route
                .tracing
                .as_ref()
                .map(|tracing| Box::new(Sampling::of_route(tracing))),
            spans: route
                .tracing
                .as_ref()
                .map(|it| {
                    RouteSpans::compile(
                        &it.custom_tags,
                        &it.operation,
                        &it.upstream_operation,
                        self.ctx,
                    )
                })
                .transpose()?
                .map(Box::new),
            decorator: route
                .decorator
                .as_ref()
                .map(|decorator| Box::new(Decorator::of_route(decorator))),
        })
    }

    fn forward(
        &mut self,
        route: &config::Route,
        action: &config::RouteAction,
        matcher: Result<&RouteMatcher, Refused>,
    ) -> Result<Forward, Refused> {
        let metadata_match = balancing_metadata(action.metadata_match.as_ref());
        let cluster = self.cluster_source(&action.cluster_specifier, metadata_match.as_deref());
        let hash_policies = HashPolicies::compile(&action.hash_policy, self.ctx);
        let path = self.path_rewrite(action, matcher);
        let host = match &action.host_rewrite_specifier {
            None | Some(config::HostRewrite::Auto(None | Some(false))) => Ok(None),
            Some(config::HostRewrite::Auto(Some(true))) => Ok(Some(HostRewrite::Auto)),
            Some(config::HostRewrite::Literal(host)) => {
                Ok((!host.is_empty()).then(|| HostRewrite::Literal(host.as_bytes().into())))
            }
            Some(config::HostRewrite::Header(name)) => Ok(Some(HostRewrite::Header(
                HeaderName::to_look_up(&name.value),
            ))),
            Some(config::HostRewrite::Format(text)) => self.host_format(text),
            Some(config::HostRewrite::PathRegex(regex)) => RegexRewrite::compile(regex, self.ctx)
                .map(|regex| Some(HostRewrite::PathRegex(regex))),
        };
        let upgrades = RouteUpgrades::compile(&action.upgrade_configs, self.ctx);
        let cors = self.cors(action.cors.as_ref());
        let rate_limits = self.rate_limits(action);
        let resilience = Resilience::of_route(route, action, self.ctx);
        let mirrors = self.mirrors(&action.request_mirror_policies);
        let timeout = action.timeout.unwrap_or(DEFAULT_ROUTE_TIMEOUT);
        Ok(Forward {
            cluster: cluster?,
            cluster_not_found_status: match action.cluster_not_found_response_code {
                config::ClusterNotFoundResponseCode::ServiceUnavailable => 503,
                config::ClusterNotFoundResponseCode::NotFound => 404,
                config::ClusterNotFoundResponseCode::InternalServerError => 500,
            },
            path: path?,
            host: host?,
            append_x_forwarded_host: action.append_x_forwarded_host,
            timeout: (!timeout.is_zero()).then_some(timeout),
            idle_timeout: action.idle_timeout,
            upgrades: upgrades?,
            cors: cors?,
            hash_policies: Some(hash_policies?)
                .filter(|policies| !policies.is_empty())
                .map(Box::new),
            metadata_match,
            rate_limits: rate_limits?,
            priority: resilience::priority(action.priority),
            resilience: Some(Box::new(Resilience {
                mirrors: mirrors?,
                ..resilience?
            })),
            times: StreamTimes::of_action(action),
        })
    }

    fn cors(
        &mut self,
        policy: Option<&RouteCorsPolicyMessage>,
    ) -> Result<Option<Box<CorsPolicy>>, Refused> {
        let policy = policy.map(|policy| policy.compile(self.ctx).map(Box::new));
        policy.transpose()
    }

    fn rate_limits(
        &mut self,
        action: &config::RouteAction,
    ) -> Result<Option<Box<RateLimits>>, Refused> {
        let limits = RateLimits {
            policy: RateLimitPolicy::compile(&action.rate_limits, self.ctx)?,
            includes_host: action.include_vh_rate_limits == Some(true),
        };
        let says_something = limits.includes_host || !limits.policy.is_empty();
        Ok(says_something.then(|| Box::new(limits)))
    }

    fn cluster_source(
        &mut self,
        specifier: &config::ClusterSpecifier,
        metadata_match: Option<&Struct>,
    ) -> Result<ClusterSource, Refused> {
        match specifier {
            config::ClusterSpecifier::Cluster(name) => Ok(ClusterSource::One(
                self.cluster(name)?,
                name.value.as_str().into(),
            )),
            config::ClusterSpecifier::ClusterHeader(name) => {
                Ok(ClusterSource::Header(HeaderName::to_look_up(&name.value)))
            }
            config::ClusterSpecifier::WeightedClusters(weighted) => {
                self.weighted(weighted, metadata_match)
            }
            config::ClusterSpecifier::InlinePlugin(plugin) => {
                let rooms = self.extensions.cluster_specifiers;
                let compiled = plugin.compile(rooms, self.ctx)?;
                self.chosen_by(plugin.name(), plugin.span(), compiled)
            }
            config::ClusterSpecifier::Plugin(name) => self.plugin(name),
        }
    }

    /// One of the table's plugins.
    fn plugin(&mut self, name: &Spanned<String>) -> Result<ClusterSource, Refused> {
        let Some(plugin) = self.plugins.get(&name.value) else {
            let text = format!(
                "Unknown cluster specifier plugin name: {} is used in the route",
                name.value
            );
            self.ctx.error(name.span, text);
            return Err(Refused);
        };
        let plugin = plugin.clone();
        self.chosen_by(&name.value, name.span, plugin)
    }

    /// Without a plugin Envoy leaves the route out.
    fn chosen_by(
        &mut self,
        name: &str,
        span: Span,
        plugin: CompiledPlugin,
    ) -> Result<ClusterSource, Refused> {
        match plugin {
            Some(plugin) => Ok(ClusterSource::Plugin(name.into(), plugin)),
            None => {
                let what = format!("a route by the cluster specifier `{name}`, which is optional");
                Err(self.ctx.unsupported_here(span, what))
            }
        }
    }

    pub(super) fn cluster(&mut self, name: &Spanned<String>) -> Result<ClusterId, Refused> {
        if self.known_clusters.is_some_and(|known| !known(&name.value)) {
            self.ctx.error(
                name.span,
                format!("route: unknown cluster '{}'", name.value),
            );
            return Err(Refused);
        }
        Ok((self.cluster_id)(&name.value))
    }

    fn direct(
        &mut self,
        action: &config::DirectResponseAction,
        table: &config::RouteConfiguration,
    ) -> Result<Action, Refused> {
        let limit = table
            .max_direct_response_body_size_bytes
            .unwrap_or(DEFAULT_DIRECT_RESPONSE_LIMIT_BYTES);
        let body = match &action.body {
            None => Vec::new(),
            Some(source) => source.read_or_say(
                usize::try_from(limit).unwrap_or(usize::MAX),
                &BODY_WORDS,
                self.ctx,
            )?,
        };
        let Ok(status) = u16::try_from(action.status.value) else {
            self.ctx
                .error(action.status.span, "a status is a number from 200 to 599");
            return Err(Refused);
        };
        let format = BodyFormat::compile(action.body_format.as_ref(), self.ctx)?;
        Ok(Action::Direct {
            status,
            body: body.into_boxed_slice(),
            format: format.map(Box::new),
        })
    }

    pub(super) fn level(
        &mut self,
        request: (&[HeaderValueOption], &[Spanned<String>]),
        response: (&[HeaderValueOption], &[Spanned<String>]),
        filters: &[(String, Any)],
    ) -> Result<Level, Refused> {
        let request = HeaderMutations::compile(request.0, request.1, self.ctx);
        let response = HeaderMutations::compile(response.0, response.1, self.ctx);
        let entries: Vec<_> = filters
            .iter()
            .map(|(name, any)| self.per_filter(name, any))
            .collect();
        let entries: Vec<_> = entries.into_iter().collect::<Result<_, _>>()?;
        let named = entries.iter().filter(|entry| entry.may_be_upstream);
        let named = named.map(|entry| (entry.name.into(), entry.config.clone()));
        let named = named.collect();
        let placed = entries.into_iter();
        let placed = placed.filter_map(|entry| Some((entry.place?, entry.config)));
        let filters = PerFilterConfigs::new(placed.collect(), named);
        Ok(Level {
            host: None,
            request: request?,
            response: response?,
            filters,
        })
    }

    /// The entry of the filter that is called `name` in the chain; without a place if the chain has no such filter, as
    /// then nothing reads it but filters behind the router (Envoy accepts that as well).
    fn per_filter<'n>(&mut self, name: &'n str, any: &Any) -> Result<NamedEntry<'n>, Refused> {
        let mut may_be_upstream = self.is_upstream(any.type_name());
        let config = if any.type_name() == FILTER_CONFIG {
            let wrapper = any.decode::<config::FilterConfig>(self.ctx)?;
            if wrapper.config.is_none() && !wrapper.disabled {
                let text =
                    format!("Empty route/virtual host per filter configuration for {name} filter");
                self.ctx.error(any.span, text);
                return Err(Refused);
            }
            let config = match &wrapper.config {
                Some(inner) if !inner.type_name().is_empty() => {
                    self.room_config(name, inner, wrapper.is_optional)?
                }
                _ => None,
            };
            may_be_upstream = match &wrapper.config {
                Some(inner) if !inner.type_name().is_empty() => self.is_upstream(inner.type_name()),
                _ => true,
            };
            PerFilter {
                disabled: wrapper.disabled,
                config,
            }
        } else {
            PerFilter {
                disabled: false,
                config: self.room_config(name, any, false)?,
            }
        };
        let place = self.filter_names.iter().position(|filter| filter == name);
        if place.is_none() && !may_be_upstream {
            self.ctx.warning(
                any.span,
                format!("no HTTP filter of this connection manager is called `{name}`"),
            );
        }
        Ok(NamedEntry {
            name,
            place,
            config,
            may_be_upstream,
        })
    }

    /// Whether a message for routes may be one for a filter behind the router.
    fn is_upstream(&self, message: &str) -> bool {
        let room = self.extensions.http_filter_by_route_message(message);
        room.is_some_and(|room| upstream_filters::is_upstream(room.message))
    }

    fn room_config(
        &mut self,
        name: &str,
        any: &Any,
        is_optional: bool,
    ) -> Result<Option<nuncio_contract::registry::RouteFilterConfig>, Refused> {
        let room = self
            .extensions
            .http_filter_by_route_message(any.type_name());
        match room.and_then(|room| room.per_route.as_ref()) {
            Some(per_route) => (per_route.parse)(any, self.ctx).map(Some),
            None if is_optional => Ok(None),
            None if self.refuses_wrong_level(name, any) => Err(Refused),
            None => {
                self.ctx.unsupported(
                    any.span,
                    format!(
                        "the per-route config `{}` of filter `{name}`",
                        any.type_name()
                    ),
                );
                match self.ctx.leaves_out {
                    true => Ok(None),
                    false => Err(Refused),
                }
            }
        }
    }

    /// Reports a message that configures a filter but not for a route; false if that cannot be told.
    fn refuses_wrong_level(&mut self, name: &str, any: &Any) -> bool {
        let room = self.extensions.http_filter(any.type_name());
        let is_router = any.type_name() == ROUTER;
        let text = match room.and_then(|room| room.per_route.as_ref()) {
            Some(wanted) => format!("Unable to unpack as {}", wanted.message),
            None if is_router || room.is_some() => format!(
                "The filter {name} doesn't support virtual host or route specific configurations"
            ),
            None => return false,
        };
        self.ctx.error(any.span, text);
        true
    }
}
