//! Base64, and signatures of RSA by keys in DER.

use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey};
use mlua::{Lua, String as LuaString, Table};

use nuncio_config::base64;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with its padding.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = word >> (18 - 6 * at) & 0x3f;
            let digit = usize::try_from(digit).ok().and_then(|it| ALPHABET.get(it));
            out.push(match at <= group.len() {
                true => digit.copied().unwrap_or(b'='),
                false => b'=',
            });
        }
    }
    out
}

fn algorithm(hash: &str) -> Option<&'static RsaParameters> {
    match hash.to_ascii_lowercase().as_str() {
        "sha1" => Some(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        "sha384" => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        "sha512" => Some(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

/// What is wrong with a signature, and whether it is the key.
fn verify(hash: &str, key: &[u8], signature: &[u8], data: &[u8]) -> Option<(String, bool)> {
    let Some(algorithm) = algorithm(hash) else {
        return Some((format!("{hash} is not supported."), false));
    };
    // A SEQUENCE.
    if key.first() != Some(&0x30) {
        return Some(("invalid public key".to_owned(), true));
    }
    match UnparsedPublicKey::new(algorithm, key).verify(data, signature) {
        Ok(()) => None,
        Err(_) => Some(("Failed to verify digest. Error code: 0".to_owned(), false)),
    }
}

pub(super) fn add(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let to_base64 = |lua: &Lua, text: LuaString| lua.create_string(encode(&text.as_bytes()));
    table.set("base64", lua.create_function(to_base64)?)?;
    let from_base64 = |lua: &Lua, text: LuaString| {
        let bytes = base64::decode(&text.as_bytes());
        bytes.map(|bytes| lua.create_string(bytes)).transpose()
    };
    table.set("from_base64", lua.create_function(from_base64)?)?;
    let key_get = |_: &Lua, key: LuaString| Ok(key);
    table.set("key_get", lua.create_function(key_get)?)?;
    let check = |_: &Lua, args: (LuaString, LuaString, LuaString, LuaString)| {
        let (hash, key, signature, data) = args;
        let wrong = verify(
            &hash.to_string_lossy(),
            &key.as_bytes(),
            &signature.as_bytes(),
            &data.as_bytes(),
        );
        let (why, is_key) = wrong.unzip();
        Ok((why, is_key.unwrap_or(false)))
    };
    table.set("verify", lua.create_function(check)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\xff\xfe\xfd\xfc", "//79/A=="),
        ] {
            assert_eq!(encode(bytes), text.as_bytes());
        }
    }
}
