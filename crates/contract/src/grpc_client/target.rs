//! `envoy.config.core.v3.GrpcService`: where calls of gRPC go and how.
//!
//! `google_grpc` is refused: there is one client of gRPC, which knows clusters. Envoy's defaults: the cluster's name is
//! the authority, a message may be as long as it is, nothing is tried again.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use super::stream::{GrpcEnd, GrpcStream};
use crate::calls::{CallOptions, CallRetries, CoreRetryPolicy, HttpCalls};
use crate::formatter::FormatContext;
use crate::grpc::{status, timeout_value};
use crate::header_mutation::{HeaderMutations, HeaderValue};
use crate::headers::{HeaderMap, HeaderName, Known};

message! {
    /// Where calls go.
    pub struct GrpcServiceMessage: "envoy.config.core.v3.GrpcService" {
        oneof target_specifier: GrpcTargetMessage,
        timeout: Option<Duration>,
        initial_metadata: Vec<HeaderValue>,
        retry_policy: Option<CoreRetryPolicy>,
    }
}

one_of! {
    /// Over which client.
    pub enum GrpcTargetMessage {
        envoy_grpc => Envoy(EnvoyGrpc),
    }
}

message! {
    /// A cluster.
    pub struct EnvoyGrpc: "envoy.config.core.v3.GrpcService.EnvoyGrpc" {
        cluster_name: Spanned<String>,
        authority: String,
        retry_policy: Option<CoreRetryPolicy>,
        max_receive_message_length: Option<u32>,
        skip_envoy_headers: bool,
    }
}

impl GrpcServiceMessage {
    /// The cluster that it names, for checks of the whole configuration.
    pub fn cluster_name(&self) -> &Spanned<String> {
        let GrpcTargetMessage::Envoy(envoy) = &self.target_specifier;
        &envoy.cluster_name
    }

    /// The target.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<GrpcTarget, Refused> {
        let GrpcTargetMessage::Envoy(envoy) = &self.target_specifier;
        let cluster: Box<str> = envoy.cluster_name.value.as_str().into();
        let authority = match envoy.authority.as_str() {
            "" => cluster.clone(),
            authority => authority.into(),
        };
        let retry = self.retry_policy.as_ref().or(envoy.retry_policy.as_ref());
        let max = envoy.max_receive_message_length.unwrap_or(0);
        Ok(GrpcTarget {
            authority,
            cluster,
            timeout: self.timeout.filter(|timeout| !timeout.is_zero()),
            metadata: Arc::new(HeaderMutations::of_values(&self.initial_metadata, ctx)?),
            max_message_bytes: usize::try_from(max).ok().filter(|max| *max > 0),
            options: CallOptions {
                timeout: None,
                retries: retry.map(|retry| retry.compile(ctx)).transpose()?,
                hides_internal: envoy.skip_envoy_headers,
                hides_address: envoy.skip_envoy_headers,
            },
        })
    }
}

/// Where calls go, compiled.
#[derive(Clone, Debug)]
pub struct GrpcTarget {
    /// The cluster.
    pub cluster: Box<str>,
    /// The time for a call, if its service says one.
    pub timeout: Option<Duration>,
    authority: Box<str>,
    metadata: Arc<HeaderMutations>,
    max_message_bytes: Option<usize>,
    options: CallOptions,
}

impl GrpcTarget {
    /// A cluster, with nothing else said.
    pub fn of_cluster(cluster: &str) -> Self {
        GrpcTarget {
            cluster: cluster.into(),
            timeout: None,
            authority: cluster.into(),
            metadata: Arc::default(),
            max_message_bytes: None,
            options: CallOptions::default(),
        }
    }

    /// The shortest and the longest time between tries to have a stream, where the configuration says them.
    pub fn back_off(&self) -> Option<(Duration, Duration)> {
        self.options.retries.as_ref()?.back_off
    }

    /// The same, where beginning a stream is tried so often again.
    #[must_use]
    pub fn with_tries_to_begin(mut self, num_retries: u32) -> Self {
        self.options.retries = Some(Arc::new(CallRetries {
            retry_on: "connect-failure".into(),
            num_retries,
            back_off: None,
        }));
        self
    }

