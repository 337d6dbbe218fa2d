//! `envoy.config.core.v3.HttpService`: where reports go over HTTP.
//!
//! The host and the path are those of the URI; one without a host goes to the name of the cluster. What comes back is
//! read to its end, so that connections can be used again.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use crate::calls::{CallAnswer, CallOptions, HttpCalls, collect};
use crate::formatter::FormatContext;
use crate::header_mutation::{HeaderMutations, HeaderValueOption};
use crate::headers::{HeaderMap, Known};

message! {
    /// Where reports go.
    pub struct HttpServiceMessage: "envoy.config.core.v3.HttpService" {
        http_uri: HttpUri,
        request_headers_to_add: Vec<HeaderValueOption>,
    }
}

message! {
    /// A cluster and a URI.
    pub struct HttpUri: "envoy.config.core.v3.HttpUri" {
        uri: Spanned<String>,
        oneof http_upstream_type: HttpUpstream,
        timeout: Duration,
    }
}

one_of! {
    /// The cluster.
    pub enum HttpUpstream {
        cluster => Cluster(String),
    }
}

/// Where reports go, compiled.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// The cluster.
    pub cluster: Box<str>,
    /// The host.
    pub host: Box<str>,
    /// The path.
    pub path: Box<str>,
    /// How long an answer may take.
    pub timeout: Duration,
    headers: Arc<HeaderMutations>,
}

impl HttpServiceMessage {
    /// The target.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<HttpTarget, Refused> {
        let HttpUpstream::Cluster(cluster) = &self.http_uri.http_upstream_type;
        let (host, path) = host_and_path(&self.http_uri.uri.value);
        Ok(HttpTarget {
            cluster: cluster.as_str().into(),
            host: if host.is_empty() { cluster } else { host }.into(),
            path: path.into(),
            timeout: self.http_uri.timeout,
            headers: Arc::new(HeaderMutations::compile(
                &self.request_headers_to_add,
                &[],
                ctx,
            )?),
        })
    }
}

/// The host of a URI, which may have none, and its path.
pub fn host_and_path(uri: &str) -> (&str, &str) {
    let Some((_scheme, rest)) = uri.split_once("://") else {
        return ("", uri);
    };
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

impl HttpTarget {
    /// A target without headers of its own.
    pub fn new(cluster: &str, host: &str, path: &str, timeout: Duration) -> Self {
        HttpTarget {
            cluster: cluster.into(),
            host: host.into(),
            path: path.into(),
            timeout,
            headers: Arc::default(),
        }
    }

    /// Posts a report; none if there is no such cluster. What it gives is the answer, if one comes whole.
    pub fn post(
        &self,
        calls: &dyn HttpCalls,
        headers: &[(Known, &[u8])],
        body: &[u8],
        of: Option<&FormatContext<'_>>,
    ) -> Option<impl Future<Output = Option<CallAnswer>> + use<>> {
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"POST");
        head.set(Known::Path, self.path.as_bytes());
        head.set(Known::Authority, self.host.as_bytes());
        for (name, value) in headers {
            head.set(*name, value);
        }
        self.headers.set_metadata(&mut head, of);
        let options = CallOptions {
            timeout: Some(self.timeout),
            ..CallOptions::default()
        };
        let mut call = calls.start(&self.cluster, head, options)?;
        call.send(body, true);
        Some(collect(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_a_host_or_is_a_path() {
        for (uri, host, path) in [
            ("https://a.example/v1/traces", "a.example", "/v1/traces"),
            ("http://a.example:80", "a.example:80", "/"),
            ("/v1", "", "/v1"),
        ] {
            assert_eq!(host_and_path(uri), (host, path));
        }
    }
}
