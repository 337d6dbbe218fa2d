//! What the basic auth filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::config::{ChainConfig, LevelUsers, Settings};
use nuncio_config::base64;

/// So much of the path is told in an answer.
const LONGEST_PATH_BYTES: usize = 256;

stat_group! {
    /// Requests by verdict, at `http.<stat_prefix>.`.
    pub struct BasicAuthStats("basic_auth.") {
        counters { allowed, denied }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<BasicAuthStats>,
    /// The namespace of metadata.
    filter_name: Box<str>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<BasicAuthStats>();
        Box::new(Shared(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            filter_name: context.name.into(),
        })))
    }
}

/// Why a request is refused: what the client is told, and the details.
type Fault = (&'static str, &'static str);

const MISSING: Fault = (
    "User authentication failed. Missing username and password.",
    "no_credential_for_basic_auth",
);
const OTHER_SCHEME: Fault = (
    "User authentication failed. Expected 'Basic' authentication scheme.",
    "invalid_scheme_for_basic_auth",
);
const NO_PAIR: Fault = (
    "User authentication failed. Invalid basic credential format.",
    "invalid_format_for_basic_auth",
);
const UNKNOWN: Fault = (
    "User authentication failed. Invalid username/password combination.",
    "invalid_credential_for_basic_auth",
);

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let worker = &*self.0;
        match worker.user(context) {
            Ok(None) => HeadersStatus::Continue,
            Ok(Some(user)) => {
                worker.stats.allowed.inc();
                worker.pass_on(&user, context);
                HeadersStatus::Continue
            }
            Err(fault) => {
                worker.stats.denied.inc();
                HeadersStatus::Reply(Box::new(worker.refusal(fault, context)))
            }
        }
    }
}

impl Worker {
    /// The name of the user, or none where it need not be known.
    fn user(&self, context: &FilterContext<'_>) -> Result<Option<Vec<u8>>, Fault> {
        let settings = &self.settings;
        let missing = |fault| match settings.allows_missing {
            true => Ok(None),
            false => Err(fault),
        };
        let Some(value) = context
            .request_headers
            .get_all_named(&settings.header)
            .next()
        else {
            return missing(MISSING);
        };
        let Some(encoded) = value.strip_prefix(b"Basic ") else {
            return missing(OTHER_SCHEME);
        };
        let mut pair = base64::decode(encoded).unwrap_or_default();
        let colon = pair.iter().position(|byte| *byte == b':').ok_or(NO_PAIR)?;
        let (name, password) = pair.split_at(colon);
        let own = context.route.most_specific::<LevelUsers>();
        let users = own.map_or(&settings.users, |own| &own.users);
        if !users.know(name, password.get(1..).unwrap_or_default()) {
            return Err(UNKNOWN);
        }
        pair.truncate(colon);
        Ok(Some(pair))
    }

    fn refusal(&self, (text, details): Fault, context: &FilterContext<'_>) -> LocalReply {
        let own = context.route.most_specific::<LevelUsers>();
        let own = own.and_then(|own| own.realm.as_deref());
        let realm = match own.or(self.settings.realm.as_deref()) {
            Some(realm) => quoted(realm),
            None => quoted(&uri(context.request_headers)),
        };
        let challenge = [b"Basic realm=\"", &*realm, b"\""].concat();
        let challenge_name = HeaderName::from(Known::WwwAuthenticate);
        LocalReply::new(401, text.as_bytes(), details).with_header(challenge_name, challenge)
    }

    fn pass_on(&self, user: &[u8], context: &mut FilterContext<'_>) {
        if let Some(header) = &self.settings.forward_to {
            context.request_headers.replace(header, user);
        }
        if self.settings.emits_metadata {
            let user = Value::String(String::from_utf8_lossy(user).into());
            let fields: Struct = [("username", user)].into_iter().collect();
            let metadata = context.stream_info.dynamic_metadata_mut();
            metadata.merge(&self.filter_name, fields);
        }
    }
}

/// A text within quotes.
fn quoted(text: &[u8]) -> Vec<u8> {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    let escaped = text.iter().flat_map(|byte| {
        let escape = is_special(byte).then_some(b'\\');
        escape.into_iter().chain([*byte])
    });
    escaped.collect()
}

/// What was asked for, as far as it is told.
fn uri(request: &HeaderMap) -> Vec<u8> {
    let original = request.get(Known::XEnvoyOriginalPath);
    let Some(path) = original.or_else(|| request.get(Known::Path)) else {
        return Vec::new();
    };
    let part = |known| request.get(known).unwrap_or_default();
    let path = path.get(..LONGEST_PATH_BYTES).unwrap_or(path);
    [part(Known::Scheme), b"://", part(Known::Authority), path].concat()
}
