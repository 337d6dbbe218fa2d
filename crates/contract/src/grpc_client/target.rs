//! `envoy.config.core.v3.GrpcService`: where calls of gRPC go and how.
//!
//! There is one client of gRPC, which knows clusters; for `google_grpc` some are made ([`super::google`]). Envoy's
//! defaults: the cluster's name is the authority, a message may be as long as it is, nothing is tried again.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use super::google::{GoogleChannel, GoogleGrpc};
use super::stream::{GrpcEnd, GrpcStream};
use crate::call_span::CallSpan;
use crate::calls::{CallOptions, CallRetries, CoreRetryPolicy, HttpCalls};
use crate::formatter::FormatContext;
use crate::grpc::{status, timeout_value};
use crate::header_mutation::{HeaderMutations, HeaderValue};
use crate::headers::{Header, HeaderMap, HeaderName, Known};
use crate::stream_info::StreamInfo;

/// What the head of a call over a channel of its own has that is no metadata.
const NO_METADATA: [&[u8]; 5] = [
    b"content-type",
    b"te",
    b"grpc-accept-encoding",
    b"grpc-timeout",
    b"user-agent",
];

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
        google_grpc => Google(GoogleGrpc),
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
    /// The cluster that it names, for checks of the whole configuration; none if it has a channel of its own.
    pub fn cluster_name(&self) -> Option<&Spanned<String>> {
        match &self.target_specifier {
            GrpcTargetMessage::Envoy(envoy) => Some(&envoy.cluster_name),
            GrpcTargetMessage::Google(_) => None,
        }
    }

    /// The target.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<GrpcTarget, Refused> {
        let metadata = Arc::new(HeaderMutations::of_values(&self.initial_metadata, ctx)?);
        let timeout = self.timeout.filter(|timeout| !timeout.is_zero());
        let retry = self.retry_policy.as_ref();
        match &self.target_specifier {
            GrpcTargetMessage::Envoy(envoy) => {
                let retry = retry.or(envoy.retry_policy.as_ref());
                let retries = retry.map(|retry| retry.compile(ctx)).transpose()?;
                Ok(envoy.target(timeout, metadata, retries))
            }
            GrpcTargetMessage::Google(google) => {
                let channel = google.compile(ctx)?;
                let retries = retry.map(|retry| retry.compile(ctx)).transpose()?;
                Ok(GrpcTarget {
                    authority: channel.authority.clone(),
                    cluster: channel.cluster.clone(),
                    timeout,
                    metadata,
                    max_message_bytes: channel.max_message_bytes,
                    options: CallOptions {
                        timeout: None,
                        retries,
                        hides_internal: true,
                        hides_address: true,
                        hides_timeout: true,
                    },
                    channel: Some(Arc::new(channel)),
                })
            }
        }
    }
}

