//! What the RBAC filter does to a connection.

use std::sync::Arc;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::PerRoute;
use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkResume, NetworkStatus,
};
use nuncio_contract::rbac::{Engine, Request, Verdict};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Value;

use super::config::{Config, Settings};

/// Where the verdicts of shadow rules are left for others.
const NAMESPACE: &str = "envoy.filters.network.rbac";
const CLOSED: NetworkClose = NetworkClose::now("rbac_deny_close");

stat_group! {
    /// Verdicts of rules, at `<stat_prefix>.rbac.`.
    pub struct RulesStats("") {
        counters { allowed, denied }
    }
}

stat_group! {
    /// Verdicts of shadow rules, at `<stat_prefix>.rbac.[<shadow_rules_stat_prefix>.]`.
    pub struct ShadowStats("") {
        counters { shadow_allowed, shadow_denied }
    }
}

#[derive(Clone)]
struct Shared {
    settings: Arc<Settings>,
    rules: Arc<RulesStats>,
    shadow: Arc<ShadowStats>,
}

struct Judging {
    shared: Shared,
    was_asked: bool,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let prefix = format!("{}.rbac", self.0.stat_prefix);
        let shadow = match &*self.0.shadow_prefix {
            "" => root.scope(&prefix),
            own => root.scope(&format!("{prefix}.{own}")),
        };
        let rules = root.scope(&prefix);
        Box::new(Shared {
            settings: Arc::clone(&self.0),
            rules: rules.map_or_else(Arc::default, |scope| scope.worker_group()),
            shadow: shadow.map_or_else(Arc::default, |scope| scope.worker_group()),
        })
    }
}

impl NetworkFilterFactory for Shared {
    fn wants_data(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Judging {
            shared: self.clone(),
            was_asked: false,
        })
    }
}

impl Shared {
    /// Shadow rules are counted and told, and no more.
    fn try_shadow(&self, info: &mut StreamInfo) {
        let Some(engine) = &self.settings.shadow else {
            return;
        };
        let verdict = judge(engine, info);
        match verdict.is_allowed {
            true => self.shadow.shadow_allowed.inc(),
            false => self.shadow.shadow_denied.inc(),
        }
        let name = |what: &str| format!("{}shadow_{what}", self.settings.shadow_prefix);
        let mut fields = vec![(name("engine_result"), verdict.word())];
        if let Some(policy) = verdict.policy {
            fields.push((name("effective_policy_id"), Value::String(policy.into())));
        }
        let metadata = info.dynamic_metadata_mut();
        metadata.merge(NAMESPACE, fields.into_iter().collect());
    }

    fn allows(&self, info: &mut StreamInfo) -> bool {
        let Some(engine) = &self.settings.rules else {
            return true;
        };
        let verdict = judge(engine, info);
        verdict.hint(info);
        if verdict.is_allowed {
            self.rules.allowed.inc();
            return true;
        }
        self.rules.denied.inc();
        let policy = verdict.policy.unwrap_or("none");
        let policy = policy.replace(|letter: char| letter.is_ascii_whitespace(), "_");
        let details = format!("rbac_access_denied_matched_policy[{policy}]");
        info.connection_termination_details = Some(details.into());
        false
    }
}

fn judge<'e>(engine: &'e Engine, info: &StreamInfo) -> Verdict<'e> {
    engine.judge(&Request {
        headers: &HeaderMap::request(),
        info,
        route: PerRoute::NONE,
    })
}

impl NetworkFilter for Judging {
    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        _data: &[u8],
        _end_stream: bool,
    ) -> NetworkStatus {
        let settings = &self.shared.settings;
        if std::mem::replace(&mut self.was_asked, true) && settings.is_asked_once {
            return NetworkStatus::Continue;
        }
        self.shared.try_shadow(context.stream_info);
        if self.shared.allows(context.stream_info) {
            return NetworkStatus::Continue;
        }
        let Some(delay) = settings.delay else {
            return NetworkStatus::Close(CLOSED);
        };
        let over = context.services.sleep(delay);
        NetworkStatus::Wait(Box::pin(async move {
            over.await;
            NetworkResume::Close(CLOSED)
        }))
    }
}
