//! The filter's own answers: redirections, and refusals that tell the client little and the log all.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_valid_value};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::local_reply::LocalReply;

use super::authorization::Flow;
use super::config::{AfterLogout, Settings};
use super::cookies::{Jar, of_flow};
use crate::escape;

/// A redirection that sets cookies.
pub(super) fn redirect(
    cookies: Vec<Vec<u8>>,
    location: &[u8],
    details: &'static str,
) -> LocalReply {
    let mut reply = back(location, Vec::new(), details);
    let location = std::mem::take(&mut reply.headers);
    set_cookies(&mut reply, cookies);
    reply.headers.extend(location);
    reply
}

/// The same with the cookies behind the location.
pub(super) fn back(location: &[u8], cookies: Vec<Vec<u8>>, details: &'static str) -> LocalReply {
    if !is_valid_value(location) {
        return unavailable();
    }
    let reply = LocalReply::bare(302, details);
    let mut reply = reply.with_header(HeaderName::from(Known::Location), location);
    set_cookies(&mut reply, cookies);
    reply
}

/// A refusal that has a flow forgotten.
pub(super) fn unauthorized(settings: &Settings, flow: &str, details: &str) -> LocalReply {
    let mut reply = LocalReply::new(401, b"OAuth flow failed.".as_slice(), in_one_word(details));
    if !flow.is_empty() {
        set_cookies(&mut reply, settings.flow_deletions(flow));
    }
    reply
}

/// Before there are secrets, nobody can sign in; nor without random numbers.
pub(super) fn unavailable() -> LocalReply {
    LocalReply::new(
        503,
        b"Service Unavailable".as_slice(),
        "OAuth2_secrets_are_not_ready",
    )
}

fn set_cookies(reply: &mut LocalReply, cookies: Vec<Vec<u8>>) {
    reply.repeats_names = true;
    for cookie in cookies.into_iter().filter(|cookie| is_valid_value(cookie)) {
        reply
            .headers
            .push((HeaderName::from(Known::SetCookie), cookie));
    }
}

/// Details have no spaces.
fn in_one_word(details: &str) -> String {
    details.replace(
        |letter: char| letter.is_ascii_whitespace() || letter == '\u{b}',
        "_",
    )
}

/// The scheme that a request came by: HTTPS unless it says otherwise.
fn scheme(request: &HeaderMap) -> &'static str {
    match request.get(Known::Scheme) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => "http",
        _ => "https",
    }
}

/// A format filled in with a request.
pub(super) fn formatted(
    format: &nuncio_contract::formatter::Format,
    context: &FilterContext<'_>,
) -> Vec<u8> {
    let mut of = FormatContext::new(context.stream_info, context.services);
    of.request_headers = Some(context.request_headers);
    let mut out = Vec::new();
    format.format(&of, &mut out);
    out
}

/// Where a request came to, without its path.
pub(super) fn origin(settings: &Settings, context: &FilterContext<'_>) -> String {
    match &settings.original_uri {
        Some(format) => String::from_utf8_lossy(&formatted(format, context)).into_owned(),
        None => {
            let request = &*context.request_headers;
            let host = request.get(Known::Authority).unwrap_or_default();
            format!("{}://{}", scheme(request), String::from_utf8_lossy(host))
        }
    }
}

/// Sends a user to the authorization server.
pub(super) fn to_server(
    settings: &Settings,
    secret: &[u8],
    original_url: &str,
    redirect_uri: &[u8],
) -> Option<LocalReply> {
    let flow = Flow::begin(secret)?;
    let verifier = super::crypto::seal(secret, flow.verifier.as_bytes())?;
    let (names, attributes, seconds) = (&settings.names, &settings.cookies, &settings.seconds);
    let mut cookies = Vec::new();
    for (base, value, attributes, max_age) in [
        (
            &names.nonce,
            &flow.csrf_token,
            &attributes.nonce,
            seconds.nonce,
        ),
        (
            &names.verifier,
            &verifier,
            &attributes.verifier,
            seconds.verifier,
        ),
    ] {
        let own = of_flow(base, &flow.id);
        cookies.push(settings.cookie(&own, value, attributes, max_age));
        cookies.push(settings.cookie(base, value, attributes, max_age));
    }
    let location = settings
        .authorization
        .location(&flow, original_url, redirect_uri);
    Some(redirect(
        cookies,
        location.as_bytes(),
        "oauth.missing_credentials",
    ))
}

/// Has a user's cookies forgotten.
pub(super) fn sign_out(settings: &Settings, context: &FilterContext<'_>, jar: &Jar) -> LocalReply {
    let (names, attributes) = (&settings.names, &settings.cookies);
    let mut cookies = Vec::new();
    for (name, attributes) in [
        (&names.hmac, &attributes.hmac),
        (&names.bearer, &attributes.bearer),
        (&names.id, &attributes.id),
        (&names.refresh, &attributes.refresh),
        (&names.expires, &attributes.expires),
    ] {
        cookies.push(settings.deletion(name.as_bytes(), attributes));
    }
    for (base, attributes) in [
        (&names.nonce, &attributes.nonce),
        (&names.verifier, &attributes.verifier),
    ] {
        cookies.extend(
            jar.of_flows(base)
                .map(|name| settings.deletion(name, attributes)),
        );
    }
    let request = &*context.request_headers;
    let host = request.get(Known::Authority).unwrap_or_default();
    let scheme = request.get(Known::Scheme).unwrap_or_default();
    let here = [scheme, b"://", host, b"/"].concat();
    if settings.end_session.is_empty() {
        return redirect(cookies, &here, "oauth.sign_out");
    }
    let back = match &settings.post_logout {
        AfterLogout::Here => Some(here),
        AfterLogout::Nowhere => None,
        AfterLogout::To(format) => Some(formatted(format, context)),
    };
    let back = back.map(|back| format!("&post_logout_redirect_uri={}", escape::for_body(&back)));
    let id_token = jar.get(&names.id);
    let client = format!("&client_id={}", settings.client_id);
    let location = [
        settings.end_session.as_bytes(),
        b"?id_token_hint=",
        id_token,
        client.as_bytes(),
        back.unwrap_or_default().as_bytes(),
    ]
    .concat();
    redirect(cookies, &location, "oauth.sign_out")
}