    /// The same, with one more header of calls, behind the others.
    #[must_use]
    pub fn with_metadata(mut self, name: HeaderName, value: &str) -> Self {
        let value = value.as_bytes().to_vec();
        self.metadata = Arc::new(self.metadata.with_default(name, value));
        self
    }

    /// Begins a stream of a method, `/package.Service/Method`. `of` is the stream that it is for, if it is for one,
    /// whose values its metadata may have.
    ///
    /// # Errors
    /// The end of the call if there is no such cluster.
    pub fn stream(
        &self,
        calls: &dyn HttpCalls,
        method: &str,
        of: Option<&FormatContext<'_>>,
    ) -> Result<GrpcStream, GrpcEnd> {
        self.begin(calls, method, None, of)
    }

    /// The same with more metadata, behind the others.
    ///
    /// # Errors
    /// The end of the call if there is no such cluster.
    pub fn stream_with(
        &self,
        calls: &dyn HttpCalls,
        method: &str,
        more: &HeaderMutations,
        of: Option<&FormatContext<'_>>,
    ) -> Result<GrpcStream, GrpcEnd> {
        let mut head = self.head(method, None, of);
        more.set_metadata(&mut head, of);
        self.start(calls, head, self.options.clone())
    }

    /// Begins a call of a method with one message, and awaits one.
    ///
    /// # Errors
    /// How it ended, if that was not well.
    pub fn unary(
        &self,
        calls: &dyn HttpCalls,
        method: &str,
        message: &[u8],
        timeout: Option<Duration>,
        of: Option<&FormatContext<'_>>,
    ) -> impl Future<Output = Result<Vec<u8>, GrpcEnd>> + use<> {
        let begun = self.begin(calls, method, timeout, of).map(|mut stream| {
            stream.send(message);
            stream.finish();
            stream
        });
        async move { begun?.only_message().await }
    }

    fn begin(
        &self,
        calls: &dyn HttpCalls,
        method: &str,
        timeout: Option<Duration>,
        of: Option<&FormatContext<'_>>,
    ) -> Result<GrpcStream, GrpcEnd> {
        let options = CallOptions {
            timeout,
            ..self.options.clone()
        };
        self.start(calls, self.head(method, timeout, of), options)
    }

    fn start(
        &self,
        calls: &dyn HttpCalls,
        head: HeaderMap,
        options: CallOptions,
    ) -> Result<GrpcStream, GrpcEnd> {
        calls
            .start(&self.cluster, head, options)
            .map(|call| GrpcStream::new(call, self.max_message_bytes))
            .ok_or_else(|| GrpcEnd::new(status::UNAVAILABLE, "Cluster not available"))
    }

    fn head(
        &self,
        method: &str,
        timeout: Option<Duration>,
        of: Option<&FormatContext<'_>>,
    ) -> HeaderMap {
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"POST");
        head.set(Known::Path, method.as_bytes());
        head.set(Known::Authority, self.authority.as_bytes());
        head.set(Known::Te, b"trailers");
        if let Some(timeout) = timeout {
            let value = timeout_value(timeout);
            head.set(Known::GrpcTimeout, value.as_bytes());
        }
        head.set(Known::ContentType, b"application/grpc");
        self.metadata.set_metadata(&mut head, of);
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_head_of_grpc_in_envoys_order() {
        let target = GrpcTarget::of_cluster("here");
        let head = target.head("/pkg.S/M", Some(Duration::from_millis(250)), None);
        let mut lines = Vec::new();
        head.write_lines(&mut lines);
        let regular: Vec<_> = head.iter_regular().map(|header| header.name).collect();
        assert_eq!(
            regular,
            [&b"te"[..], b"grpc-timeout", b"content-type"],
            "{}",
            String::from_utf8_lossy(&lines)
        );
        assert_eq!(head.get(Known::GrpcTimeout), Some(&b"250m"[..]));
        assert_eq!(head.get(Known::Authority), Some(&b"here"[..]));
    }
}
