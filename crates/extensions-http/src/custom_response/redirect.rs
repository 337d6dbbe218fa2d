//! The policy that redirects: the request begins anew as a GET to somewhere else, and its answer is given with another
//! status and more headers.
//!
//! As in Envoy only a request that came to the filter and has come to its end is redirected, only where there is a
//! route for it, and once: what is redirected finds the policy in its filter state, which asks no tree any more.
//! Different from Envoy: a response without a body to a request that is not whole passes, where Envoy's hangs.

use std::any::Any;
use std::sync::Arc;

use nuncio_contract::formatter::{Format, FormatContext};
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::new_location::NewLocation;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::{FilterStateObject, StreamInfo};
use nuncio_contract::url::Url;

/// The name in the filter state.
const STATE: &str = "envoy.filters.http.custom_response";

stat_group! {
    /// Redirects that could not be followed.
    pub struct CustomResponseStats("") {
        counters { custom_response_invalid_uri, custom_response_redirect_no_route }
    }
}

/// A compiled policy.
pub(super) struct Redirect {
    pub(super) to: Target,
    /// The status of the answer; none for the one that the response had before.
    pub(super) status: Option<u16>,
    pub(super) response_headers: HeaderMutations,
    pub(super) request_headers: HeaderMutations,
}

/// Where a policy leads to.
pub(super) enum Target {
    Uri(Box<str>),
    Parts { parts: NewLocation, path: NewPath },
}

/// The path of the new location.
pub(super) enum NewPath {
    Keep,
    To(Box<str>),
    /// Nothing that it formats keeps the request's.
    Format(Format),
}

/// What a request that was redirected takes along.
struct Redirected {
    policy: Arc<Redirect>,
    original_status: Option<u16>,
}

impl FilterStateObject for Redirected {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Where a request was going, should it go on to.
pub(super) struct Before {
    authority: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    /// None where there was none.
    scheme: Option<&'static [u8]>,
}

/// Whether the request was redirected.
pub(super) fn is_redirected(info: &StreamInfo) -> bool {
    redirected(info).is_some()
}

fn redirected(info: &StreamInfo) -> Option<&Redirected> {
    info.filter_state()?.get_as(STATE)
}

fn status(response: &HeaderMap) -> Option<u16> {
    response.get_str(Known::Status)?.parse().ok()
}

/// Makes a response to a redirected request what its policy wants.
pub(super) fn finish(context: &FilterContext<'_>, response: &mut HeaderMap) {
    let Some(redirected) = redirected(context.stream_info) else {
        return;
    };
    let policy = &redirected.policy;
    let format = FormatContext {
        request_headers: Some(context.request_headers),
        ..FormatContext::new(context.stream_info, context.services)
    };
    let values = policy.response_headers.evaluate(response, &format);
    values.apply(response);
    if let Some(status) = policy.status.or(redirected.original_status) {
        response.set_integer(Known::Status, u64::from(status));
    }
}

impl Before {
    fn of(context: &FilterContext<'_>) -> Self {
        let request = &*context.request_headers;
        let own = |known| request.get(known).map(<[u8]>::to_vec);
        let is_plain = context.stream_info.connection.tls.is_none();
        let scheme = request.get(Known::Scheme);
        Before {
            authority: own(Known::Authority),
            path: own(Known::Path),
            scheme: scheme.map(|scheme| match is_plain || scheme == b"http" {
                true => b"http".as_slice(),
                false => b"https",
            }),
        }
    }

    /// The request goes where it was going.
    pub(super) fn restore(&self, request: &mut HeaderMap) {
        let parts = [
            (Known::Authority, self.authority.as_deref()),
            (Known::Path, self.path.as_deref()),
            (Known::Scheme, self.scheme),
        ];
        for (known, value) in parts {
            if let Some(value) = value {
                request.set(known, value);
            }
        }
    }
}

impl Redirect {
    /// Changes the head of the request; what it was, or none and the head as it was where the new location is no URL.
    pub(super) fn turn(&self, context: &mut FilterContext<'_>) -> Option<Before> {
        let before = Before::of(context);
        let uri = self.uri(context);
        let Some((scheme, authority, path)) = split(&uri) else {
            before.restore(context.request_headers);
            return None;
        };
        let request = &mut *context.request_headers;
        request.set(Known::Scheme, scheme);
        request.set(Known::Authority, authority);
        request.set(Known::Path, path);
        let format = FormatContext {
            request_headers: Some(request),
            ..FormatContext::new(context.stream_info, context.services)
        };
        let values = self.request_headers.evaluate(request, &format);
        values.apply(request);
        context.route_is_stale.set(true);
        Some(before)
    }

    fn uri(&self, context: &FilterContext<'_>) -> Vec<u8> {
        let request = &*context.request_headers;
        match &self.to {
            Target::Uri(uri) => uri.as_bytes().to_vec(),
            Target::Parts { parts, path } => match path {
                NewPath::Keep => parts.url(request, None),
                NewPath::To(path) => parts.url(request, Some(path.as_bytes())),
                NewPath::Format(format) => {
                    let mut path = Vec::new();
                    let context = FormatContext {
                        request_headers: Some(request),
                        ..FormatContext::new(context.stream_info, context.services)
                    };
                    format.format(&context, &mut path);
                    parts.url(request, (!path.is_empty()).then_some(&path))
                }
            },
        }
    }

    /// The request, which has a new route, becomes the one that begins anew.
    pub(super) fn follow(self: Arc<Self>, context: &mut FilterContext<'_>, response: &HeaderMap) {
        context.request_headers.set(Known::Method, b"GET");
        context.request_headers.remove(Known::ContentLength);
        let redirected = Redirected {
            policy: self,
            original_status: status(response),
        };
        let state = context.stream_info.filter_state_mut();
        state.set(STATE, Box::new(redirected));
    }
}

/// Scheme, authority and path of a URL, without its fragment; none if it is none.
pub(super) fn split(uri: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let url = Url::parse(uri)?;
    let scheme_end = uri.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = uri.split_at_checked(scheme_end)?;
    let rest = rest.strip_prefix(b"://")?;
    let path_at = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let path = path_at.and_then(|at| rest.get(at..)).unwrap_or(b"/");
    let path = path.split(|byte| *byte == b'#').next().unwrap_or_default();
    Some((scheme, url.host_and_port, path))
}
