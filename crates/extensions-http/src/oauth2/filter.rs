//! What the OAuth2 filter does to a stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stats::Scope;

use super::callback::{self, Callback, Fault, flow_cookie};
use super::config::{ChainConfig, Level, Settings, any, is_path, path_of};
use super::cookies::Jar;
use super::messages::AuthType;
use super::session::{self, Session};
use super::stats::OAuth2Stats;
use super::token::{self, Grant, NoTokens, Tokens};
use super::{answers, crypto};
use crate::level_stats::{Counted, LevelStats};

/// Tell the host that nobody is signed in, and why.
const STATUS: &str = "x-envoy-oauth-status";
const REASON: &str = "x-envoy-oauth-failure-reason";

/// A worker's part of the filter.
struct Shared {
    chain: Option<(Arc<Settings>, Rc<Counted<OAuth2Stats>>)>,
    levels: LevelStats<OAuth2Stats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let chain = self.0.as_ref().map(|settings| {
            let scope = of_prefix(context.scope, &settings.stat_prefix);
            if let Some(scope) = &scope {
                scope.register::<OAuth2Stats>();
            }
            (Arc::clone(settings), Counted::new(scope))
        });
        Box::new(Factory(Rc::new(Shared {
            chain,
            levels: LevelStats::new(context.root),
        })))
    }
}

/// The scope of stats with a prefix, or the one around.
pub(super) fn of_prefix(around: &Scope, prefix: &str) -> Option<Scope> {
    match prefix {
        "" => Some(around.clone()),
        prefix => around.scope(prefix),
    }
}

struct Factory(Rc<Shared>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            shared: Rc::clone(&self.0),
            cookies: Rc::default(),
        })
    }
}

/// A stream's filter.
struct Filter {
    shared: Rc<Shared>,
    /// What the response sets, once tokens were had for others.
    cookies: Rc<RefCell<Vec<Vec<u8>>>>,
}

/// What a request is judged by.
#[derive(Clone)]
struct Case {
    settings: Arc<Settings>,
    stats: Rc<Counted<OAuth2Stats>>,
    hmac_secret: Arc<[u8]>,
    token_secret: Arc<[u8]>,
    cookies: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let own = context.route.most_specific::<Level>();
        let (settings, stats) = match (own, &self.shared.chain) {
            (Some(Level(settings)), _) => {
                let scope = |root: &Scope| of_prefix(root, &settings.stat_prefix);
                let stats = self.shared.levels.of(&settings.alive, scope);
                (Arc::clone(settings), stats)
            }
            (None, Some((settings, stats))) => (Arc::clone(settings), Rc::clone(stats)),
            (None, None) => return HeadersStatus::Continue,
        };
        remove_claims(&settings, context.request_headers);
        if any(&settings.passes, context.request_headers) {
            stats.cells.oauth_passthrough.inc();
            return HeadersStatus::Continue;
        }
        let token_secret = settings.token_secret.as_ref().map(|secret| secret.read());
        let case = Case {
            hmac_secret: settings.hmac_secret.read(),
            token_secret: token_secret.unwrap_or_default(),
            settings,
            stats,
            cookies: Rc::clone(&self.cookies),
        };
        case.judge(context)
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        for cookie in self.cookies.borrow_mut().drain(..) {
            response.append(Known::SetCookie, &cookie);
        }
        HeadersStatus::Continue
    }
}

/// Takes from a request what only this filter may say, whoever sends it. The header of ID tokens is the client's where
/// it is the one of authorization, until the cookies have been looked at.
fn remove_claims(settings: &Settings, request: &mut HeaderMap) {
    let own = settings.id_token_header.as_ref();
    let own = own.filter(|header| header.known() != Some(Known::Authorization));
    let own = own.map_or(&b""[..], HeaderName::as_bytes);
    let names = [own, STATUS.as_bytes(), REASON.as_bytes()];
    request.remove_if(|header| {
        names
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name))
    });
}

