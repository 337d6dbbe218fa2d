//! Tags: the variable parts of stat names, such as the cluster in `cluster.<name>.upstream_rq_total`, which
//! Prometheus and some sinks want as labels beside a name without them.
//!
//! Tags come from Envoy's own rules, from fixed values and from expressions of the configuration. As in Envoy,
//! sources that apply to names of any first token come before those bound to one, each in the order that they
//! are given in, and of two with the same tag the first that finds something counts.

mod expression;
mod pattern;
mod rules;
mod source;

use nuncio_config::sorting;
use std::collections::HashMap;
use std::ops::Range;

use rules::{Find, Rule};

pub use expression::Expression;
pub use source::TagSource;

/// Stats that Envoy makes before it has read its configuration, which have no tags but those of its own rules.
const EARLY: [&str; 2] = ["filesystem.", "server.hot_restart_generation"];

/// Takes tags out of names.
#[derive(Clone, Debug)]
pub struct TagExtractor {
    /// In the order of the tags.
    sources: Vec<TagSource>,
    /// The sources that names of a first token may match, by index.
    by_first_token: HashMap<String, Vec<usize>>,
    /// Those for names of any other first token.
    unbound: Vec<usize>,
    has_expressions: bool,
}

impl Default for TagExtractor {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// A name without its tags, and the tags in the order of their sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The name without what the tags took out.
    pub name: String,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Orders the tags of one name; equal for equal tags.
    pub rank: usize,
    /// The tag's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where it stood in the name; empty for a fixed tag.
    pub removed: Range<usize>,
}

impl TagExtractor {
    /// Envoy's default tags, and fixed ones (`--stats-tag`) that every stat gets.
    pub fn new(fixed: Vec<(String, String)>) -> Self {
        let defaults = TagSource::defaults(|_| true);
        Self::of(defaults.chain(TagSource::fixed(&fixed)).collect())
    }

    /// Of these sources, in the order in which they were given.
    pub(super) fn of(mut sources: Vec<TagSource>) -> Self {
        sorting::sort_by_key(&mut sources, TagSource::is_bound);
        let mut by_first_token: HashMap<String, Vec<usize>> = HashMap::new();
        for token in sources.iter().flat_map(TagSource::first_tokens) {
            by_first_token.entry(token.to_owned()).or_default();
        }
        for (token, ranks) in &mut by_first_token {
            let applies = |source: &TagSource| {
                source.is_for_all() || source.first_tokens().any(|first| first == token)
            };
            ranks.extend((0..sources.len()).filter(|at| sources.get(*at).is_some_and(applies)));
        }
        let for_all = |at: &usize| sources.get(*at).is_some_and(TagSource::is_for_all);
        Self {
            unbound: (0..sources.len()).filter(for_all).collect(),
            has_expressions: sources.iter().any(TagSource::is_expression),
            by_first_token,
            sources,
        }
    }

    /// Whether some tags are found by expressions, so that those of a name say nothing of those of another.
    pub fn has_expressions(&self) -> bool {
        self.has_expressions
    }

    /// Whether an expression finds something in `name`, so that its tags are not those of the rules alone.
    pub fn has_own_tags(&self, name: &str) -> bool {
        self.has_expressions
            && self
                .sources_of(name)
                .any(|(_, source)| source.is_expression() && source.find(name).is_some())
    }

    /// The tags of `name`.
    pub fn extract(&self, name: &str) -> Extracted {
        self.extract_by(name, |_| true)
    }

    /// The tags of `name`, but for those that expressions find.
    pub fn extract_without_expressions(&self, name: &str) -> Extracted {
        self.extract_by(name, |source| !source.is_expression())
    }

    /// The sources that may find something in `name`, with their ranks.
    fn sources_of(&self, name: &str) -> impl Iterator<Item = (usize, &TagSource)> {
        let first = name.split_once('.').map(|(first, _)| first);
        let bound = first.and_then(|first| self.by_first_token.get(first));
        let ranks = bound.unwrap_or(&self.unbound).iter().copied();
        ranks.filter_map(|rank| Some((rank, self.sources.get(rank)?)))
    }

    fn extract_by(&self, name: &str, is_asked: impl Fn(&TagSource) -> bool) -> Extracted {
        let is_early = EARLY.iter().any(|early| name.starts_with(early));
        let mut tags: Vec<Tag> = Vec::new();
        for (rank, source) in self.sources_of(name) {
            let is_there = tags.iter().any(|tag| tag.name == source.tag());
            if is_there || !is_asked(source) || is_early && !source.is_rule() {
                continue;
            }
            if let Some((value, removed)) = source.find(name) {
                tags.push(Tag {
                    rank,
                    name: source.tag().to_owned(),
                    value: value.to_owned(),
                    removed,
                });
            }
        }
        let removed = |at: usize| tags.iter().any(|tag| tag.removed.contains(&at));
        let name = name
            .char_indices()
            .filter(|(at, _)| !removed(*at))
            .map(|(_, char)| char)
            .collect();
        Extracted { name, tags }
    }
}

