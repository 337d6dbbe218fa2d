//! Whether a request is tried again, and when: the route's or the cluster's policy, and the client's wishes.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_upstream::cluster::{Host, ResourcePriority};
use nuncio_upstream::retry::{
    BackOff, PriorityAttempts, RetryOn, RetryPolicy, after_at_least, numbers_of, tokens,
};
use nuncio_upstream::{
    PickContext, RetryPermit, UpstreamError, UpstreamErrorKind, WorkerCluster, WorkerClusters,
    WorkerHost,
};

use crate::config::router::RouterConfig;
use crate::router::wishes::number;

const DEFAULT_BASE_MS: u64 = 25;
const TOO_EARLY: u16 = 425;

/// What of a policy a failure meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Nothing: it is no reason for another try.
    Nothing,
    /// It is to be tried again after a wait.
    WithWait {
        /// The host's word on when to come again.
        asked: Option<Duration>,
    },
    /// It is to be tried again at once.
    AtOnce,
}

/// Whether there is another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// After this wait.
    Yes(Duration, Waited),
    /// There is no reason for it.
    No,
    /// There was one too many already.
    LimitExceeded,
    /// The circuit breaker or the budget does not let it.
    Overflow,
    /// Runtime has switched it off.
    Off,
}

/// By which rule a wait was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    NotAtAll,
    Exponentially,
    AsAsked,
}

/// The retries of one request.
pub(crate) struct Retries {
    policy: Arc<RetryPolicy>,
    on: RetryOn,
    remaining: u32,
    /// Statuses and headers of the client's.
    statuses: Vec<u32>,
    headers: Vec<HeaderName>,
    back_off: BackOff,
    /// Held from a wait on until the next decision.
    permit: Option<RetryPermit>,
    tried: Vec<Arc<Host>>,
    priorities: Option<PriorityAttempts>,
}

impl Retries {
    /// Those of a request, if there may be any.
    pub(crate) fn of(
        request: &HeaderMap,
        policy: Option<&Arc<RetryPolicy>>,
        config: &RouterConfig,
    ) -> Option<Box<Self>> {
        let clients = request.get(Known::XEnvoyRetryOn);
        let clients_grpc = request.get(Known::XEnvoyRetryGrpcOn);
        let is_policys = policy.is_some_and(|policy| !policy.retry_on.is_empty());
        if !is_policys && clients.is_none() && clients_grpc.is_none() {
            return None;
        }
        let policy = policy.map_or_else(Arc::default, Arc::clone);
        let mut on = policy.retry_on
            | RetryOn::of_header(clients.unwrap_or_default())
            | RetryOn::of_grpc_header(clients_grpc.unwrap_or_default());
        let only_with = &policy.retriable_request_headers;
        if !only_with.is_empty() && !only_with.iter().any(|header| header.matches(request)) {
            on = RetryOn::NOTHING;
        }
        let most = request.get(Known::XEnvoyMaxRetries).and_then(number);
        let most = most.filter(|_| !on.is_empty());
        let statuses = request.get(Known::XEnvoyRetriableStatusCodes);
        let headers = request.get(Known::XEnvoyRetriableHeaderNames);
        let headers = tokens(headers.unwrap_or_default())
            .filter_map(|name| HeaderName::parse(std::str::from_utf8(name).ok()?).ok());
        let base = policy.back_off_base.unwrap_or_else(|| {
            let base_ms = config.back_off_base_ms.integer(DEFAULT_BASE_MS);
            Duration::from_millis(base_ms)
        });
        Some(Box::new(Self {
            on,
            remaining: match most {
                // As in Envoy, whose count has 32 bits.
                Some(most) => u32::try_from(most & u64::from(u32::MAX)).unwrap_or(u32::MAX),
                None => policy.num_retries,
            },
            statuses: numbers_of(statuses.unwrap_or_default()).collect(),
            headers: headers.collect(),
            back_off: BackOff::new(base, policy.back_off_max),
            permit: None,
            tried: Vec::new(),
            priorities: policy.leaves_priorities_after.map(PriorityAttempts::new),
            policy,
        }))
    }

    /// Whether the request's body must be kept for them.
    pub(crate) fn are_possible(&self) -> bool {
        !self.on.is_empty()
    }

    /// Notes a host of a cluster that was tried, the how manieth time.
    pub(crate) fn tried(
        &mut self,
        (clusters, cluster): (&WorkerClusters, &WorkerCluster),
        attempt: u32,
        host: &WorkerHost,
    ) {
        if !self.policy.host_predicates.is_empty() {
            self.tried.push(Arc::clone(host.host()));
        }
        if let Some(priorities) = &mut self.priorities {
            priorities.tried(clusters.priority_of(cluster, attempt, host));
        }
    }

    /// The host of the next try.
    pub(crate) fn pick_host(
        &mut self,
        (clusters, cluster): (&WorkerClusters, &WorkerCluster),
        context: &PickContext<'_>,
    ) -> Result<std::rc::Rc<WorkerHost>, UpstreamError> {
        let priorities = self.priorities.as_mut();
        let context = &PickContext {
            priority_load: priorities
                .and_then(|it| it.load(&clusters.availability(cluster, context.attempt))),
            ..*context
        };
        let predicates = &self.policy.host_predicates;
        if predicates.is_empty() {
            return clusters.choose_host(cluster, context);
        }
        let rejects = |host: &Host| {
            let mut predicates = predicates.iter();
            let was_tried = || self.tried.iter().any(|other| std::ptr::eq(&**other, host));
            predicates.any(|predicate| predicate.rejects(host.metadata.as_deref(), was_tried))
        };
        let context = PickContext {
            rejects: Some(&rejects),
            repicks: self.policy.host_selection_retries,
            ..*context
        };
        clusters.choose_host(cluster, &context)
    }