impl Case {
    fn has_secrets(&self) -> bool {
        let needs_token_secret = !matches!(self.settings.auth_type, AuthType::TlsClientAuth);
        let has_token_secret = !needs_token_secret || !self.token_secret.is_empty();
        !self.hmac_secret.is_empty() && has_token_secret
    }

    fn judge(self, context: &mut FilterContext<'_>) -> HeadersStatus {
        if !self.has_secrets() {
            self.stats.cells.oauth_failure.inc();
            return HeadersStatus::Reply(Box::new(answers::unavailable()));
        }
        let settings = Arc::clone(&self.settings);
        let mut jar = self.clean(context.request_headers);
        let is_callback = is_path(&settings.callback, path_of(context.request_headers));
        if is_path(&settings.sign_out, path_of(context.request_headers)) {
            let reply = answers::sign_out(&settings, context, &jar);
            return HeadersStatus::Reply(Box::new(reply));
        }
        let now = session::seconds(context.services.wall());
        let host = host_of(context.request_headers);
        if session::is_valid(&settings, &self.hmac_secret, &host, &jar, now) {
            self.stats.cells.oauth_success.inc();
            self.forward_tokens(
                jar_text(&jar, &settings.names.bearer),
                jar_text(&jar, &settings.names.id),
                context,
            );
            return match is_callback {
                true => HeadersStatus::Reply(Box::new(self.send_back(context, &jar))),
                false => {
                    session::remove_flow_cookies(&settings, &mut jar, context.request_headers);
                    HeadersStatus::Continue
                }
            };
        }
        if is_callback {
            return self.exchange(context, &jar);
        }
        let refresh_token = jar.get(&settings.names.refresh).to_vec();
        if settings.uses_refresh_token && !refresh_token.is_empty() {
            return self.refresh(context, &refresh_token);
        }
        let path = String::from_utf8_lossy(path_of(context.request_headers)).into_owned();
        let why = |what: &str| format!("Unauthorized, and {what}: {path}");
        let allowed = why("forwarding as unauthorized because OAuth failure is allowed");
        let denied = why("redirecting to OAuth server is not allowed");
        match self.without_session(context, &allowed, &denied) {
            Some(reply) => HeadersStatus::Reply(reply),
            None => HeadersStatus::Continue,
        }
    }

    /// Takes from a request what only this filter may say; its cookies, readable.
    fn clean(&self, request: &mut HeaderMap) -> Jar {
        let mut jar = Jar::of(request);
        let stats = &self.stats.cells;
        session::decrypt(&self.settings, stats, &self.hmac_secret, &mut jar, request);
        if !self.settings.keeps_authorization {
            request.remove(Known::Authorization);
        }
        jar
    }

    fn forward_tokens(&self, access: String, id: String, context: &mut FilterContext<'_>) {
        let request = &mut *context.request_headers;
        if self.settings.forwards_access_token && !access.is_empty() {
            let value = format!("Bearer {access}");
            request.replace(&HeaderName::from(Known::Authorization), value.as_bytes());
        }
        if let Some(header) = &self.settings.id_token_header
            && !id.is_empty()
        {
            let value = match header.known() {
                Some(Known::Authorization) => format!("Bearer {id}"),
                _ => id,
            };
            request.replace(header, value.as_bytes());
        }
    }

    /// What becomes of a request of nobody: it passes as such, is sent to the server, or is refused.
    fn without_session(
        &self,
        context: &mut FilterContext<'_>,
        allowed: &str,
        denied: &str,
    ) -> Option<Box<LocalReply>> {
        let settings = &self.settings;
        if any(&settings.passes_failed, context.request_headers) {
            self.pass_as_nobody(context, allowed);
            return None;
        }
        if any(&settings.never_redirects, context.request_headers) {
            return Some(self.refuse("", denied));
        }
        let origin = answers::origin(settings, context);
        let authority = origin.split_once("://").map_or(&*origin, |(_, rest)| rest);
        if !settings.allows(authority.as_bytes()) {
            let text = "authority or original_request_uri failed domain allow-list validation";
            return Some(self.refuse("", &format!("{text}: {origin}")));
        }
        let path = String::from_utf8_lossy(path_of(context.request_headers)).into_owned();
        let redirect_uri = answers::formatted(&settings.redirect_uri, context);
        let url = format!("{origin}{path}");
        let reply = answers::to_server(settings, &self.hmac_secret, &url, &redirect_uri);
        self.stats.cells.oauth_unauthorized_rq.inc();
        Some(Box::new(reply.unwrap_or_else(answers::unavailable)))
    }

