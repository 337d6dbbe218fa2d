//! Headers, trailers and metadata of gRPC. A plugin cannot make headers that would be others on the wire: such names and
//! values are refused, where Envoy takes them.

use nuncio_contract::headers::{HeaderMap, HeaderName, is_valid_value};

use super::Host;
use super::general::clear_route;
use super::guest::Guest;
use super::link::Arguments;
use crate::engine::Abi;
use crate::live::pairs_of;
use crate::pairs;
use crate::status::{Done, MapType, Status};

/// A name that may be set to the value.
pub(crate) fn header(name: &[u8], value: &[u8]) -> Done<HeaderName> {
    let name = std::str::from_utf8(name).map_err(|_| Status::BadArgument)?;
    let name = HeaderName::parse_with_pseudo(&name.to_ascii_lowercase());
    let name = name.map_err(|_| Status::BadArgument)?;
    match is_valid_value(value) {
        true => Ok(name),
        false => Err(Status::BadArgument),
    }
}

/// A map that can be looked at.
fn look(host: &mut Host, of: MapType) -> Option<&HeaderMap> {
    let sight = host.sight();
    match of {
        MapType::RequestHeaders => sight.request.then_some(&host.live.request),
        MapType::RequestTrailers => {
            let seen = sight.request_trailers && !sight.is_logged;
            seen.then_some(&host.live.request_trailers)
        }
        MapType::ResponseHeaders => sight.response.then_some(&host.live.response),
        MapType::ResponseTrailers => sight
            .response_trailers
            .then_some(&host.live.response_trailers),
        MapType::GrpcInitialMetadata => host.grpc_metadata[0].as_deref(),
        MapType::GrpcTrailingMetadata => host.grpc_metadata[1].as_deref(),
        MapType::AnswerHeaders => host.answer.as_ref().map(|answer| &answer.headers),
        MapType::AnswerTrailers => host.answer.as_ref()?.trailers.as_ref(),
    }
}

/// A map that can be changed.
fn change(host: &mut Host, of: MapType) -> Done<&mut HeaderMap> {
    let sight = host.sight();
    if sight.is_logged {
        return Err(Status::BadArgument);
    }
    let (is_seen, adds) = match of {
        MapType::RequestHeaders => (sight.request, false),
        MapType::RequestTrailers => (sight.request_trailers, sight.adds_trailers[0]),
        MapType::ResponseHeaders => (sight.response, false),
        MapType::ResponseTrailers => (sight.response_trailers, sight.adds_trailers[1]),
        _ => (false, false),
    };
    if !is_seen && !adds {
        return Err(Status::BadArgument);
    }
    if adds {
        let sight = &mut host.context().sight;
        match of {
            MapType::RequestTrailers => sight.request_trailers = true,
            _ => sight.response_trailers = true,
        }
    }
    Ok(match of {
        MapType::RequestHeaders => &mut host.live.request,
        MapType::RequestTrailers => &mut host.live.request_trailers,
        MapType::ResponseHeaders => &mut host.live.response,
        _ => &mut host.live.response_trailers,
    })
}

fn changed(guest: &mut Guest<'_>, of: MapType) -> Done {
    if of == MapType::RequestHeaders {
        clear_route(guest);
    }
    Ok(())
}

pub(crate) fn get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let name = guest.read(args.u32(1), args.u32(2))?;
    let host = guest.host();
    let is_old = host.base.abi == Abi::V0_1_0;
    let is_logged = host.sight().is_logged;
    let value = match (look(host, of), std::str::from_utf8(&name)) {
        (None, _) if is_logged => None,
        (None, _) => return Err(Status::BadArgument),
        (Some(_), Err(_)) => None,
        (Some(map), Ok(name)) => {
            let name = HeaderName::to_look_up(name);
            map.get(&name).map(<[u8]>::to_vec)
        }
    };
    match value {
        Some(value) => guest.give(&value, args.u32(3), args.u32(4)),
        None if is_old => guest.give(b"", args.u32(3), args.u32(4)),
        None => Err(Status::NotFound),
    }
}

/// The name and value of a call.
fn named(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done<(Vec<u8>, Vec<u8>)> {
    let name = guest.read(args.u32(1), args.u32(2))?;
    let value = guest.read(args.u32(3), args.u32(4))?;
    Ok((name, value))
}

pub(crate) fn add(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let (name, value) = named(guest, args)?;
    let map = change(guest.host(), of)?;
    map.append(&header(&name, &value)?, &value);
    changed(guest, of)
}

pub(crate) fn replace(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let (name, value) = named(guest, args)?;
    let map = change(guest.host(), of)?;
    map.replace(&header(&name, &value)?, &value);
    changed(guest, of)
}

pub(crate) fn remove(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let name = guest.read(args.u32(1), args.u32(2))?;
    let map = change(guest.host(), of)?;
    if let Ok(name) = std::str::from_utf8(&name) {
        map.remove(&HeaderName::to_look_up(name));
    }
    changed(guest, of)
}

pub(crate) fn get_pairs(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let all = look(guest.host(), of).map(pairs_of).unwrap_or_default();
    let bytes = match all.is_empty() {
        true => Vec::new(),
        false => pairs::write(&all),
    };
    guest.give(&bytes, args.u32(1), args.u32(2))
}

pub(crate) fn set_pairs(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let all = pairs::read(&guest.read(args.u32(1), args.u32(2))?);
    let map = change(guest.host(), of)?;
    map.clear();
    for (name, value) in all {
        if let Ok(name) = header(&name, &value) {
            map.append(&name, &value);
        }
    }
    changed(guest, of)
}

pub(crate) fn size(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = MapType::of(args.u32(0))?;
    let host = guest.host();
    let map = change(host, of)?;
    let bytes = u32::try_from(map.byte_size()).unwrap_or(u32::MAX);
    guest.write_u32(args.u32(1), bytes)
}
