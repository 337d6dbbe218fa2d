//! `envoy.config.route.v3.RetryPolicy`, and the extensions that it names.

use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned, SupportTable};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::matching::{CompiledHeaderMatcher, HeaderMatcher};
use nuncio_contract::metadata_message::MetadataMessage;

use super::hosts::lb_metadata;
use super::{HostPredicate, ResetHeader, RetryOn, RetryPolicy, tokens};

message! {
    /// What is tried again, and how.
    pub struct RetryPolicyMessage: "envoy.config.route.v3.RetryPolicy" {
        retry_on: Spanned<String>,
        num_retries: Option<u32>,
        per_try_timeout: Option<Duration>,
        per_try_idle_timeout: Option<Duration>,
        retry_host_predicate: Vec<HostPredicateMessage>,
        retry_priority: Option<PriorityMessage>,
        host_selection_retry_max_attempts: i64,
        retriable_status_codes: Vec<u32>,
        retry_back_off: Option<BackOffMessage>,
        rate_limited_retry_back_off: Option<RateLimitedMessage>,
        retriable_headers: Vec<HeaderMatcher>,
        retriable_request_headers: Vec<HeaderMatcher>,
        refresh_cluster_on_retry: bool,
        inert retry_options_predicates = "Envoy 1.40 has no extension of this kind, and refuses all";
    }
}

message! {
    /// Hosts to pass over, as an extension.
    struct HostPredicateMessage: "envoy.config.route.v3.RetryPolicy.RetryHostPredicate" {
        name: Spanned<String>,
        oneof config_type: Option<HostPredicateConfig>,
    }
}

one_of! {
    /// Its message.
    enum HostPredicateConfig {
        typed_config => Typed(Any),
    }
}

message! {
    /// Priorities to leave out, as an extension.
    struct PriorityMessage: "envoy.config.route.v3.RetryPolicy.RetryPriority" {
        name: Spanned<String>,
        oneof config_type: Option<PriorityConfig>,
    }
}

one_of! {
    /// Its message.
    enum PriorityConfig {
        typed_config => Typed(Any),
    }
}

message! {
    /// Those that were tried.
    struct PreviousPriorities: "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig" {
        update_frequency: i64,
    }
}

message! {
    /// Those that were tried.
    struct PreviousHosts: "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" {}
}

message! {
    /// Canaries.
    struct OmitCanaryHosts: "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate" {}
}

message! {
    /// Those with some metadata.
    struct OmitHostMetadata: "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig" {
        metadata_match: Option<MetadataMessage>,
    }
}

message! {
    /// Times between tries.
    struct BackOffMessage: "envoy.config.route.v3.RetryPolicy.RetryBackOff" {
        base_interval: Duration,
        max_interval: Option<Duration>,
    }
}

message! {
    /// Times that hosts ask for.
    struct RateLimitedMessage: "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff" {
        reset_headers: Vec<ResetHeaderMessage>,
        max_interval: Option<Duration>,
    }
}

message! {
    /// A header that asks for one.
    struct ResetHeaderMessage: "envoy.config.route.v3.RetryPolicy.ResetHeader" {
        name: Spanned<String>,
        format: ResetHeaderFormat,
    }
}

enumeration! {
    /// What it holds.
    enum ResetHeaderFormat: "envoy.config.route.v3.RetryPolicy.ResetHeaderFormat" {
        SECONDS => Seconds,
        UNIX_TIMESTAMP => UnixTimestamp,
    }
}

/// Adds the messages that stand behind an `Any`.
pub fn support(table: &mut SupportTable) {
    PreviousHosts::support(table);
    PreviousPriorities::support(table);
    OmitCanaryHosts::support(table);
    OmitHostMetadata::support(table);
}

