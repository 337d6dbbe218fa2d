//! Functions that plugins call by name, as Envoy has them: `compress`, `uncompress`, `expr_create`, `expr_evaluate`,
//! `expr_delete`, `set_envoy_filter_state`, `clear_route_cache`, `declare_property`, `verify_signature` (RSA alone). All
//! others are not found, `sign` among them.
//!
//! What they take in time is charged in fuel: packing and unpacking by the byte, expressions and signatures by the piece.
//!
//! Limits: what is unpacked is 64 MiB at most; 1,000 expressions a VM, 1,000 declared properties a context.

use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey};
use nuncio_config::base64;
use nuncio_contract::cel::PropertyExpression;
use nuncio_contract::state_object::Kind;
use zlib_rs::{DeflateConfig, InflateConfig, ReturnCode};

use super::general::clear_route;
use super::guest::Guest;
use super::link::Arguments;
use super::properties::{Declared, asking, status_of};
use crate::pairs;
use crate::status::{Done, Status};
use crate::wire;

const MAX_UNPACKED_BYTES: usize = 64 << 20;
const MAX_EXPRESSIONS: usize = 1000;
const MAX_DECLARED: usize = 1000;
const FUEL_PER_PACKED_BYTE: u64 = 20;
const FUEL_PER_UNPACKED_BYTE: u64 = 1;
const FUEL_PER_PARSED_BYTE: u64 = 100;
const FUEL_PER_EVALUATION: u64 = 10_000;
const FUEL_PER_SIGNATURE: u64 = 200_000;

