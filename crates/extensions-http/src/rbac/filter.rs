//! What the RBAC filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::rbac::{Engine, Request, Verdict};
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::config::{ChainConfig, Settings};
use super::stats::Stats;

/// Where the verdicts are left for others.
const NAMESPACE: &str = "envoy.filters.http.rbac";

struct Worker {
    chain: Arc<Settings>,
    stats: Stats,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Shared(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            stats: Stats::new(&self.0, context.scope),
        })))
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let own = context.route.most_specific::<Settings>();
        let settings = own.unwrap_or(&self.0.chain);
        let told = Told {
            chain: &self.0.chain,
            own,
        };
        let mut fields = Struct::default();
        if let Some(shadow) = &settings.shadow {
            let verdict = judge(shadow, context);
            self.0.count_shadow(&verdict, settings.counts_policies);
            told.shadow(&verdict, &mut fields);
        }
        if let Some(rules) = &settings.rules {
            let verdict = judge(rules, context);
            verdict.hint(context.stream_info);
            self.0.count(&verdict, settings.counts_policies);
            told.enforced(&verdict, &mut fields);
            if !verdict.is_allowed {
                return HeadersStatus::Reply(Box::new(refusal(&verdict, fields)));
            }
        }
        if !fields.is_empty() {
            let metadata = context.stream_info.dynamic_metadata_mut();
            metadata.merge(NAMESPACE, fields);
        }
        HeadersStatus::Continue
    }
}

fn judge<'e>(engine: &'e Engine, context: &FilterContext<'_>) -> Verdict<'e> {
    engine.judge(&Request {
        headers: context.request_headers,
        info: context.stream_info,
        route: context.route,
    })
}

/// The details name the policy without spaces, which would be separators in a log. As in Envoy, what is added to the
/// answer does not see the metadata yet.
fn refusal(verdict: &Verdict<'_>, fields: Struct) -> LocalReply {
    let is_space = |letter: char| matches!(letter, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    let policy = verdict.policy.unwrap_or("none").replace(is_space, "_");
    let details = format!("rbac_access_denied_matched_policy[{policy}]");
    let mut reply = LocalReply::new(403, b"RBAC: access denied".as_slice(), details);
    reply.metadata = Some(Box::new((NAMESPACE, fields)));
    reply
}

impl Worker {
    fn count(&self, verdict: &Verdict<'_>, by_policy: bool) {
        let rules = &self.stats.rules;
        match verdict.is_allowed {
            true => rules.allowed.inc(),
            false => rules.denied.inc(),
        }
        if let Some(policy) = verdict.policy.filter(|_| by_policy) {
            self.stats.policies.count(policy, verdict.is_allowed);
        }
    }

    fn count_shadow(&self, verdict: &Verdict<'_>, by_policy: bool) {
        let shadow = &self.stats.shadow;
        match verdict.is_allowed {
            true => shadow.shadow_allowed.inc(),
            false => shadow.shadow_denied.inc(),
        }
        if let Some(policy) = verdict.policy.filter(|_| by_policy) {
            self.stats.shadow_policies.count(policy, verdict.is_allowed);
        }
    }
}

/// Who says what the metadata's fields begin with: the level if it has something to say, or the chain.
struct Told<'a> {
    chain: &'a Settings,
    own: Option<&'a Settings>,
}

impl Told<'_> {
    fn prefix(&self, of: fn(&Settings) -> &str) -> &str {
        let own = self.own.map(of).filter(|prefix| !prefix.is_empty());
        own.unwrap_or(of(self.chain))
    }

    fn shadow(&self, verdict: &Verdict<'_>, fields: &mut Struct) {
        let prefix = self.prefix(|settings| &settings.shadow_stat_prefix);
        tell(verdict, &format!("{prefix}shadow"), fields);
    }

    fn enforced(&self, verdict: &Verdict<'_>, fields: &mut Struct) {
        let prefix = self.prefix(|settings| &settings.rules_stat_prefix);
        tell(verdict, &format!("{prefix}enforced"), fields);
    }
}

fn tell(verdict: &Verdict<'_>, whose: &str, fields: &mut Struct) {
    if let Some(policy) = verdict.policy {
        let policy = Value::String(policy.into());
        fields.insert(format!("{whose}_effective_policy_id"), policy);
    }
    fields.insert(format!("{whose}_engine_result"), verdict.word());
}
