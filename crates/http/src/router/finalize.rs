//! The last changes to a request before it leaves and to a response before the filters see it: the route's
//! header mutations, host and path.

use nuncio_contract::formatter::{Format, FormatContext};
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;

use crate::route::{Forward, HostRewritten, Level, without_query};
use crate::stream::StreamState;

/// Mutates the request: the levels' mutations, then the host, then the path. Host rewrites to the upstream's
/// name wait for [`rewrite_to_hostname`].
pub(super) fn request(
    state: &mut StreamState,
    forward: &Forward,
    keep_originals: bool,
    services: &dyn WorkerServices,
) {
    if state.route.table.adds.request_mutations {
        let route = state.route.clone();
        for_levels(&route, |level| mutate_request(level, state, services));
    }
    rewrite_host(state, forward, keep_originals, services);
    rewrite_path(state, forward, keep_originals, services);
}

/// One level's mutations of the request.
pub(crate) fn mutate_request(
    level: &Level,
    state: &mut StreamState,
    services: &dyn WorkerServices,
) {
    if !level.request.is_empty() {
        mutate_headers(level, state, services);
    }
    if let Some(host) = &level.host {
        state.request.set(Known::Authority, host);
    }
}

fn mutate_headers(level: &Level, state: &mut StreamState, services: &dyn WorkerServices) {
    if !state.filters.knows_grpc {
        state.note_grpc();
    }
    level.request.remove_from(&mut state.request);
    let mut context = FormatContext::new(&state.info, services);
    context.request_headers = Some(&state.request);
    let values = level.request.evaluate(&state.request, &context);
    values.apply(&mut state.request);
}

/// The route's host rewrite.
pub(crate) fn rewrite_host(
    state: &mut StreamState,
    forward: &Forward,
    keep_original: bool,
    services: &dyn WorkerServices,
) {
    let host = match forward.rewrite_host(&state.request) {
        HostRewritten::To(host) => Some(host),
        HostRewritten::By(format) => formatted(format, state, services),
        HostRewritten::Kept | HostRewritten::UpstreamHostname => None,
    };
    if let Some(host) = host {
        set_host(
            &mut state.request,
            &host,
            forward.append_x_forwarded_host,
            keep_original,
        );
    }
}

/// The route's path rewrite.
pub(crate) fn rewrite_path(
    state: &mut StreamState,
    forward: &Forward,
    keep_original: bool,
    services: &dyn WorkerServices,
) {
    let path = state.request.get(Known::Path).unwrap_or_default();
    let new = match forward.path_format() {
        None => forward.rewrite_path(path, state.matched_len()),
        Some(format) => formatted(format, state, services).map(|mut new| {
            let rest = path.get(without_query(path).len()..);
            new.extend_from_slice(rest.unwrap_or_default());
            new
        }),
    };
    if let Some(new) = new {
        if keep_original {
            let old = path.to_vec();
            state.request.set(Known::XEnvoyOriginalPath, &old);
        }
        state.request.set(Known::Path, &new);
    }
}

/// What a format gives for the request; none where that is nothing.
pub(super) fn formatted(
    format: &Format,
    state: &StreamState,
    services: &dyn WorkerServices,
) -> Option<Vec<u8>> {
    let mut context = FormatContext::new(&state.info, services);
    context.request_headers = Some(&state.request);
    let mut text = Vec::new();
    format.format(&context, &mut text);
    (!text.is_empty()).then_some(text)
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
    if !state.route.table.adds.response_mutations {
        return;
    }
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
/// specific one. A weighted cluster is always the first.
pub(crate) fn for_levels(route: &crate::stream::StreamRoute, mut run: impl FnMut(&Level)) {
    if route.table.most_specific_wins() {
        let others = route
            .index
            .into_iter()
            .flat_map(|index| route.table.levels(index, None));
        route
            .weighted_level()
            .into_iter()
            .chain(others.rev())
            .for_each(&mut run);
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