/// The first tokens that names must have for a rule; an empty text stands for any.
fn first_tokens(rule: &Rule) -> Vec<&'static str> {
    match rule.find {
        Find::Patterns(patterns) | Find::Except(_, patterns) => {
            let firsts = patterns
                .iter()
                .filter_map(|pattern| pattern.split('.').next());
            let words = firsts.flat_map(|first| first.split('|'));
            words
                .map(|word| if word.starts_with('$') { "" } else { word })
                .collect()
        }
        Find::ProxyProtocolVersion => vec!["proxy_proto"],
        Find::HealthCheckName => vec!["cluster"],
        Find::ResponseCode | Find::ResponseCodeClass => vec![""],
    }
}

fn find(rule: &Rule, name: &str) -> Option<pattern::Found> {
    let first = |patterns: &[&str]| {
        patterns
            .iter()
            .find_map(|pattern| pattern::find(pattern, name))
    };
    match rule.find {
        Find::Patterns(patterns) => first(patterns),
        Find::Except(word, patterns) => {
            first(patterns).filter(|found| name.get(found.value.clone()) != Some(word))
        }
        Find::ResponseCode => {
            let at = name.len().checked_sub(4)?;
            let digits = name.get(at..)?.strip_prefix('_')?;
            let is_code = digits.bytes().all(|byte| byte.is_ascii_digit())
                && name.get(..at)?.ends_with("_rq");
            is_code.then_some(pattern::Found {
                value: at + 1..name.len(),
                removed: at..name.len(),
            })
        }
        Find::ResponseCodeClass => {
            let at = name.len().checked_sub(3)?;
            let class = name.get(at..)?.strip_suffix("xx")?;
            let is_class = class.bytes().all(|byte| byte.is_ascii_digit())
                && name.get(..at)?.ends_with("_rq_");
            is_class.then_some(pattern::Found {
                value: at..at + 1,
                removed: at..at + 1,
            })
        }
        Find::ProxyProtocolVersion => proxy_protocol_version(name),
        Find::HealthCheckName => health_check_name(name),
    }
}

fn health_check_name(name: &str) -> Option<pattern::Found> {
    let (_cluster, rest) = name.strip_prefix("cluster.")?.split_once('.')?;
    let rest = rest.strip_prefix("health_check.name.")?;
    let (check, stat) = rest.split_once('.')?;
    let end = name.len() - stat.len();
    let value = end - 1 - check.len()..end - 1;
    Some(pattern::Found {
        removed: value.start - "name.".len()..end,
        value,
    })
}

