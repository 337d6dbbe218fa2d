//! The keys of a provider: a JSON web key set, or certificates by the ids of their keys.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::claims;
use super::der;
use super::faults::{self, Fault};
use super::key::Key;
use super::status::Status;
use super::token::Token;

/// The keys.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

/// Keys as a worker holds them.
#[derive(Clone)]
pub(super) enum Keys {
    /// The configuration's.
    Given(Arc<KeySet>),
    /// What was fetched.
    Fetched(Rc<KeySet>),
}

impl std::ops::Deref for Keys {
    type Target = KeySet;

    fn deref(&self) -> &KeySet {
        match self {
            Keys::Given(keys) => keys,
            Keys::Fetched(keys) => keys,
        }
    }
}

impl KeySet {
    /// Reads a set. Keys that are wrong are left out; if there are no others, the first says what is wrong.
    pub(super) fn read(text: &[u8]) -> Result<Self, Fault> {
        let set = claims::read(text).ok_or(faults::NOT_JSON)?;
        let listed = match set.get("keys") {
            Some(Value::List(keys)) => keys,
            Some(_) => return Err(faults::KEYS_NO_LIST),
            None => return certificates(&set).map(KeySet),
        };
        let mut fault = faults::NO_VALID_KEYS;
        let mut keys = Vec::new();
        for key in listed {
            let Value::Struct(key) = key else { continue };
            match Key::read(key) {
                Ok(key) => keys.push(key),
                Err(wrong) if fault == faults::NO_VALID_KEYS => fault = wrong,
                Err(_) => {}
            }
        }
        match keys.is_empty() {
            true => Err(fault),
            false => Ok(KeySet(keys)),
        }
    }

    /// Whether one of the keys has signed the token.
    pub(super) fn verify(&self, token: &Token) -> Result<(), Status> {
        let mut has_any = false;
        for key in &self.0 {
            let other_id = !token.key_id.is_empty() && !key.id.is_empty() && token.key_id != key.id;
            let other_algorithm = !key.algorithm.is_empty() && key.algorithm != token.algorithm;
            if other_id || other_algorithm {
                continue;
            }
            has_any = true;
            match key.verify(&token.algorithm, &token.signed, &token.signature) {
                Err(Status::VerificationFails) => {}
                done => return done,
            }
        }
        Err(match has_any {
            true => Status::VerificationFails,
            false => Status::KeyMismatch,
        })
    }
}

/// Certificates by the ids of their keys.
fn certificates(set: &Struct) -> Result<Vec<Key>, Fault> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let mut keys = Vec::new();
    for (id, value) in set.fields() {
        match value {
            Value::String(text) if !id.is_empty() && text.starts_with(BEGIN) => {
                let certificate = der::from_pem(text).ok_or(faults::CERTIFICATE)?;
                let public_key = der::public_key(&certificate).ok_or(faults::CERTIFICATE)?;
                keys.push(Key::of_certificate(id, public_key.to_vec()));
            }
            _ => return Err(faults::NO_KEYS),
        }
    }
    match keys.is_empty() {
        true => Err(faults::NO_KEYS),
        false => Ok(keys),
    }
}
