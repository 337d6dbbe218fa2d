//! The stream to the service, on the main thread: begun with the first bucket, and again with the next report once it
//! has ended. It is over when nobody has the buckets any more.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::slice::{self, Iter};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_contract::calls::Calls;
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream};
use nuncio_service_messages::Message;
use nuncio_service_messages::rate_limit_quota::{
    Action, BucketAction, BucketQuotaUsage, QuotaAssignmentAction, RateLimitQuotaResponse,
    RateLimitQuotaUsageReports, STREAM_RATE_LIMIT_QUOTAS, Strategy,
};

use super::bucket::{Bucket, Rule, Tokens};
use super::service::Quotas;

/// How often usage is reported.
const REPORTING_INTERVAL: Duration = Duration::from_secs(5);
/// The longest response of a service that says no limit; what it is decoded into may be some 60 times as large.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// A report that is longer goes on in another one. Services take 4 MiB, unless they say otherwise.
const MAX_REPORT_BYTES: usize = 1 << 20;
/// Nothing is reported while more waits.
const MAX_UNSENT_BYTES: usize = 16 << 20;

/// Reports, and applies what is answered.
pub(super) struct Reporting {
    quotas: Weak<Quotas>,
    /// Those that were told of, so that nobody waits while they are gone through.
    buckets: Vec<Arc<Bucket>>,
    calls: Calls,
    stream: Option<GrpcStream>,
    /// What waited at the last report, if it was too much.
    stuck_bytes: Option<usize>,
    /// The next report; none before the first bucket.
    next: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Reporting {
    pub(super) fn new(quotas: Weak<Quotas>, calls: Calls) -> Self {
        Reporting {
            quotas,
            buckets: Vec::new(),
            calls,
            stream: None,
            stuck_bytes: None,
            next: None,
        }
    }

    /// Ready once nobody has the buckets.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(quotas) = self.quotas.upgrade() else {
            return Poll::Ready(());
        };
        let new = quotas.take_new(cx.waker());
        if !new.is_empty() && self.next.is_none() {
            self.next = Some(self.calls.sleep(REPORTING_INTERVAL));
            self.begin(&quotas);
        }
        for bucket in new {
            self.report(&quotas, slice::from_ref(&bucket));
            self.buckets.push(bucket);
        }
        while let Some(next) = &mut self.next
            && next.as_mut().poll(cx).is_ready()
        {
            self.next = Some(self.calls.sleep(REPORTING_INTERVAL));
            self.end_stuck();
            if self.stream.is_none() {
                self.begin(&quotas);
            }
            let mut buckets = mem::take(&mut self.buckets);
            if quotas.is_full() {
                forget_idle(&quotas, &buckets, SystemClock.now());
            }
            // Nobody else has those that were forgotten.
            buckets.retain(|bucket| Arc::strong_count(bucket) > 1);
            self.report(&quotas, &buckets);
            self.buckets = buckets;
        }
        while let Some(stream) = &mut self.stream
            && let Poll::Ready(event) = stream.poll_next(cx)
        {
            match event {
                GrpcEvent::Head(_) => {}
                GrpcEvent::Message(bytes) => match RateLimitQuotaResponse::decode(&*bytes) {
                    Ok(response) => apply(&quotas, response, SystemClock.now()),
                    Err(_) => self.stream = None,
                },
                GrpcEvent::End(_) => self.stream = None,
            }
        }
        Poll::Pending
    }

    fn begin(&mut self, quotas: &Quotas) {
        let stream = quotas
            .target
            .stream(&*self.calls, STREAM_RATE_LIMIT_QUOTAS, None);
        self.stream = stream.ok().map(|mut stream| {
            stream.limit_messages(MAX_MESSAGE_BYTES);
            stream
        });
    }

    /// Without a stream what was used is lost, as in Envoy.
    fn report(&mut self, quotas: &Quotas, buckets: &[Arc<Bucket>]) {
        let now = SystemClock.now();
        let mut buckets = buckets.iter();
        while !buckets.as_slice().is_empty() && self.slow_bytes().is_none() {
            let usages = next_usages(&mut buckets, now);
            if let Some(stream) = &mut self.stream {
                let report = RateLimitQuotaUsageReports {
                    domain: quotas.domain.to_string(),
                    bucket_quota_usages: usages,
                };
                stream.send(&report.encode_to_vec());
            }
        }
    }

    /// What waits, if it is too much.
    fn slow_bytes(&self) -> Option<usize> {
        let unsent_bytes = self.stream.as_ref()?.unsent_bytes();
        (unsent_bytes > MAX_UNSENT_BYTES).then_some(unsent_bytes)
    }

    /// Gives up a stream of which nothing has gone since the last report, though too much waits.
    fn end_stuck(&mut self) {
        let slow_bytes = self.slow_bytes();
        if slow_bytes.is_some() && slow_bytes == self.stuck_bytes {
            self.stream = None;
        }
        self.stuck_bytes = slow_bytes;
    }
}

