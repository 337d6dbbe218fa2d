//! REST: a server that is asked for a kind of resource again and again, by a POST with the request in JSON.
//!
//! A task asks, waits until what came was answered, then for `refresh_delay` and a random share of as much again. What
//! it is answered with is told to the subscription: 200 is an update, 304 nothing new, all else a failure. An answer
//! may have 32 MiB and take `request_timeout` (1 s).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::json_text;
use nuncio_config::resources::{Response, UnknownFields, parse_response};
use nuncio_config::text::Limits;
use nuncio_contract::calls::{CallAnswer, CallOptions, collect};
use nuncio_contract::config_source::RestSource;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::subscription::Wanted;

/// Where a server is asked for a kind of resource.
const PATHS: [(&str, &str); 8] = [
    ("envoy.config.listener.v3.Listener", "listeners"),
    ("envoy.config.cluster.v3.Cluster", "clusters"),
    ("envoy.config.route.v3.RouteConfiguration", "routes"),
    (
        "envoy.config.route.v3.ScopedRouteConfiguration",
        "scoped-routes",
    ),
    (
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        "endpoints",
    ),
    (
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        "secrets",
    ),
    (
        "envoy.config.core.v3.TypedExtensionConfig",
        "extension_configs",
    ),
    ("envoy.service.runtime.v3.Runtime", "runtime"),
];

/// What comes of asking.
pub(super) enum Said {
    /// It was asked.
    Asked,
    /// Resources, to be answered.
    Update(Box<Response>),
    /// An answer that is none, and why.
    Rejected(String),
    /// No answer that can be used.
    Failed,
}

/// A server that is asked as long as this is there.
pub(super) struct Polling {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

/// Who asks, and with what.
pub(super) struct Asker {
    pub(super) services: Rc<dyn WorkerServices>,
    /// The node in JSON.
    pub(super) node: Arc<str>,
    /// What becomes of fields that the API does not have.
    pub(super) unknown: UnknownFields,
    /// There are news for someone.
    pub(super) has_news: Rc<Notify>,
}

struct Shared {
    asker: Rc<Asker>,
    server: Arc<RestSource>,
    path: Box<str>,
    kind: &'static str,
    name: Option<Box<str>>,
    /// What was accepted last.
    version: RefCell<Box<str>>,
    inbox: RefCell<VecDeque<Said>>,
    answered: Notify,
}

impl Polling {
    /// Begins to ask.
    pub(super) fn begin(asker: &Rc<Asker>, server: &Arc<RestSource>, wanted: Wanted<'_>) -> Self {
        let path = PATHS.iter().find(|(kind, _)| *kind == wanted.kind);
        let path = path.map_or("", |(_, path)| path);
        let shared = Rc::new(Shared {
            asker: Rc::clone(asker),
            server: Arc::clone(server),
            path: format!("/v3/discovery:{path}").into(),
            kind: wanted.kind,
            name: wanted.name.map(Box::from),
            version: RefCell::default(),
            inbox: RefCell::default(),
            answered: Notify::new(),
        });
        let task = spawn_seldom(Rc::clone(&shared).ask_for_ever());
        Polling { shared, task }
    }

    /// Where it asks.
    pub(super) fn path(&self) -> &str {
        &self.shared.path
    }

    /// What has come, if anything.
    pub(super) fn take(&self) -> Option<Said> {
        self.shared.inbox.borrow_mut().pop_front()
    }

