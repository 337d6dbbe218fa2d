//! Users and the hashes of their passwords, by lines of `name:{SHA}<base64 of SHA-1>`.

use std::collections::HashMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use nuncio_contract::headers::is_valid_value;

use nuncio_config::base64;

/// The length of a SHA-1 in base64.
const HASH_LENGTH: usize = 28;
/// What a password is compared with where there is no such user: no hash looks like this.
const NOBODY: [u8; HASH_LENGTH] = [0; HASH_LENGTH];

/// Hashes by name.
pub(super) struct Users(HashMap<Box<[u8]>, [u8; HASH_LENGTH]>);

impl Users {
    /// Reads lines; empty ones and those that begin with `#` say nothing. Errors are in Envoy's words.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let mut users = HashMap::new();
        let lines = text.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
            let (name, hash) = user(line)?;
            if users.contains_key(name) {
                return Err("basic auth: duplicate users");
            }
            users.insert(name.into(), checked(hash)?);
        }
        Ok(Users(users))
    }

    /// Whether this is the password of a user.
    pub(super) fn know(&self, name: &[u8], password: &[u8]) -> bool {
        let wanted = self.0.get(name).unwrap_or(&NOBODY);
        let hash =
            base64::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, password).as_ref()).into_bytes();
        verify_slices_are_equal(&hash, wanted).is_ok()
    }
}

fn user(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let colon = line.iter().position(|byte| *byte == b':');
    let Some((name, rest)) = colon.and_then(|at| line.split_at_checked(at)) else {
        return Err("basic auth: invalid htpasswd format, username:password is expected");
    };
    let hash = rest.get(1..).unwrap_or_default();
    if name.is_empty() || hash.is_empty() {
        return Err("basic auth: empty user name or password");
    }
    if !is_valid_value(name) {
        return Err("basic auth: a user's name holds bytes that no header may have");
    }
    Ok((name, hash))
}

fn checked(hash: &[u8]) -> Result<[u8; HASH_LENGTH], &'static str> {
    let Some(hash) = hash.strip_prefix(b"{SHA}") else {
        return Err("basic auth: unsupported htpasswd format: please use {SHA}");
    };
    let length = "basic auth: invalid htpasswd format, invalid SHA hash length";
    hash.try_into().map_err(|_| length)
}