    fn pass_as_nobody(&self, context: &mut FilterContext<'_>, reason: &str) {
        self.stats.cells.oauth_allow_failed_passthrough.inc();
        let request = &mut *context.request_headers;
        session::remove_tokens(&self.settings, &mut Jar::of(request), request);
        request.append_from_wire(STATUS.as_bytes(), b"failed");
        request.append_from_wire(REASON.as_bytes(), reason.as_bytes());
    }

    fn refuse(&self, flow: &str, details: &str) -> Box<LocalReply> {
        self.stats.cells.oauth_failure.inc();
        Box::new(answers::unauthorized(&self.settings, flow, details))
    }

    /// Sends someone who is signed in already to where they wanted to go.
    fn send_back(&self, context: &FilterContext<'_>, jar: &Jar) -> LocalReply {
        let path = path_of(context.request_headers);
        let callback = callback::read(&self.settings, &self.hmac_secret, jar, path);
        let Callback { url, flow, .. } = match callback {
            Ok(callback) => callback,
            Err(Fault { flow, details }) => return *self.refuse(&flow, &details),
        };
        let path = callback::path_of(&url);
        if is_path(&self.settings.callback, path.as_bytes()) {
            let text = format!("State url query params matches the redirect path matcher: {path}");
            return *self.refuse(&flow, &text);
        }
        let cookies = self.settings.flow_deletions(&flow);
        answers::back(url.as_bytes(), cookies, "oauth.race_redirect")
    }

    /// Asks for tokens with the code that a user brings.
    fn exchange(self, context: &mut FilterContext<'_>, jar: &Jar) -> HeadersStatus {
        let path = path_of(context.request_headers);
        let callback = match callback::read(&self.settings, &self.hmac_secret, jar, path) {
            Ok(callback) => callback,
            Err(Fault { flow, details }) => {
                return HeadersStatus::Reply(self.refuse(&flow, &details));
            }
        };
        let sealed = flow_cookie(jar, &self.settings.names.verifier, &callback.flow);
        let Some(sealed) = sealed else {
            let details = "Code verifier cookie is missing in the request";
            return HeadersStatus::Reply(self.refuse(&callback.flow, details));
        };
        let verifier = match crypto::open(&self.hmac_secret, sealed) {
            Ok(verifier) => verifier,
            Err(fault) => {
                let sealed = String::from_utf8_lossy(sealed);
                let details = format!("Failed to decrypt code verifier: {sealed}, error: {fault}");
                return HeadersStatus::Reply(self.refuse(&callback.flow, &details));
            }
        };
        if crypto::is_legacy(sealed) {
            self.stats.cells.oauth_legacy_cbc_decrypt.inc();
        }
        let redirect_uri = answers::formatted(&self.settings.redirect_uri, context);
        let grant = Grant::Code {
            code: &callback.code,
            redirect_uri: &redirect_uri,
            verifier: &verifier,
        };
        let calls = context.services.calls();
        let Some(answer) = token::ask(&self.settings, &self.token_secret, &grant, calls) else {
            let details = "Token endpoint cluster not found";
            return HeadersStatus::Reply(self.refuse(&callback.flow, details));
        };
        HeadersStatus::Wait(Box::pin(async move {
            let tokens = token::read(&self.settings, answer.await);
            Resume::Then(Box::new(Applied(Box::new(move |context| {
                Some(self.sign_in(context, &callback, tokens))
            }))))
        }))
    }

