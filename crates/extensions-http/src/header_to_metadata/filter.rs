//! What the header-to-metadata filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Counter;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::config::{ChainConfig, CompiledRule, Rules, Source, Target, ValueEncode};
use super::value;
use crate::level_stats::{Counted, LevelStats};
use nuncio_config::base64;
use nuncio_contract::cookies;

/// Values from here on are too long.
const TOO_LONG_BYTES: usize = 8 * 1024;

stat_group! {
    /// Rules and what came of them, at `http_filter_name.<stat_prefix>.`.
    pub struct HeaderToMetadataStats("") {
        counters {
            request_rules_processed,
            response_rules_processed,
            request_metadata_added,
            response_metadata_added,
            request_header_not_found,
            response_header_not_found,
            base64_decode_failed,
            header_value_too_long,
            regex_substitution_failed,
        }
    }
}

struct Worker {
    chain: Arc<Rules>,
    stats: Option<Rc<Counted<HeaderToMetadataStats>>>,
    levels: LevelStats<HeaderToMetadataStats>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let scope = self.0.scope(context.root);
        Box::new(Shared(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            stats: scope.map(|scope| Counted::new(Some(scope))),
            levels: LevelStats::new(context.root),
        })))
    }
}

impl HttpFilterFactory for Shared {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(self.clone())
    }
}

impl HttpFilter for Shared {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let rules = self.0.rules(context.route);
        if !rules.request.is_empty() {
            let stats = self.0.stats_of(context.route);
            let way = Way::request(stats.as_ref().map(|stats| &*stats.cells));
            way.apply(&rules.request, context.request_headers, context.stream_info);
        }
        HeadersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let rules = self.0.rules(context.route);
        if !rules.response.is_empty() {
            let stats = self.0.stats_of(context.route);
            let way = Way::response(stats.as_ref().map(|stats| &*stats.cells));
            way.apply(&rules.response, response, context.stream_info);
        }
        HeadersStatus::Continue
    }
}

impl Worker {
    fn rules<'a>(&'a self, route: PerRoute<'a>) -> &'a Rules {
        route.most_specific::<Rules>().unwrap_or(&self.chain)
    }

    /// The counters of the rules that are in force, if they count.
    fn stats_of(&self, route: PerRoute<'_>) -> Option<Rc<Counted<HeaderToMetadataStats>>> {
        let Some(own) = route.most_specific::<Rules>() else {
            return self.stats.clone();
        };
        own.counts()
            .then(|| self.levels.of(&own.alive, |root| own.scope(root)))
    }
}

/// The counters of one direction.
struct Way<'a> {
    stats: Option<&'a HeaderToMetadataStats>,
    rules_processed: Option<&'a Counter>,
    metadata_added: Option<&'a Counter>,
    header_not_found: Option<&'a Counter>,
}

impl<'a> Way<'a> {
    fn request(stats: Option<&'a HeaderToMetadataStats>) -> Self {
        Way {
            stats,
            rules_processed: stats.map(|stats| &stats.request_rules_processed),
            metadata_added: stats.map(|stats| &stats.request_metadata_added),
            header_not_found: stats.map(|stats| &stats.request_header_not_found),
        }
    }

    fn response(stats: Option<&'a HeaderToMetadataStats>) -> Self {
        Way {
            stats,
            rules_processed: stats.map(|stats| &stats.response_rules_processed),
            metadata_added: stats.map(|stats| &stats.response_metadata_added),
            header_not_found: stats.map(|stats| &stats.response_header_not_found),
        }
    }

    /// All values are there before the first is set, so that of one name the last one counts.
    fn apply(&self, rules: &[CompiledRule], headers: &mut HeaderMap, info: &mut StreamInfo) {
        let mut made: Vec<(&str, Struct)> = Vec::new();
        for rule in rules {
            let found = rule.source.take(headers);
            count(self.rules_processed);
            let (target, found) = match (found, &rule.present, &rule.missing) {
                (Some(found), Some(present), _) => (present, found),
                (None, _, Some(missing)) => {
                    count(self.header_not_found);
                    (missing, Vec::new())
                }
                _ => continue,
            };
            let Some(value) = self.value(target, found) else {
                continue;
            };
            count(self.metadata_added);
            match made
                .iter_mut()
                .find(|(name, _)| **name == *target.namespace)
            {
                Some((_, fields)) => fields.insert(&*target.key, value),
                None => {
                    let fields = [(&*target.key, value)].into_iter().collect();
                    made.push((&target.namespace, fields));
                }
            }
        }
        for (namespace, fields) in made {
            info.dynamic_metadata_mut().merge(namespace, fields);
        }
    }

    fn value(&self, target: &Target, found: Vec<u8>) -> Option<Value> {
        let bytes = match (&*target.fixed, &target.rewrite) {
            ([], None) => found,
            ([], Some(rewrite)) => {
                let rewritten = rewrite.replace_all(&found);
                if !found.is_empty() && rewritten.is_empty() {
                    count(self.stats.map(|stats| &stats.regex_substitution_failed));
                }
                rewritten
            }
            (fixed, _) => fixed.to_vec(),
        };
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() >= TOO_LONG_BYTES {
            count(self.stats.map(|stats| &stats.header_value_too_long));
            return None;
        }
        if target.encode == ValueEncode::None {
            return value::of(&bytes, target.value_type);
        }
        let Some(decoded) = base64::decode(&bytes) else {
            count(self.stats.map(|stats| &stats.base64_decode_failed));
            return None;
        };
        value::of(&decoded, target.value_type)
    }
}

fn count(counter: Option<&Counter>) {
    if let Some(counter) = counter {
        counter.inc();
    }
}

impl Source {
    /// The value, if it is there; a header's values are joined by commas.
    fn take(&self, headers: &mut HeaderMap) -> Option<Vec<u8>> {
        let (name, is_removed) = match self {
            Source::Cookie(name) => return cookies::find(headers, name).map(<[u8]>::to_vec),
            Source::Header { name, is_removed } => (name, *is_removed),
        };
        let mut values = headers.get_all_named(name);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        if is_removed {
            headers.remove(name);
        }
        Some(joined)
    }
}
