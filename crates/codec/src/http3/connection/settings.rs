//! SETTINGS, ours and the peer's.

use super::super::error::ConnectionError;
use super::super::frame::{kind, write_head};
use super::super::problem::Problem;
use super::super::settings::Http3Settings;
use super::super::varint;
use super::PeerSettings;
use crate::http2::Role;

/// Identifiers (RFC 9114 section 7.2.4.1, RFC 9204 section 5, RFC 9220).
mod parameter {
    pub(super) const QPACK_MAX_TABLE_CAPACITY: u64 = 0x1;
    pub(super) const MAX_FIELD_SECTION_SIZE: u64 = 0x6;
    pub(super) const QPACK_BLOCKED_STREAMS: u64 = 0x7;
    pub(super) const ENABLE_CONNECT_PROTOCOL: u64 = 0x8;
}

/// Most settings that a peer may send.
const MAX_SETTINGS: usize = 64;

/// Appends ours: no dynamic table, and so no stream that waits for one.
pub(super) fn write(role: Role, settings: &Http3Settings, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(16);
    let mut add = |id: u64, value: u64| {
        varint::write(&mut payload, id);
        varint::write(&mut payload, value);
    };
    add(parameter::QPACK_MAX_TABLE_CAPACITY, 0);
    add(
        parameter::MAX_FIELD_SECTION_SIZE,
        settings.max_headers_bytes as u64,
    );
    add(parameter::QPACK_BLOCKED_STREAMS, 0);
    if role == Role::Server && settings.allow_connect {
        add(parameter::ENABLE_CONNECT_PROTOCOL, 1);
    }
    write_head(out, kind::SETTINGS, payload.len());
    out.extend_from_slice(&payload);
}

/// Reads the peer's.
pub(super) fn read(mut payload: &[u8]) -> Result<PeerSettings, ConnectionError> {
    let mut seen = Vec::new();
    let mut peer = PeerSettings::default();
    while !payload.is_empty() {
        let id = next(&mut payload, "Unable to read setting identifier.")?;
        let value = next(&mut payload, "Unable to read setting value.")?;
        if seen.contains(&id) {
            let text = "Duplicate setting identifier.";
            return Err(ConnectionError::new(Problem::SecondSetting, text));
        }
        if seen.len() >= MAX_SETTINGS {
            return Err(ConnectionError::new(
                Problem::TooLarge,
                "Too many settings.",
            ));
        }
        seen.push(id);
        match id {
            0x2..=0x5 => {
                let text = format!("received HTTP/2 specific setting in HTTP/3 session: {id}");
                return Err(ConnectionError::told(Problem::OldSetting, text));
            }
            parameter::MAX_FIELD_SECTION_SIZE => peer.max_field_section_bytes = Some(value),
            parameter::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                let text =
                    format!("Received SETTINGS_ENABLE_CONNECT_PROTOCOL with invalid value {value}");
                return Err(ConnectionError::told(Problem::SettingValue, text));
            }
            parameter::ENABLE_CONNECT_PROTOCOL => peer.allows_extended_connect = value == 1,
            _ => {}
        }
    }
    Ok(peer)
}

fn next(payload: &mut &[u8], missing: &'static str) -> Result<u64, ConnectionError> {
    let (value, taken) =
        varint::read(payload).ok_or(ConnectionError::new(Problem::Frame, missing))?;
    *payload = payload.get(taken..).unwrap_or_default();
    Ok(value)
}