    fn sign_in(
        &self,
        context: &FilterContext<'_>,
        callback: &Callback,
        tokens: Result<Tokens, NoTokens>,
    ) -> Box<LocalReply> {
        let tokens = match tokens {
            Ok(tokens) => tokens,
            Err(why) => return self.refuse(&callback.flow, &why.details()),
        };
        let now = session::seconds(context.services.wall());
        let session = Session::begin(&self.settings, tokens, now);
        let host = host_of(context.request_headers);
        let jar = Jar::of(context.request_headers);
        let cookies = session.cookies(&self.settings, &self.hmac_secret, &host, &jar);
        let Some(mut cookies) = cookies else {
            return Box::new(answers::unavailable());
        };
        cookies.extend(self.settings.flow_deletions(&callback.flow));
        self.stats.cells.oauth_success.inc();
        let location = callback.url.as_bytes();
        Box::new(answers::redirect(cookies, location, "oauth.logged_in"))
    }

    /// Asks for other tokens with the one that is for this.
    fn refresh(self, context: &mut FilterContext<'_>, refresh_token: &[u8]) -> HeadersStatus {
        let grant = Grant::Refresh(refresh_token);
        let calls = context.services.calls();
        let answer = token::ask(&self.settings, &self.token_secret, &grant, calls);
        let Some(answer) = answer else {
            let details = "Token endpoint cluster not found";
            return HeadersStatus::Reply(self.refuse("", details));
        };
        HeadersStatus::Wait(Box::pin(async move {
            let tokens = token::read(&self.settings, answer.await);
            Resume::Then(Box::new(Applied(Box::new(move |context| match tokens {
                Ok(tokens) => self.go_on(context, tokens),
                Err(why) => self.not_refreshed(context, &why),
            }))))
        }))
    }

    fn not_refreshed(
        &self,
        context: &mut FilterContext<'_>,
        why: &NoTokens,
    ) -> Option<Box<LocalReply>> {
        const WHAT: &str = "Failed to refresh the access token, and";
        match why {
            NoTokens::Refused(_) => {
                self.stats.cells.oauth_refreshtoken_failure.inc();
                let allowed =
                    format!("{WHAT} forwarding as unauthorized because OAuth failure is allowed");
                let denied = format!("{WHAT} redirecting to OAuth server is not allowed");
                self.without_session(context, &allowed, &denied)
            }
            NoTokens::Missing { reason, .. } => {
                if any(&self.settings.passes_failed, context.request_headers) {
                    self.pass_as_nobody(context, reason);
                    return None;
                }
                Some(self.refuse("", &why.details()))
            }
        }
    }

    /// Goes on with other tokens than the request came with.
    fn go_on(&self, context: &mut FilterContext<'_>, tokens: Tokens) -> Option<Box<LocalReply>> {
        let settings = &*self.settings;
        let now = session::seconds(context.services.wall());
        let mut session = Session::begin(settings, tokens, now);
        let host = host_of(context.request_headers);
        let mut jar = Jar::of(context.request_headers);
        for (name, token) in [
            (&settings.names.bearer, &session.access),
            (&settings.names.id, &session.id),
        ] {
            if !token.is_empty() {
                jar.set(name, token.as_bytes());
            }
        }
        if session.refresh.is_empty() {
            // The one that was used serves on.
            session.refresh = jar_text(&jar, &settings.names.refresh);
        }
        self.forward_tokens(session.access.clone(), session.id.clone(), context);
        session::remove_flow_cookies(settings, &mut jar, context.request_headers);
        let cookies = session.cookies(settings, &self.hmac_secret, &host, &jar);
        let Some(cookies) = cookies else {
            return Some(Box::new(answers::unavailable()));
        };
        *self.cookies.borrow_mut() = cookies;
        self.stats.cells.oauth_refreshtoken_success.inc();
        self.stats.cells.oauth_success.inc();
        None
    }
}

fn host_of(request: &HeaderMap) -> Vec<u8> {
    request.get(Known::Authority).unwrap_or_default().to_vec()
}

fn jar_text(jar: &Jar, name: &str) -> String {
    String::from_utf8_lossy(jar.get(name)).into_owned()
}
