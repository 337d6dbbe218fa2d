//! What scripts may know of the client's TLS connection.

use std::time::SystemTime;

use mlua::{IntoLua, Lua, Table, Value};
use nuncio_contract::stream_info::{CertificateInfo, PeerCertificateInfo, TlsInfo};

use crate::lua::live::Slot;

/// What the methods of `downstreamSslConnection()` give, in their order in `prelude.lua`.
fn value_of(lua: &Lua, tls: &TlsInfo, at: u8) -> mlua::Result<Value> {
    let peer = tls.peer.as_deref();
    let text = |of: fn(&PeerCertificateInfo) -> &str| peer.map_or("", of).into_lua(lua);
    let certificate = peer.map(|peer| &peer.certificate);
    let local = tls.local.as_deref();
    match at {
        1 => peer.is_some().into_lua(lua),
        2 => tls.peer_validated.into_lua(lua),
        3 => names(local, |it| &it.uri_sans).into_lua(lua),
        4 => text(|peer| &peer.sha256),
        5 => text(|peer| &peer.serial),
        6 => text(|peer| &peer.issuer),
        7 => text(|peer| &peer.certificate.subject),
        8 => names(certificate, |it| &it.uri_sans).into_lua(lua),
        9 => local.map_or("", |it| &it.subject).into_lua(lua),
        10 => names(certificate, |it| &it.dns_sans).into_lua(lua),
        11 => names(local, |it| &it.dns_sans).into_lua(lua),
        12 | 13 => lua.create_table()?.into_lua(lua),
        14 => seconds(peer.and_then(|peer| peer.valid_from)).into_lua(lua),
        15 => seconds(peer.and_then(|peer| peer.valid_until)).into_lua(lua),
        16 => (&*tls.session_id).into_lua(lua),
        17 => suite_number(&tls.cipher_suite).into_lua(lua),
        18 => (&*tls.cipher_suite).into_lua(lua),
        19 => (&*tls.version).into_lua(lua),
        20 => text(|peer| &peer.url_encoded_pem),
        _ => text(|peer| &peer.url_encoded_pem_chain),
    }
}

fn names(of: Option<&CertificateInfo>, list: fn(&CertificateInfo) -> &[Box<str>]) -> Vec<&str> {
    let names = of.map_or(&[][..], list);
    names.iter().map(|name| &**name).collect()
}

fn seconds(time: Option<SystemTime>) -> f64 {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs() as f64)
}

/// The number that a suite has in the protocol.
fn suite_number(name: &str) -> &'static str {
    match name {
        "TLS_AES_128_GCM_SHA256" => "0x1301",
        "TLS_AES_256_GCM_SHA384" => "0x1302",
        "TLS_CHACHA20_POLY1305_SHA256" => "0x1303",
        "ECDHE-ECDSA-AES128-GCM-SHA256" => "0xc02b",
        "ECDHE-ECDSA-AES256-GCM-SHA384" => "0xc02c",
        "ECDHE-RSA-AES128-GCM-SHA256" => "0xc02f",
        "ECDHE-RSA-AES256-GCM-SHA384" => "0xc030",
        "ECDHE-RSA-CHACHA20-POLY1305" => "0xcca8",
        "ECDHE-ECDSA-CHACHA20-POLY1305" => "0xcca9",
        _ => "0xffff",
    }
}

/// The values of one kind of part in a name as RFC 2253 writes it, first the last one written.
fn parts(subject: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut part = String::new();
    let mut escaped = false;
    for character in subject.chars().chain([',']) {
        match character {
            _ if escaped => {
                part.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            ',' => {
                let value = part.trim().strip_prefix(kind);
                found.extend(value.and_then(|it| it.strip_prefix('=')).map(str::to_owned));
                part.clear();
            }
            _ => part.push(character),
        }
    }
    found.reverse();
    found
}

pub(super) fn add(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let own = slot.clone();
    let has = move |_: &Lua, ()| Ok(own.live().info.connection.tls.is_some());
    table.set("has_tls", lua.create_function(has)?)?;
    let own = slot.clone();
    let tls = move |lua: &Lua, at: u8| match own.live().info.connection.tls.as_deref() {
        Some(tls) => value_of(lua, tls, at),
        None => Ok(Value::Nil),
    };
    table.set("tls", lua.create_function(tls)?)?;
    let own = slot.clone();
    let has_peer = move |_: &Lua, ()| Ok(!subject(&own).is_empty());
    table.set("has_peer_certificate", lua.create_function(has_peer)?)?;
    let own = slot.clone();
    let common = move |_: &Lua, ()| Ok(parts(&subject(&own), "CN").pop().unwrap_or_default());
    table.set("subject_name", lua.create_function(common)?)?;
    let own = slot.clone();
    let organizations = move |_: &Lua, ()| Ok(parts(&subject(&own), "O"));
    table.set("subject_organizations", lua.create_function(organizations)?)
}

/// The subject of the peer's certificate.
fn subject(slot: &Slot) -> String {
    let live = slot.live();
    let tls = live.info.connection.tls.as_deref();
    let peer = tls.and_then(|tls| tls.peer.as_deref());
    peer.map(|peer| peer.certificate.subject.to_string())
        .unwrap_or_default()
}