    /// Says that an update was applied as this version, or that it was rejected.
    pub(super) fn answer(&self, accepted: Option<&str>) {
        if let Some(version) = accepted {
            *self.shared.version.borrow_mut() = version.into();
        }
        self.shared.answered.notify_one();
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn ask_for_ever(self: Rc<Self>) {
        loop {
            self.tell(Said::Asked);
            let answer = self.ask().await;
            match said(answer.as_ref(), self.asker.unknown) {
                Some(Said::Update(response)) => {
                    self.tell(Said::Update(response));
                    self.answered.notified().await;
                }
                Some(other) => self.tell(other),
                None => {}
            }
            let services = &self.asker.services;
            let pause = pause(self.server.refresh_delay, services.random_u64());
            services.sleep(pause).await;
        }
    }

    fn tell(&self, said: Said) {
        self.inbox.borrow_mut().push_back(said);
        self.asker.has_news.notify_one();
    }

    /// The answer to a request, if one comes.
    async fn ask(&self) -> Option<CallAnswer> {
        let body = {
            let version = self.version.borrow();
            request(&version, &self.asker.node, self.name.as_deref(), self.kind)
        };
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"POST");
        head.set(Known::Path, self.path.as_bytes());
        head.set(Known::Authority, self.server.cluster.as_bytes());
        head.set(Known::ContentType, b"application/json");
        head.set(Known::ContentLength, body.len().to_string().as_bytes());
        let options = CallOptions {
            timeout: Some(self.server.request_timeout),
            ..CallOptions::default()
        };
        let calls = self.asker.services.calls()?;
        let mut call = calls.start(&self.server.cluster, head, options)?;
        call.send(body.as_bytes(), true);
        collect(call).await
    }
}

/// `DiscoveryRequest` in JSON.
fn request(version: &str, node: &str, name: Option<&str>, kind: &str) -> String {
    let mut body = String::from("{");
    if !version.is_empty() {
        body.push_str("\"version_info\":");
        json_text::string(&mut body, version);
        body.push(',');
    }
    body.push_str("\"node\":");
    body.push_str(node);
    if let Some(name) = name {
        body.push_str(",\"resource_names\":[");
        json_text::string(&mut body, name);
        body.push(']');
    }
    body.push_str(",\"type_url\":");
    json_text::string(&mut body, &format!("type.googleapis.com/{kind}"));
    body.push('}');
    body
}

/// What an answer says; none if it says that there is nothing new.
fn said(answer: Option<&CallAnswer>, unknown: UnknownFields) -> Option<Said> {
    let Some(answer) = answer else {
        return Some(Said::Failed);
    };
    match answer.status() {
        304 => None,
        200 => Some(
            match parse_response("(server)", &answer.body, unknown, &Limits::default()) {
                Ok(response) => Said::Update(Box::new(response)),
                Err(unreadable) => Said::Rejected(unreadable.envoy),
            },
        ),
        _ => Some(Said::Failed),
    }
}

/// The pause before the next request.
fn pause(refresh_delay: Duration, random: u64) -> Duration {
    let delay_ms = u64::try_from(refresh_delay.as_millis()).unwrap_or(u64::MAX);
    let share = random.checked_rem(delay_ms).unwrap_or(0);
    refresh_delay.saturating_add(Duration::from_millis(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> CallAnswer {
        let mut headers = HeaderMap::response();
        headers.set(Known::Status, status.as_bytes());
        CallAnswer {
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn an_answer_is_an_update_nothing_new_a_rejection_or_a_failure() {
        let said = |answer: Option<&CallAnswer>| said(answer, UnknownFields::Warned);
        let update = said(Some(&answer("200", "{\"version_info\": \"one\"}")));
        assert!(matches!(update, Some(Said::Update(response)) if &*response.version == "one"));
        assert!(said(Some(&answer("304", ""))).is_none());
        let rejected = said(Some(&answer("200", "{\"version_info\": ")));
        assert!(matches!(rejected, Some(Said::Rejected(_))));
        let failed = [said(Some(&answer("503", "{}"))), said(None)];
        assert!(failed.iter().all(|one| matches!(one, Some(Said::Failed))));
    }

    #[test]
    fn a_request_says_the_version_only_when_there_is_one_and_the_name_only_of_what_has_one() {
        assert_eq!(
            request("", "{}", None, "a.B"),
            "{\"node\":{},\"type_url\":\"type.googleapis.com/a.B\"}"
        );
        assert_eq!(
            request("v\"1", "{}", Some("n"), "a.B"),
            "{\"version_info\":\"v\\\"1\",\"node\":{},\"resource_names\":[\"n\"],\"type_url\":\"type.googleapis.com/a.B\"}"
        );
    }

    #[test]
    fn pauses_are_between_one_and_two_delays() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second, 0), second);
        assert_eq!(pause(second, 999), Duration::from_millis(1999));
        assert_eq!(pause(second, 1000), second);
        assert_eq!(pause(Duration::from_nanos(1), 7), Duration::from_nanos(1));
    }
}