pub(crate) fn call(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let name = guest.read(args.u32(0), args.u32(1))?;
    let input = guest.read(args.u32(2), args.u32(3))?;
    let (place_at, length_at) = (args.u32(4), args.u32(5));
    let done = match &name[..] {
        b"compress" => compress(guest, &input),
        b"uncompress" => uncompress(guest, &input),
        b"expr_create" => create_expression(guest, &input),
        b"expr_evaluate" => evaluate_expression(guest, &input),
        b"expr_delete" => delete_expression(guest, &input),
        b"set_envoy_filter_state" => set_state(guest, &input),
        b"declare_property" => declare(guest, &input),
        b"verify_signature" => verify(guest, &input),
        b"clear_route_cache" => {
            clear_route(guest);
            Ok(Vec::new())
        }
        _ => return Err(Status::NotFound),
    };
    let (bytes, status) = match done {
        Ok(bytes) => (bytes, Ok(())),
        Err(status) => (Vec::new(), Err(status)),
    };
    let at = match bytes.is_empty() || place_at == 0 {
        true => 0,
        false => guest.allocate(&bytes)?,
    };
    if place_at != 0 {
        guest.write_u32(place_at, at)?;
    }
    if length_at != 0 {
        guest.write_u32(length_at, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
    }
    status
}

fn compress(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    guest.charge_bytes(input.len(), FUEL_PER_PACKED_BYTE)?;
    let mut out = vec![0; zlib_rs::compress_bound(input.len())];
    let (packed, code) = zlib_rs::compress_slice(&mut out, input, DeflateConfig::default());
    match code {
        ReturnCode::Ok => Ok(packed.to_vec()),
        _ => Err(Status::SerializationFailure),
    }
}

fn uncompress(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    let mut length = input.len().saturating_mul(2).saturating_add(2);
    while length <= MAX_UNPACKED_BYTES {
        guest.charge_bytes(length, FUEL_PER_UNPACKED_BYTE)?;
        let mut out = vec![0; length];
        let config = InflateConfig::default();
        match zlib_rs::decompress_slice(&mut out, input, config) {
            (unpacked, ReturnCode::Ok) => return Ok(unpacked.to_vec()),
            (_, ReturnCode::BufError) => length = length.saturating_mul(2),
            _ => break,
        }
    }
    Err(Status::SerializationFailure)
}

fn create_expression(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    guest.charge_bytes(input.len(), FUEL_PER_PARSED_BYTE)?;
    let text = std::str::from_utf8(input).map_err(|_| Status::BadArgument)?;
    let expression = PropertyExpression::parse(text).map_err(|_| Status::BadArgument)?;
    let host = guest.host();
    if host.expressions.len() >= MAX_EXPRESSIONS {
        return Err(Status::InternalFailure);
    }
    let token = host.last_expression;
    host.last_expression = token.wrapping_add(1);
    host.expressions.insert(token, expression);
    Ok(token.to_le_bytes().to_vec())
}

fn token(input: &[u8]) -> Done<u32> {
    let bytes = input.try_into().map_err(|_| Status::BadArgument)?;
    Ok(u32::from_le_bytes(bytes))
}

fn evaluate_expression(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    let token = token(input)?;
    guest.charge(FUEL_PER_EVALUATION)?;
    let host = guest.host();
    let expression = host.expressions.get(&token).cloned();
    let expression = expression.ok_or(Status::NotFound)?;
    asking(host, |asking| {
        expression.evaluate(asking, &|all| pairs::write(all))
    })
    .map_err(status_of)
}

fn delete_expression(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    guest.host().expressions.remove(&token(input)?);
    Ok(Vec::new())
}

fn set_state(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    let fields = wire::fields(input).ok_or(Status::BadArgument)?;
    let path = String::from_utf8_lossy(wire::bytes(&fields, 1)).into_owned();
    let value = String::from_utf8_lossy(wire::bytes(&fields, 2)).into_owned();
    let kind = Kind::named(&path).ok_or(Status::NotFound)?;
    let object = kind.make(&value).ok_or(Status::BadArgument)?;
    let host = guest.host();
    if host.live.context == 0 || host.live.context != host.at_work() {
        return Err(Status::NotFound);
    }
    host.live.info.filter_state_mut().set(&path, object);
    Ok(Vec::new())
}

fn declare(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    let fields = wire::fields(input).ok_or(Status::BadArgument)?;
    let name = wire::bytes(&fields, 1).to_vec();
    let declared = Declared {
        is_fixed: wire::number(&fields, 2) != 0,
    };
    let host = guest.host();
    let current = host.current;
    let context = host.contexts.entry(current).or_default();
    if context.declared.contains_key(&name) {
        return Err(Status::BadArgument);
    }
    if context.declared.len() >= MAX_DECLARED {
        return Err(Status::InternalFailure);
    }
    context.declared.insert(name, declared);
    Ok(Vec::new())
}

fn algorithm(hash: &[u8]) -> Option<&'static RsaParameters> {
    match &hash.to_ascii_lowercase()[..] {
        b"sha1" => Some(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        b"sha256" => Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        b"sha384" => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        b"sha512" => Some(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

/// The bytes of a key in PEM.
fn of_pem(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let lines = text.lines().filter(|line| !line.starts_with('-'));
    let packed: String = lines.map(str::trim).collect();
    base64::decode(packed.as_bytes())
}

fn verify(guest: &mut Guest<'_>, input: &[u8]) -> Done<Vec<u8>> {
    guest.charge(FUEL_PER_SIGNATURE)?;
    let fields = wire::fields(input).ok_or(Status::BadArgument)?;
    let (der, pem) = (wire::bytes(&fields, 2), wire::bytes(&fields, 5));
    let key = match (der.is_empty(), pem.is_empty()) {
        (false, true) => der.to_vec(),
        (true, false) => of_pem(pem).ok_or(Status::BadArgument)?,
        _ => return Err(Status::BadArgument),
    };
    // A SEQUENCE.
    if key.first() != Some(&0x30) {
        return Err(Status::BadArgument);
    }
    let hash = wire::bytes(&fields, 1);
    let (signature, text) = (wire::bytes(&fields, 3), wire::bytes(&fields, 4));
    let why = match algorithm(hash) {
        None => format!("{} is not supported.", String::from_utf8_lossy(hash)),
        Some(algorithm) => match UnparsedPublicKey::new(algorithm, key).verify(text, signature) {
            Ok(()) => return Ok(vec![1 << 3, 1]),
            Err(_) => "Failed to verify digest. Error code: 0".to_owned(),
        },
    };
    let mut out = Vec::new();
    wire::add_bytes(&mut out, 2, why.as_bytes());
    Ok(out)
}
