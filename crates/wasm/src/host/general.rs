//! Logs, time, status, and what a plugin decides of a stream.

use std::time::UNIX_EPOCH;

use nuncio_contract::application_log::{self, Severity};
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::local_reply::LocalReply;

use super::Host;
use super::guest::Guest;
use super::headers::header;
use super::link::Arguments;
use crate::pairs;
use crate::status::{BufferType, Done, Status, StreamType};

/// The logger of plugins.
pub(crate) const LOGGER: &str = "wasm";

const LEVELS: [Severity; 6] = [
    Severity::Trace,
    Severity::Debug,
    Severity::Info,
    Severity::Warning,
    Severity::Error,
    Severity::Critical,
];

/// Tells of a fault of a plugin.
pub(crate) fn complain(text: &str) {
    application_log::write(Severity::Error, LOGGER, text);
}

/// Writes a plugin's words.
pub(crate) fn say(guest: &mut Guest<'_>, level: u32, message: &[u8]) -> Done {
    let level = usize::try_from(level).ok();
    let severity = level.and_then(|level| LEVELS.get(level));
    let severity = *severity.ok_or(Status::BadArgument)?;
    let prefix = guest.host().log_prefix();
    let text = format!("wasm log{prefix}: {}", String::from_utf8_lossy(message));
    application_log::write(severity, LOGGER, &text);
    Ok(())
}

pub(crate) fn log(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    if args.u32(0) > 5 {
        return Err(Status::BadArgument);
    }
    let message = guest.read(args.u32(1), args.u32(2))?;
    say(guest, args.u32(0), &message)
}

pub(crate) fn get_log_level(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    // What is written is chosen elsewhere; a plugin that asks leaves out what is only for finding faults.
    guest.write_u32(args.u32(0), 2)
}

pub(crate) fn get_status(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let (status, message) = guest.host().status.clone();
    guest.write_u32(args.u32(0), status)?;
    guest.give(&message, args.u32(1), args.u32(2))
}

pub(crate) fn get_configuration(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let host = guest.host();
    let bytes = match &host.configured {
        Some(plugin) => plugin.configuration.to_vec(),
        None => super::buffers::of(host, BufferType::VmConfiguration)?,
    };
    guest.give(&bytes, args.u32(0), args.u32(1))
}

/// Nanoseconds since 1970.
pub(crate) fn wall_nanos() -> u64 {
    let since = SystemClock.wall().duration_since(UNIX_EPOCH);
    let nanos = since.map(|since| since.as_nanos()).unwrap_or_default();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

pub(crate) fn get_current_time(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    guest.write_u64(args.u32(0), wall_nanos())
}

pub(crate) fn set_effective_context(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let host = guest.host();
    let id = args.u32(0);
    if id != 0 && !host.contexts.contains_key(&id) {
        return Err(Status::BadArgument);
    }
    host.effective = id;
    Ok(())
}

pub(crate) fn done(_guest: &mut Guest<'_>, _args: &Arguments<'_>) -> Done {
    // Nobody waits for it: a plugin whose end has begun ends when its VM does.
    Err(Status::NotFound)
}

pub(crate) fn send_local_response(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let details = guest.read(args.u32(1), args.u32(2))?;
    let body = guest.read(args.u32(3), args.u32(4))?;
    let headers = pairs::read(&guest.read(args.u32(5), args.u32(6))?);
    let status = u16::try_from(args.u32(0)).ok();
    let status = status.filter(|status| (200..600).contains(status));
    let details: String = String::from_utf8_lossy(&details)
        .chars()
        .map(|letter| if letter.is_whitespace() { '_' } else { letter })
        .collect();
    let mut reply = LocalReply::new(status.unwrap_or(500), body, details);
    for (name, value) in headers {
        let Ok(name) = header(&name, &value) else {
            continue;
        };
        if !name.is_pseudo() {
            reply.headers.push((name, value));
        }
    }
    reply.repeats_names = true;
    reply.grpc_status = Some(args.u32(7)).filter(|status| *status <= 16);
    let host = guest.host();
    host.context().outcome.reply = Some(Box::new(reply));
    match is_own_turn(host) {
        true => host.stops = true,
        false => host.context().waiting.wake(),
    }
    Ok(())
}

/// Whether what is decided is of the stream whose turn it is, which looks at it behind the call.
fn is_own_turn(host: &Host) -> bool {
    let at_work = host.at_work();
    at_work == host.current && host.live.context == at_work
}

/// Lets a direction of the stream go on.
fn resume(guest: &mut Guest<'_>, direction: StreamType) -> Done {
    let host = guest.host();
    let context = host.context();
    match direction {
        StreamType::Request => context.outcome.resumes[0] = true,
        StreamType::Response => context.outcome.resumes[1] = true,
        StreamType::Downstream => context.outcome.resumes[0] = true,
        StreamType::Upstream => return Err(Status::Unimplemented),
    }
    if direction != StreamType::Downstream {
        context.sight.request = false;
        context.sight.request_trailers = false;
        context.sight.bodies[0] = false;
    }
    if !is_own_turn(host) {
        host.context().waiting.wake();
    }
    Ok(())
}

pub(crate) fn continue_request(guest: &mut Guest<'_>, _args: &Arguments<'_>) -> Done {
    resume(guest, StreamType::Request)
}

pub(crate) fn continue_response(guest: &mut Guest<'_>, _args: &Arguments<'_>) -> Done {
    resume(guest, StreamType::Response)
}

pub(crate) fn continue_stream(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    resume(guest, StreamType::of(args.u32(0))?)
}

pub(crate) fn close_stream(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let reason = match StreamType::of(args.u32(0))? {
        StreamType::Request | StreamType::Response => "wasm_close_stream",
        StreamType::Downstream => "wasm_downstream_close",
        StreamType::Upstream => "wasm_upstream_close",
    };
    let context = guest.host().context();
    context.outcome.closes = Some(reason);
    context.waiting.wake();
    Ok(())
}

/// Has the route looked for again.
pub(crate) fn clear_route(guest: &mut Guest<'_>) {
    let host = guest.host();
    if host.live.context == host.at_work() {
        host.live.clears_route = true;
    }
}

pub(crate) fn clear_route_cache(guest: &mut Guest<'_>, _args: &Arguments<'_>) -> Done {
    clear_route(guest);
    Ok(())
}
