//! `/config_dump`: the configuration in force, streamed resource by resource, secrets redacted.
//!
//! Sections: bootstrap, clusters, configurations of filters where some come from elsewhere, endpoints (with
//! `include_eds`), listeners, scoped routes, routes, secrets.

mod dynamic;
mod endpoints;
mod mask;
mod model;
mod print;
mod select;
mod stream;
#[cfg(test)]
mod tests;
mod timestamp;

use nuncio_contract::matching::CompiledRegex;

pub(crate) use timestamp::rfc3339;

use super::filter;
use super::request::AdminRequest;
use super::response::{AdminResponse, JSON, chunks};
use super::state::AdminState;

/// Text without a charset, as Envoy answers here.
const PLAIN: &str = "text/plain";

/// `/config_dump`; `resource` picks a list, `mask` fields, `name_regex` resources by whole names.
pub(super) fn config_dump(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let params = request.params();
    let names = match params.non_empty("name_regex").map(whole_name).transpose() {
        Ok(names) => names,
        Err(error) => {
            return AdminResponse {
                content_type: PLAIN,
                ..AdminResponse::text(400, error)
            };
        }
    };
    let mut sections = model::sections(state, params.has("include_eds"));
    if let Some(names) = names {
        sections
            .iter_mut()
            .for_each(|section| section.keep_names(&names));
    }
    let selected = match params.non_empty("resource") {
        Some(resource) => select::resources(sections, resource, params.non_empty("mask")),
        None => select::sections(sections, params.non_empty("mask")),
    };
    match selected {
        Ok(configs) => {
            let mut pieces = print::pieces(configs);
            let step =
                move |text: &mut String| pieces.next().map(|piece| text.push_str(&piece)).is_some();
            AdminResponse::stream(JSON, chunks(step))
        }
        Err((status, text)) => AdminResponse {
            content_type: PLAIN,
            headers: vec![("x-content-type-options", "nosniff")],
            ..AdminResponse::text(status, text)
        },
    }
}

fn whole_name(pattern: &str) -> Result<CompiledRegex, String> {
    filter::compile_whole(pattern).map_err(|error| {
        format!("INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {error}")
    })
}
