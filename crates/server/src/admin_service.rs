//! The admin interface as a service at the end of a filter chain: Envoy's own connection manager, with the
//! stat prefix `admin`, on the main thread.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http1::Http1Settings;
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::services::LocalFuture;
use nuncio_http::connection_manager::ConnectionManagerConfig;
use nuncio_http::service::{Answer, Service};

use crate::admin::response::Body;
use crate::admin::state::AdminState;
use crate::admin::{self, request::AdminRequest, response::AdminResponse};

/// Answers admin requests.
pub(crate) struct AdminService {
    /// What it shows and acts on.
    pub(crate) state: Rc<dyn AdminState>,
}

impl Service for AdminService {
    fn call(&self, request: &HeaderMap, body: Buffer) -> LocalFuture<Answer> {
        let text =
            |known| String::from_utf8_lossy(request.get(known).unwrap_or_default()).into_owned();
        let (method, path) = (text(Known::Method), text(Known::Path));
        let mut admin_request = AdminRequest::new(&method, &path);
        admin_request.body = body.readable();
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
pub(crate) fn connection_manager(
    access_logs: Vec<Arc<dyn AccessLogConfig>>,
) -> ConnectionManagerConfig {
    ConnectionManagerConfig::for_service("admin", access_logs, Http1Settings::default())
}