fn proxy_protocol_version(name: &str) -> Option<pattern::Found> {
    let start = "proxy_proto.".len();
    let rest = name.strip_prefix("proxy_proto.")?;
    let parts: Vec<&str> = rest.split('.').collect();
    let (version, end) = match parts.as_slice() {
        ["versions", version, leaf] | [_, "versions", version, leaf] => {
            (*version, name.len() - leaf.len())
        }
        _ => return None,
    };
    let digit = version.strip_prefix('v')?;
    let is_digit = digit.len() == 1 && digit.bytes().all(|byte| byte.is_ascii_digit());
    is_digit.then_some(pattern::Found {
        value: end - 2..end - 1,
        removed: start..end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(name: &str) -> String {
        let extracted = TagExtractor::default().extract(name);
        let tags: Vec<String> = extracted
            .tags
            .iter()
            .map(|tag| format!("{}={}", tag.name, tag.value))
            .collect();
        format!("{} [{}]", extracted.name, tags.join(" "))
    }

    /// Pairs of a name and what Envoy 1.40 makes of it.
    const KNOWN: &[(&str, &str)] = &[
        (
            "cluster.foo.upstream_rq_200",
            "cluster.upstream_rq [envoy.response_code=200 envoy.cluster_name=foo]",
        ),
        (
            "cluster.foo.external.upstream_rq_5xx",
            "cluster.external.upstream_rq_xx [envoy.response_code_class=5 envoy.cluster_name=foo]",
        ),
        (
            "cluster.foo.upstream_rq_timeout",
            "cluster.upstream_rq_timeout [envoy.cluster_name=foo]",
        ),
        (
            "listener.admin.downstream_cx_active",
            "listener.admin.downstream_cx_active []",
        ),
        (
            "listener.127.0.0.1_80.http.ingress.downstream_rq_2xx",
            "listener.http.downstream_rq_xx [envoy.response_code_class=2 \
             envoy.http_conn_manager_prefix=ingress envoy.listener_address=127.0.0.1_80]",
        ),
        (
            "listener.[__1]_80.worker_3.downstream_cx_active",
            "listener.worker_downstream_cx_active [envoy.worker_id=3 envoy.listener_address=[__1]_80]",
        ),
        (
            "server.worker_0.watchdog_miss",
            "server.worker_watchdog_miss [envoy.worker_id=0]",
        ),
        ("server.version", "server.version []"),
        (
            "http.a.user_agent.ios.cx",
            "http.user_agent.cx [envoy.http_user_agent=ios envoy.http_conn_manager_prefix=a]",
        ),
        (
            "http.a.fault.b.aborts",
            "http.fault.aborts [envoy.fault_downstream_cluster=b envoy.http_conn_manager_prefix=a]",
        ),
        (
            "http.a.fault.aborts_injected",
            "http.fault.aborts_injected [envoy.http_conn_manager_prefix=a]",
        ),
        (
            "vhost.v.vcluster.c.upstream_rq_503",
            "vhost.vcluster.upstream_rq [envoy.response_code=503 envoy.virtual_cluster=c envoy.virtual_host=v]",
        ),
        (
            "vhost.v.route.r.upstream_rq_total",
            "vhost.route.upstream_rq_total [envoy.virtual_host=v envoy.route=r]",
        ),
        (
            "http.a.rds.my/route.x.version",
            "http.rds.version [envoy.rds_route_config=my/route.x envoy.http_conn_manager_prefix=a]",
        ),
        (
            "http.a.rbac.policy.p.allowed",
            "http.rbac.policy.allowed [envoy.rbac_policy_name=p envoy.http_conn_manager_prefix=a]",
        ),
        (
            "http.a.rbac.x.denied",
            "http.rbac.denied [envoy.rbac_http_prefix=x envoy.http_conn_manager_prefix=a]",
        ),
        (
            "proxy_proto.x.versions.v2.found",
            "proxy_proto.found [envoy.proxy_protocol_prefix=x envoy.proxy_protocol_version=2]",
        ),
        (
            "proxy_proto.versions.v1.error",
            "proxy_proto.error [envoy.proxy_protocol_version=1]",
        ),
        (
            "cluster.c.health_check.name.n.m.attempt",
            "cluster.health_check.m.attempt [envoy.health_check_name=n envoy.cluster_name=c]",
        ),
        (
            "cluster.c.ssl.ciphers.AES-1",
            "cluster.ssl.ciphers [cipher_suite=AES-1 envoy.cluster_name=c]",
        ),
        (
            "listener.x.ssl.versions.TLSv1.3",
            "listener.ssl.versions [envoy.ssl_version=TLSv1.3 envoy.listener_address=x]",
        ),
        (
            "mongo.m.collection.c.callsite.s.query.t",
            "mongo.collection.callsite.query.t [envoy.mongo_callsite=s envoy.mongo_collection=c envoy.mongo_prefix=m]",
        ),
    ];

    #[test]
    fn names_lose_the_tags_that_envoy_takes_out() {
        for (name, expected) in KNOWN {
            assert_eq!(extracted(name), *expected, "{name}");
        }
    }

    #[test]
    fn a_fixed_tag_goes_to_every_stat() {
        let extractor = TagExtractor::new(vec![("zone".into(), "z".into())]);
        let tags = extractor.extract("cluster.a.upstream_rq_200").tags;
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["envoy.response_code", "zone", "envoy.cluster_name"]);
    }

    #[test]
    fn rules_bound_to_a_first_token_come_last() {
        let bound = |rule: &Rule| match rule.find {
            Find::Patterns(patterns) | Find::Except(_, patterns) => {
                patterns.iter().all(|pattern| {
                    !pattern.starts_with('$')
                        && !pattern
                            .split('.')
                            .next()
                            .is_some_and(|first| first.contains('|'))
                })
            }
            Find::ProxyProtocolVersion | Find::HealthCheckName => true,
            Find::ResponseCode | Find::ResponseCodeClass => false,
        };
        assert!(
            rules::RULES[rules::BOUND..]
                .iter()
                .filter(|rule| rule.tag != "envoy.ext_authz_prefix")
                .all(bound)
        );
        assert!(!rules::RULES[..rules::BOUND].iter().any(bound));
    }
}
