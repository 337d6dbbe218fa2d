//! Bodies, bytes of connections, answers and configurations.

use nuncio_contract::buffer::Buffer;

use super::Host;
use super::guest::Guest;
use super::link::Arguments;
use crate::status::{BufferType, Done, Status};

/// The bytes that a plugin can look at.
pub(super) fn look(host: &mut Host, of: BufferType) -> Done<&[u8]> {
    let sight = host.sight();
    let body = |host: &mut Host, at: usize| {
        sight.bodies.get(at).copied().unwrap_or(false) && host.live.context != 0
    };
    Ok(match of {
        BufferType::RequestBody if body(host, 0) => host.live.bodies[0].readable(),
        BufferType::ResponseBody if body(host, 1) => host.live.bodies[1].readable(),
        BufferType::Downstream if sight.data[0] => &host.live.data[0],
        BufferType::Upstream if sight.data[1] => &host.live.data[1],
        // Without any there are none, which is well.
        BufferType::RequestBody
        | BufferType::ResponseBody
        | BufferType::Downstream
        | BufferType::Upstream => b"",
        BufferType::AnswerBody => host
            .answer
            .as_ref()
            .map(|answer| &answer.body[..])
            .ok_or(Status::NotFound)?,
        BufferType::GrpcMessage => host.grpc_message.as_deref().ok_or(Status::NotFound)?,
        BufferType::VmConfiguration => &host.base.configuration,
        BufferType::PluginConfiguration => {
            let plugin = host.configured.as_ref();
            plugin
                .map(|plugin| &plugin.configuration[..])
                .ok_or(Status::NotFound)?
        }
        BufferType::CallData => b"",
    })
}

/// The same, copied.
pub(super) fn of(host: &mut Host, of: BufferType) -> Done<Vec<u8>> {
    look(host, of).map(<[u8]>::to_vec)
}

pub(crate) fn status(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = BufferType::of(args.u32(0))?;
    let length = look(guest.host(), of)?.len();
    guest.write_u32(args.u32(1), u32::try_from(length).unwrap_or(u32::MAX))?;
    guest.write_u32(args.u32(2), 0)
}

pub(crate) fn get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = BufferType::of(args.u32(0))?;
    let all = look(guest.host(), of)?;
    let start = args.u32(1) as usize;
    let end = start.saturating_add(args.u32(2) as usize).min(all.len());
    let bytes = all.get(start..end).unwrap_or_default().to_vec();
    guest.give(&bytes, args.u32(3), args.u32(4))
}

pub(crate) fn set(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let of = BufferType::of(args.u32(0))?;
    let (start, length) = (args.u32(1) as usize, args.u32(2) as usize);
    // What stays is moved.
    let length_now = look(guest.host(), of)?.len();
    guest.charge_bytes(length_now, 1)?;
    let new = guest.read(args.u32(3), args.u32(4))?;
    let host = guest.host();
    let sight = host.sight();
    match of {
        BufferType::RequestBody if !sight.bodies[0] => Err(Status::BadArgument),
        BufferType::ResponseBody if !sight.bodies[1] => Err(Status::BadArgument),
        BufferType::RequestBody => change(&mut host.live.bodies[0], start, length, &new),
        BufferType::ResponseBody => change(&mut host.live.bodies[1], start, length, &new),
        BufferType::Downstream | BufferType::Upstream if host.live.data_is_fixed => {
            Err(Status::BadArgument)
        }
        BufferType::Downstream => change_bytes(&mut host.live.data[0], start, length, new),
        BufferType::Upstream => change_bytes(&mut host.live.data[1], start, length, new),
        _ => Err(Status::BadArgument),
    }
}

/// Only what is at the beginning can be replaced, and something added at the end, as in Envoy.
fn change(buffer: &mut Buffer, start: usize, length: usize, new: &[u8]) -> Done {
    if start >= buffer.len() && start > 0 {
        buffer.extend(new);
        return Ok(());
    }
    if start != 0 {
        return Err(Status::BadArgument);
    }
    buffer.advance(length.min(buffer.len()));
    let rest = std::mem::take(buffer);
    buffer.extend(new);
    buffer.append(rest);
    Ok(())
}

fn change_bytes(bytes: &mut Vec<u8>, start: usize, length: usize, new: Vec<u8>) -> Done {
    if start >= bytes.len() && start > 0 {
        bytes.extend_from_slice(&new);
        return Ok(());
    }
    if start != 0 {
        return Err(Status::BadArgument);
    }
    let length = length.min(bytes.len());
    bytes.splice(..length, new);
    Ok(())
}
