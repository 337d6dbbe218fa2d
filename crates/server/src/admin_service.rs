//! The admin interface as a service at the end of a filter chain: Envoy's own connection manager, with the
//! stat prefix `admin`, on the main thread; and its listener, which can be closed for a process that takes over.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http1::Http1Settings;
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::StatsStore;
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};
use nuncio_http::service::{Answer, Service};
use nuncio_http::worker::Worker;
use nuncio_net::listener::{ListenOptions, bind_one};
use tokio::task::JoinHandle;

use crate::admin::response::Body;
use crate::admin::state::AdminState;
use crate::admin::{self, request::AdminRequest, response::AdminResponse};
use crate::bootstrap::AdminConfig;
use crate::listener::{CompiledListener, OnThread, serve};

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
            address: config.address,
            options: ListenOptions {
                reuse_port: false,
                ..ListenOptions::default()
            },
            scope: stats.scope("listener.admin"),
            scopes: StatScopes::new(stats, "admin", "admin"),
            manager: Arc::new(connection_manager(config.access_logs.clone())),
            description: Arc::default(),
            chain: Arc::default(),
        };
        AdminListener {
            listener: Arc::new(listener),
            service: Rc::new(AdminService { state }),
            worker,
            accepting: RefCell::default(),
        }
    }

    /// Binds and accepts; returns where.
    pub(crate) fn open(&self) -> Result<SocketAddr, String> {
        let listener = &self.listener;
        let socket = bind_one(listener.address, listener.options)
            .map_err(|error| format!("cannot bind '{}': {error}", listener.address))?;
        let address = socket.local_addr().map_err(|error| error.to_string())?;
        let thread = OnThread::main(Rc::clone(&self.worker));
        let accepting = serve(
            Arc::clone(listener),
            socket,
            thread,
            Rc::clone(&self.service),
        );
        *self.accepting.borrow_mut() = Some(tokio::task::spawn_local(accepting));
        Ok(address)
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

/// Answers admin requests.
struct AdminService {
    /// What it shows and acts on.
    state: Rc<dyn AdminState>,
}

impl Service for AdminService {
    fn call(&self, request: &HeaderMap, body: Buffer) -> LocalFuture<Answer> {
        let text =
            |known| String::from_utf8_lossy(request.get(known).unwrap_or_default()).into_owned();
        let (method, path) = (text(Known::Method), text(Known::Path));
        let accept: Vec<_> = request
            .get_all(Known::Accept)
            .map(String::from_utf8_lossy)
            .collect();
        let accept = accept.join(",");
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
        body: match response.body {
            Body::Whole(bytes) => Box::new(std::iter::once(bytes)),
            Body::Chunks(chunks) => chunks,
            Body::Later(_) => Box::new(std::iter::empty()),
        },
        is_single_piece: false,
    }
}

/// The connection manager that the admin's listener runs.
fn connection_manager(access_logs: Vec<Arc<dyn AccessLogConfig>>) -> ConnectionManagerConfig {
    ConnectionManagerConfig::for_service("admin", access_logs, Http1Settings::default())
}
