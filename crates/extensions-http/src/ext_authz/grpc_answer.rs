//! What a service of gRPC says.

use nuncio_contract::service_values::fields_of;
use nuncio_service_messages::Message;
use nuncio_service_messages::auth::{
    CheckResponse, DeniedHttpResponse, HttpResponse, OkHttpResponse,
};
use nuncio_service_messages::common::{AppendAction, HeaderValueOption};

use super::verdict::{Allowed, Changes, Denied, How, Verdict};

/// Where nothing else is said.
const FORBIDDEN: u16 = 403;

/// The verdict in a message.
pub(super) fn verdict(message: &[u8]) -> Verdict {
    let Ok(response) = CheckResponse::decode(message) else {
        return Verdict::Error(None);
    };
    let is_ok = response
        .status
        .as_ref()
        .is_none_or(|status| status.code == 0);
    let metadata = response.dynamic_metadata.map(fields_of).unwrap_or_default();
    match (is_ok, response.http_response) {
        (true, Some(HttpResponse::Ok(ok))) => {
            let mut allowed = allowed(ok);
            if allowed.metadata.is_empty() {
                allowed.metadata = metadata;
            }
            Verdict::Ok(Box::new(allowed))
        }
        (true, _) => Verdict::Ok(Box::new(Allowed {
            metadata,
            ..Allowed::default()
        })),
        (false, Some(HttpResponse::Error(error))) => Verdict::Error(Some(Box::new(denied(error)))),
        (false, response) => {
            let mut denied = match response {
                Some(HttpResponse::Denied(response)) => denied(response),
                _ => Denied {
                    status: FORBIDDEN,
                    ..Denied::default()
                },
            };
            denied.metadata = metadata;
            Verdict::Denied(Box::new(denied))
        }
    }
}

fn denied(response: DeniedHttpResponse) -> Denied {
    let status = response.status.map_or(0, |status| status.code);
    let status = u16::try_from(status).ok();
    let mut headers = Changes::default();
    let set = |option: &HeaderValueOption| option.append.is_none_or(|append| !append.value);
    for (header, option) in named(&response.headers) {
        // As in Envoy, there is nothing to append to.
        if set(option) {
            headers.push_to_denial(How::Set, header.0, header.1);
        }
    }
    Denied {
        status: status
            .filter(|status| (200..600).contains(status))
            .unwrap_or(FORBIDDEN),
        headers,
        body: response.body.into_bytes(),
        ..Denied::default()
    }
}

fn allowed(ok: OkHttpResponse) -> Allowed {
    let mut allowed = Allowed {
        removed: ok.headers_to_remove,
        query_removed: ok.query_parameters_to_remove,
        metadata: ok.dynamic_metadata.map(fields_of).unwrap_or_default(),
        ..Allowed::default()
    };
    for (header, option) in named(&ok.headers) {
        let how = of_request(option);
        allowed.request.push_to_request(how, header.0, header.1);
    }
    for (header, option) in named(&ok.response_headers_to_add) {
        let how = of_response(option);
        allowed.response.push_to_response(how, header.0, header.1);
    }
    let set = ok.query_parameters_to_set.into_iter();
    allowed.query_set = set.map(|one| (one.key, one.value)).collect();
    allowed
}

type Named<'m> = ((&'m String, &'m [u8]), &'m HeaderValueOption);

fn named(options: &[HeaderValueOption]) -> impl Iterator<Item = Named<'_>> {
    options.iter().filter_map(|option| {
        let header = option.header.as_ref()?;
        Some(((&header.key, header.bytes()), option))
    })
}

/// Only the old word counts here.
fn of_request(option: &HeaderValueOption) -> How {
    match option.append {
        Some(append) if append.value => How::JoinIfThere,
        _ => How::Set,
    }
}

fn of_response(option: &HeaderValueOption) -> How {
    match option.append {
        Some(append) if append.value => How::Add,
        Some(_) => How::Set,
        None => match AppendAction::try_from(option.append_action) {
            Ok(AppendAction::AddIfAbsent) => How::AddIfAbsent,
            Ok(AppendAction::OverwriteIfExists) => How::SetIfThere,
            Ok(AppendAction::OverwriteIfExistsOrAdd) => How::Set,
            Ok(AppendAction::AppendIfExistsOrAdd) | Err(_) => How::Add,
        },
    }
}