impl RetryPolicyMessage {
    /// The policy; every mistake is reported.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<RetryPolicy, Refused> {
        let retry_on = self.retry_on.value.as_bytes();
        for word in tokens(retry_on).filter(|word| !RetryOn::knows(word)) {
            let text = format!(
                "`{}` is no condition of `retry_on` and is ignored",
                String::from_utf8_lossy(word)
            );
            ctx.warning(self.retry_on.span, text);
        }
        let predicates = all(&self.retry_host_predicate, |one| one.compile(ctx));
        let priority = self.retry_priority.as_ref().map(|one| one.compile(ctx));
        let response = all(&self.retriable_headers, |one| {
            CompiledHeaderMatcher::compile(one, ctx)
        });
        let request = all(&self.retriable_request_headers, |one| {
            CompiledHeaderMatcher::compile(one, ctx)
        });
        let limited = self.rate_limited_retry_back_off.as_ref();
        let headers = limited.map(|limited| all(&limited.reset_headers, |one| one.compile(ctx)));
        let default = RetryPolicy::default();
        let back_off = self.retry_back_off.as_ref();
        Ok(RetryPolicy {
            retry_on: RetryOn::of_policy(retry_on),
            num_retries: self.num_retries.unwrap_or(default.num_retries),
            per_try_timeout: self.per_try_timeout.and_then(whole_milliseconds),
            per_try_idle_timeout: self.per_try_idle_timeout.and_then(whole_milliseconds),
            host_predicates: predicates?,
            leaves_priorities_after: priority.transpose()?,
            host_selection_retries: match self.host_selection_retry_max_attempts {
                0 => default.host_selection_retries,
                attempts => u32::try_from(attempts).unwrap_or(u32::MAX),
            },
            retriable_status_codes: self.retriable_status_codes.as_slice().into(),
            retriable_headers: response?,
            retriable_request_headers: request?,
            refreshes_cluster: self.refresh_cluster_on_retry,
            back_off_base: back_off.map(|back_off| back_off.base_interval),
            back_off_max: back_off.and_then(|back_off| back_off.max_interval),
            reset_headers: headers.transpose()?.unwrap_or_default(),
            reset_max: limited
                .and_then(|limited| limited.max_interval)
                .unwrap_or(default.reset_max),
        })
    }
}

/// Below a millisecond it is none, as in Envoy.
fn whole_milliseconds(duration: Duration) -> Option<Duration> {
    (duration.as_millis() > 0).then_some(duration)
}

/// All of them compiled, so that the mistakes of all are reported.
fn all<M, T>(
    messages: &[M],
    compile: impl FnMut(&M) -> Result<T, Refused>,
) -> Result<Box<[T]>, Refused> {
    let compiled: Vec<_> = messages.iter().map(compile).collect();
    compiled.into_iter().collect()
}

/// What Envoy has none of either.
fn unregistered(name: &str, kind: &str) -> String {
    format!("Didn't find a registered implementation for '{name}' with type URL: '{kind}'")
}

impl PriorityMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<usize, Refused> {
        let Some(PriorityConfig::Typed(any)) = &self.config_type else {
            ctx.error(self.name.span, unregistered(&self.name.value, ""));
            return Err(Refused);
        };
        match any.type_name() {
            "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig" => {
                let config: PreviousPriorities = any.decode(ctx)?;
                Ok(usize::try_from(config.update_frequency).unwrap_or(1))
            }
            other => {
                ctx.error(any.span, unregistered(&self.name.value, other));
                Err(Refused)
            }
        }
    }
}

impl HostPredicateMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<HostPredicate, Refused> {
        let Some(HostPredicateConfig::Typed(any)) = &self.config_type else {
            return match self.name.value.as_str() {
                "envoy.retry_host_predicates.previous_hosts" => Ok(HostPredicate::Previous),
                "envoy.retry_host_predicates.omit_canary_hosts" => Ok(HostPredicate::Canaries),
                name => {
                    ctx.error(self.name.span, unregistered(name, ""));
                    Err(Refused)
                }
            };
        };
        match any.type_name() {
            "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" => any
                .decode::<PreviousHosts>(ctx)
                .map(|_| HostPredicate::Previous),
            "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate" => any
                .decode::<OmitCanaryHosts>(ctx)
                .map(|_| HostPredicate::Canaries),
            "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig" => {
                let config: OmitHostMetadata = any.decode(ctx)?;
                let metadata = config
                    .metadata_match
                    .as_ref()
                    .and_then(MetadataMessage::read);
                let labels = lb_metadata(metadata.as_deref()).cloned();
                Ok(HostPredicate::WithMetadata(labels.unwrap_or_default()))
            }
            other => {
                ctx.error(any.span, unregistered(&self.name.value, other));
                Err(Refused)
            }
        }
    }
}

impl ResetHeaderMessage {
    fn compile(&self, ctx: &mut Ctx) -> Result<ResetHeader, Refused> {
        let name = HeaderName::parse(&self.name.value).map_err(|_| {
            let text = format!("`{}` is not a header name", self.name.value);
            ctx.error(self.name.span, text);
            Refused
        })?;
        Ok(ResetHeader {
            name,
            is_timestamp: self.format == ResetHeaderFormat::UnixTimestamp,
        })
    }
}
