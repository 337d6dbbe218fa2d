//! The admin interface as a service at the end of a filter chain: Envoy's own connection manager, with the
//! stat prefix `admin`, on the main thread; and its listener, which can be closed for a process that takes over.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http1::Http1Settings;
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::matching::CompiledStringMatcher;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::StatsStore;
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};
use nuncio_http::service::{Answer, Service};
use nuncio_http::worker::Worker;
use nuncio_net::bound::bind_one;
use nuncio_net::connect::error_text;
use nuncio_net::listener::ListenOptions;
use tokio::task::JoinHandle;

use crate::admin::response::Body;
use crate::admin::state::AdminState;
use crate::admin::{self, request::AdminRequest, response::AdminResponse};
use crate::bootstrap::AdminConfig;
use crate::listener::{
    CompiledChain, CompiledListener, ConnectionLimits, Inspection, OnThread, Selection, serve,
};

/// The type of a body that is read.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The admin's listener.
pub(crate) struct AdminListener {
    listener: Arc<CompiledListener>,
    service: Rc<dyn Service>,
    worker: Rc<Worker>,
    accepting: RefCell<Option<JoinHandle<std::io::Result<()>>>>,
}

impl AdminListener {
    /// One that is not open yet, for what `state` shows and acts on.
    pub(crate) fn new(
        config: &AdminConfig,
        stats: &StatsStore,
        state: Rc<dyn AdminState>,
        worker: Rc<Worker>,
    ) -> Self {
        let listener = CompiledListener {
            name: "admin".to_string(),
            is_inbound: false,
            bypasses_overload: true,
            address: config.address.clone(),
            options: ListenOptions {
                reuse_port: false,
                ..ListenOptions::default()
            },
            scope: stats.scope("listener.admin"),
            description: Arc::default(),
            chains: vec![CompiledChain::plain(
                connection_manager(config.access_logs.clone()),
                StatScopes::new(stats, "admin", "admin"),
            )],
            selection: Selection::only_one(),
            inspection: Inspection::default(),
            limits: ConnectionLimits::of_process(config.global_limit.clone()),
            root: stats.root(),
            additional: Vec::new(),
            internal: None,
            balance: None,
            ignores_health: false,
            logs: Vec::new(),
            datagrams: None,
            quic: None,
        };
        AdminListener {
            listener: Arc::new(listener),
            service: Rc::new(AdminService {
                state,
                allow_paths: config.allow_paths.clone(),
            }),
            worker,
            accepting: RefCell::default(),
        }
    }

    /// Binds and accepts; returns where.
    pub(crate) fn open(&self) -> Result<String, String> {
        let listener = Arc::clone(&self.listener);
        let thread = OnThread::main(Rc::clone(&self.worker));
        let service = Rc::clone(&self.service);
        let address = &listener.address;
        let socket =
            bind_one(address, &listener.options).map_err(|error| cannot_bind(address, &error))?;
        let bound = socket.local_addr().map_err(|error| error.to_string())?;
        let accepting = tokio::task::spawn_local(serve(listener, socket, thread, service));
        *self.accepting.borrow_mut() = Some(accepting);
        Ok(bound.to_string())
    }

    /// Whether it accepts.
    pub(crate) fn is_open(&self) -> bool {
        self.accepting.borrow().is_some()
    }

    /// Lets the address go; connections that are open stay.
    pub(crate) async fn close(&self) {
        let accepting = self.accepting.borrow_mut().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // That it was ended is no news.
            drop(accepting.await);
        }
    }
}

fn cannot_bind(address: &dyn std::fmt::Display, error: &std::io::Error) -> String {
    format!("cannot bind '{address}': {}", error_text(error))
}

/// Answers admin requests.
struct AdminService {
    /// What it shows and acts on.
    state: Rc<dyn AdminState>,
    /// What is answered; all if it is empty.
    allow_paths: Vec<CompiledStringMatcher>,
}

impl AdminService {
    fn allows(&self, path: &str) -> bool {
        let mut allowed = self.allow_paths.iter();
        self.allow_paths.is_empty() || allowed.any(|matcher| matcher.matches(path.as_bytes()))
    }
}

/// The media types that the client takes.
fn accepted(request: &HeaderMap) -> String {
    let accept: Vec<_> = request
        .get_all(Known::Accept)
        .map(String::from_utf8_lossy)
        .collect();
    accept.join(",")
}

impl Service for AdminService {
    fn call(&self, request: &HeaderMap, body: Buffer) -> LocalFuture<Answer> {
        let text =
            |known| String::from_utf8_lossy(request.get(known).unwrap_or_default()).into_owned();
        let (method, path) = (text(Known::Method), text(Known::Path));
        if !self.allows(&path) {
            let refused = AdminResponse::text(403, format!("request to path {path} not allowed"));
            return Box::pin(std::future::ready(answer(refused)));
        }
        // A page that may not have its scripts would stay empty.
        let accept = match path == "/" && !self.allows(admin::PAGE_SCRIPT) {
            true => String::new(),
            false => accepted(request),
        };
        let mut admin_request = AdminRequest::new(&method, &path);
        admin_request.accept = &accept;
        if request.get(Known::ContentType) == Some(FORM) {
            admin_request.body = body.readable();
        }
        let response = admin::handle(&*self.state, &admin_request);
        Box::pin(async move {
            let mut response = response;
            while let Body::Later(later) = response.body {
                response = later.await;
            }
            answer(response)
        })
    }
}

fn answer(response: AdminResponse) -> Answer {
    let headers = response.all_headers().filter_map(|(name, value)| {
        Some((HeaderName::parse(name).ok()?, value.as_bytes().to_vec()))
    });
    Answer {
        status: response.status,
        headers: headers.collect(),
        details: Some("admin_filter_response"),
        body: match response.body {
            Body::Whole(bytes) => Box::new(std::iter::once(bytes)),
            Body::Chunks(chunks) => chunks,
            Body::Later(_) => Box::new(std::iter::empty()),
        },
        is_single_piece: false,
    }
}

/// The connection manager that the admin's listener runs. Paths are normalised and may not be whole URLs, as in Envoy.
fn connection_manager(access_logs: Vec<Arc<dyn AccessLogConfig>>) -> ConnectionManagerConfig {
    let codec = Http1Settings {
        allow_absolute_url: false,
        ..Http1Settings::default()
    };
    let mut config = ConnectionManagerConfig::for_service("admin", access_logs, codec);
    config.request.normalize_path = true;
    config.request.merge_slashes = true;
    config
}