    /// What a response meets.
    pub(crate) fn meets_response(
        &self,
        status: u16,
        response: &HeaderMap,
        request: &HeaderMap,
        clock: &dyn Clock,
    ) -> Met {
        let met = self.meets_head(status, response, request);
        match met {
            Met::WithWait { .. } => Met::WithWait {
                asked: self.asked_wait(response, clock),
            },
            _ => met,
        }
    }

    fn meets_head(&self, status: u16, response: &HeaderMap, request: &HeaderMap) -> Met {
        let with_wait = Met::WithWait { asked: None };
        let has = |condition| self.on.has(condition);
        if response.contains(Known::XEnvoyRatelimited) {
            let is_met = has(RetryOn::ENVOY_RATE_LIMITED);
            return if is_met { with_wait } else { Met::Nothing };
        }
        if has(RetryOn::FIVE_XX) && (500..600).contains(&status)
            || has(RetryOn::GATEWAY_ERROR) && (502..=504).contains(&status)
            || has(RetryOn::RETRIABLE_4XX) && status == 409
        {
            return with_wait;
        }
        if has(RetryOn::RETRIABLE_STATUS_CODES) && self.names_status(status) {
            if status != TOO_EARLY {
                return with_wait;
            }
            if !request.contains(Known::EarlyData) {
                return Met::AtOnce;
            }
        }
        let policys = &self.policy.retriable_headers;
        if has(RetryOn::RETRIABLE_HEADERS)
            && (policys.iter().any(|header| header.matches(response))
                || self.headers.iter().any(|name| response.contains(name)))
        {
            return with_wait;
        }
        let grpc = response.get(Known::GrpcStatus).and_then(number);
        match grpc.is_some_and(|status| self.on.has_grpc(status)) {
            true => with_wait,
            false => Met::Nothing,
        }
    }

    fn names_status(&self, status: u16) -> bool {
        let policys = self.policy.retriable_status_codes.iter();
        policys
            .chain(&self.statuses)
            .any(|named| *named == u32::from(status))
    }

    fn asked_wait(&self, response: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
        let headers = self.policy.reset_headers.iter();
        let asked = headers
            .filter_map(|header| header.interval(response, clock.wall()))
            .find(|asked| *asked <= self.policy.reset_max)?;
        (asked > Duration::from_millis(1)).then_some(asked)
    }

    /// What a try meets that got no response; `None` for one that took too long. `was_sent`: some of the request
    /// may have reached a host.
    pub(crate) fn meets_failure(&self, kind: Option<UpstreamErrorKind>, was_sent: bool) -> Met {
        let has = |condition| self.on.has(condition);
        let is_met = match kind {
            Some(UpstreamErrorKind::Overflow | UpstreamErrorKind::NoHealthyUpstream) => false,
            Some(
                UpstreamErrorKind::LocalConnectionFailure
                | UpstreamErrorKind::RemoteConnectionFailure
                | UpstreamErrorKind::ConnectionTimeout,
            ) if has(RetryOn::CONNECT_FAILURE) => true,
            _ => {
                has(RetryOn::RESET_BEFORE_REQUEST) && !was_sent
                    || has(RetryOn::RESET)
                    || has(RetryOn::FIVE_XX)
                    || has(RetryOn::GATEWAY_ERROR)
                    || has(RetryOn::REFUSED_STREAM)
                        && kind == Some(UpstreamErrorKind::RemoteRefusedStream)
            }
        };
        match is_met {
            true => Met::WithWait { asked: None },
            false => Met::Nothing,
        }
    }

    /// Decides; a retry that was under way is over.
    pub(crate) fn decide(
        &mut self,
        met: Met,
        cluster: &WorkerCluster,
        priority: ResourcePriority,
        config: &RouterConfig,
        services: &dyn WorkerServices,
    ) -> Verdict {
        self.permit = None;
        if met == Met::Nothing {
            return Verdict::No;
        }
        let Some(remaining) = self.remaining.checked_sub(1) else {
            return Verdict::LimitExceeded;
        };
        self.remaining = remaining;
        let Some(permit) = cluster.try_retry(priority) else {
            return Verdict::Overflow;
        };
        let share = config.retried_percent.integer(100);
        if share < 100 && services.random_u64() % 100 >= share {
            return Verdict::Off;
        }
        self.permit = Some(permit);
        match met {
            Met::AtOnce => Verdict::Yes(Duration::ZERO, Waited::NotAtAll),
            Met::WithWait { asked: Some(asked) } => {
                let wait = after_at_least(asked, services.random_u64());
                Verdict::Yes(wait, Waited::AsAsked)
            }
            _ => {
                let wait = self.back_off.next(services.random_u64());
                Verdict::Yes(wait, Waited::Exponentially)
            }
        }
    }
}