impl EnvoyGrpc {
    fn target(
        &self,
        timeout: Option<Duration>,
        metadata: Arc<HeaderMutations>,
        retries: Option<Arc<CallRetries>>,
    ) -> GrpcTarget {
        let cluster: Box<str> = self.cluster_name.value.as_str().into();
        let authority = match self.authority.as_str() {
            "" => cluster.clone(),
            authority => authority.into(),
        };
        let max = self.max_receive_message_length.unwrap_or(0);
        GrpcTarget {
            authority,
            cluster,
            timeout,
            metadata,
            max_message_bytes: usize::try_from(max).ok().filter(|max| *max > 0),
            options: CallOptions {
                timeout: None,
                retries,
                hides_internal: self.skip_envoy_headers,
                hides_address: self.skip_envoy_headers,
                hides_timeout: false,
            },
            channel: None,
        }
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
    /// Of those that have one by themselves.
    channel: Option<Arc<GoogleChannel>>,
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
            channel: None,
        }
    }

    /// The same, whose channel, if it has one by itself, counts in this scope.
    #[must_use]
    pub fn counting_in(&self, scope: &str) -> Self {
        let mut target = self.clone();
        if let Some(channel) = &mut target.channel {
            let stats = format!("{scope}{}", channel.stats);
            Arc::make_mut(channel).stats = stats.into();
        }
        target
    }

    /// Where calls go, for people: the cluster, or what the configuration says instead of one.
    pub fn destination(&self) -> &str {
        self.channel.as_ref().map_or(&self.cluster, |one| &one.uri)
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
        self.begin(calls, method, self.head(method, None, of), of)
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
        self.begin(calls, method, head, of)
    }

    /// Begins a stream with this head, and its span if there is a stream that it is for and that has one.
    fn begin(
        &self,
        calls: &dyn HttpCalls,
        method: &str,
        mut head: HeaderMap,
        of: Option<&FormatContext<'_>>,
    ) -> Result<GrpcStream, GrpcEnd> {
        let span = of.and_then(|of| self.span(method, of.stream_info));
        if let Some(span) = &span {
            self.tell(span, &mut head);
        }
        match self.start(calls, head, self.options.clone()) {
            Ok(stream) => Ok(stream.in_span(span)),
            Err(end) => {
                if let Some(span) = span {
                    span.end_grpc(end.status);
                }
                Err(end)
            }
        }
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
        let call = self.unary_with_span(calls, method, message, timeout, of);
        async move {
            let (answer, span) = call.await;
            if let Some(span) = span {
                span.end();
            }
            answer
        }
    }

    /// The same with the span of the call, if the stream has one that it is within, for who has more to say of it.
    pub fn unary_with_span(
        &self,
        calls: &dyn HttpCalls,
        method: &str,
        message: &[u8],
        timeout: Option<Duration>,
        of: Option<&FormatContext<'_>>,
    ) -> impl Future<Output = (Result<Vec<u8>, GrpcEnd>, Option<CallSpan>)> + use<> {
        let mut span = of.and_then(|of| self.span(method, of.stream_info));
        let mut head = self.head(method, timeout, of);
        if let Some(span) = &span {
            self.tell(span, &mut head);
        }
        let options = CallOptions {
            timeout,
            ..self.options.clone()
        };
        let begun = self.start(calls, head, options).map(|mut stream| {
            stream.send(message);
            stream.finish();
            stream
        });
        async move {
            let answer = match begun {
                Ok(stream) => stream.only_message().await,
                Err(end) => Err((end.status, end)),
            };
            if let Some(span) = &mut span {
                let status = answer.as_ref().err().map_or(0, |(status, _)| *status);
                span.set_grpc_status(status, answer.is_ok());
            }
            (answer.map_err(|(_, end)| end), span)
        }
    }

    /// Tells who is asked of the trace; over a channel of its own metadata stands in the order of its names, as in Envoy.
    fn tell(&self, span: &CallSpan, head: &mut HeaderMap) {
        span.inject(head);
        if self.channel.is_none() {
            return;
        }
        let is_metadata = |header: &Header<'_>| !NO_METADATA.contains(&header.name);
        let metadata = head.iter_regular().filter(is_metadata);
        let mut metadata: Vec<_> = metadata
            .map(|header| (header.name.to_vec(), header.value.to_vec()))
            .collect();
        metadata.sort_by(|(one, _), (other, _)| one.cmp(other));
        head.remove_if(|header| !header.name.starts_with(b":") && is_metadata(&header));
        for (name, value) in metadata {
            head.append_from_wire(&name, &value);
        }
    }

    /// The span of a call for the sake of a stream.
    fn span(&self, method: &str, of: &StreamInfo) -> Option<CallSpan> {
        of.trace.as_ref()?;
        match &self.channel {
            Some(channel) => CallSpan::grpc(of, method, &channel.name, &channel.uri),
            None => CallSpan::grpc(of, method, &self.cluster, &self.authority),
        }
    }

    fn start(
        &self,
        calls: &dyn HttpCalls,
        mut head: HeaderMap,
        options: CallOptions,
    ) -> Result<GrpcStream, GrpcEnd> {
        let counts = match &self.channel {
            Some(channel) => {
                let counts = calls.channel_stats(&channel.stats);
                if let Some(counts) = &counts {
                    counts.streams_total.inc();
                }
                if channel.is_exposed || !channel.end_head(&mut head) {
                    return Err(GrpcEnd::unanswered(counts.as_deref()));
                }
                counts
            }
            None => None,
        };
        calls
            .start(&self.cluster, head, options)
            .map(|call| {
                let stream = GrpcStream::new(call, self.max_message_bytes);
                match (&self.channel, &counts) {
                    (Some(_), Some(counts)) => stream.counting(Arc::clone(counts)),
                    _ => stream,
                }
            })
            .ok_or_else(|| match &self.channel {
                Some(_) => GrpcEnd::unanswered(counts.as_deref()),
                None => GrpcEnd::new(status::UNAVAILABLE, "Cluster not available"),
            })
    }

    fn head(
        &self,
        method: &str,
        timeout: Option<Duration>,
        of: Option<&FormatContext<'_>>,
    ) -> HeaderMap {
        let mut head = HeaderMap::request();
        if let Some(channel) = &self.channel {
            head.set(Known::Path, method.as_bytes());
            head.set(Known::Authority, self.authority.as_bytes());
            head.set(Known::Method, b"POST");
            channel.begin_head(&mut head, timeout);
            self.metadata.set_metadata(&mut head, of);
            return head;
        }
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