/// What was used of as many buckets as there is room for in a report.
pub(super) fn next_usages(
    buckets: &mut Iter<'_, Arc<Bucket>>,
    now: Instant,
) -> Vec<BucketQuotaUsage> {
    let mut bytes = 0_usize;
    let mut usages = Vec::new();
    while bytes < MAX_REPORT_BYTES
        && let Some(bucket) = buckets.next()
    {
        let usage = bucket.usage(now);
        bytes = bytes.saturating_add(usage.encoded_len());
        usages.push(usage);
    }
    usages
}

/// Makes room for new buckets.
pub(super) fn forget_idle(quotas: &Quotas, buckets: &[Arc<Bucket>], now: Instant) {
    for bucket in buckets.iter().filter(|bucket| bucket.is_idle(now)) {
        quotas.abandon(&bucket.id);
    }
}

/// Does what the service says with the buckets that are known.
pub(super) fn apply(quotas: &Quotas, response: RateLimitQuotaResponse, now: Instant) {
    for action in response.bucket_action {
        let BucketAction {
            bucket_id: Some(id),
            bucket_action: action,
        } = action
        else {
            continue;
        };
        if id.bucket.is_empty() {
            continue;
        }
        let Some(bucket) = quotas.bucket(&id.bucket) else {
            continue;
        };
        match action {
            Some(Action::AbandonAction(_)) => quotas.abandon(&id.bucket),
            Some(Action::QuotaAssignmentAction(assignment)) => {
                if let Some(rule) = rule_of(&assignment) {
                    bucket.assign(rule, time_to_live(&assignment), now);
                }
            }
            // As if something had been assigned that expires at once.
            None => bucket.assign(Rule::AllowAll, Duration::ZERO, now),
        }
    }
}

/// Whole seconds; none at all are 0.
fn time_to_live(assignment: &QuotaAssignmentAction) -> Duration {
    let time = assignment.assignment_time_to_live.as_ref();
    let seconds = time.map_or(0, |time| time.seconds);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// None for what changes nothing.
fn rule_of(assignment: &QuotaAssignmentAction) -> Option<Rule> {
    match assignment.rate_limit_strategy.as_ref()?.strategy.as_ref()? {
        Strategy::BlanketRule(1) => Some(Rule::DenyAll),
        Strategy::BlanketRule(_) => Some(Rule::AllowAll),
        Strategy::RequestsPerTimeUnit(_) => None,
        Strategy::TokenBucket(bucket) => {
            let interval = bucket.fill_interval.as_ref().map(|interval| {
                let seconds = u64::try_from(interval.seconds).unwrap_or(0);
                let nanos = u64::try_from(interval.nanos).unwrap_or(0);
                Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos))
            });
            Some(Rule::Tokens(Tokens {
                max_tokens: bucket.max_tokens,
                tokens_per_fill: bucket.tokens_per_fill.map_or(0, |tokens| tokens.value),
                fill_interval: interval.unwrap_or_default(),
            }))
        }
    }
}
