//! The last changes to a request before it leaves and to a response before the filters see it: the route's
//! header mutations, host and path.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;

use crate::route::{Forward, HostRewritten, Level};
use crate::stream::StreamState;

/// Mutates the request: the levels' mutations, then the host, then the path. Host rewrites to the upstream's
/// name wait for [`rewrite_to_hostname`].
pub(super) fn request(
    state: &mut StreamState,
    forward: &Forward,
    keep_originals: bool,
    services: &dyn WorkerServices,
) {
    let route = state.route.clone();
    for_levels(&route, |level| {
        if level.request.is_empty() {
            return;
        }
        level.request.remove_from(&mut state.request);
        let mut context = FormatContext::new(&state.info, services);
        context.request_headers = Some(&state.request);
        let values = level.request.evaluate(&state.request, &context);
        values.apply(&mut state.request);
    });
    if let HostRewritten::To(host) = forward.rewrite_host(&state.request) {
        set_host(
            &mut state.request,
            &host,
            forward.append_x_forwarded_host,
            keep_originals,
        );
    }
    let matched_len = state.matched_len();
    let path = state.request.get(Known::Path).unwrap_or_default();
    if let Some(new) = forward.rewrite_path(path, matched_len) {
        if keep_originals {
            let old = path.to_vec();
            state.request.set(Known::XEnvoyOriginalPath, &old);
        }
        state.request.set(Known::Path, &new);
    }
}

/// `auto_host_rewrite`: the host becomes the name of the chosen upstream host.
pub(super) fn rewrite_to_hostname(
    headers: &mut HeaderMap,
    hostname: &str,
    forward: &Forward,
    keep_originals: bool,
) {
    if !hostname.is_empty()
        && matches!(
            forward.rewrite_host(headers),
            HostRewritten::UpstreamHostname
        )
    {
        set_host(
            headers,
            hostname.as_bytes(),
            forward.append_x_forwarded_host,
            keep_originals,
        );
    }
}

/// The levels' mutations of the response.
pub(crate) fn response(state: &mut StreamState, services: &dyn WorkerServices) {
    let route = state.route.clone();
    for_levels(&route, |level| {
        mutate_response(&level.response, state, services)
    });
}

fn mutate_response(
    mutations: &HeaderMutations,
    state: &mut StreamState,
    services: &dyn WorkerServices,
) {
    if mutations.is_empty() {
        return;
    }
    mutations.remove_from(&mut state.response);
    let mut context = FormatContext::new(&state.info, services);
    context.request_headers = Some(&state.request);
    context.response_headers = Some(&state.response);
    let values = mutations.evaluate(&state.response, &context);
    values.apply(&mut state.response);
}

/// Runs over the levels so that the one that is to have the last word comes last: by default the least
/// specific one.
fn for_levels(route: &crate::stream::StreamRoute, mut run: impl FnMut(&Level)) {
    if route.table.most_specific_wins() {
        route.levels().rev().for_each(&mut run);
    } else {
        route.levels().for_each(&mut run);
    }
}

fn set_host(
    headers: &mut HeaderMap,
    host: &[u8],
    append_x_forwarded_host: bool,
    keep_original: bool,
) {
    if let Some(old) = headers.get(Known::Authority).filter(|old| !old.is_empty()) {
        let old = old.to_vec();
        if keep_original {
            headers.set(Known::XEnvoyOriginalHost, &old);
        }
        let last = headers
            .get(Known::XForwardedHost)
            .and_then(|hosts| hosts.rsplit(|byte| *byte == b',').next());
        if append_x_forwarded_host && last != Some(&old) {
            headers.append_joined(Known::XForwardedHost, &old);
        }
    }
    headers.set(Known::Authority, host);
}
