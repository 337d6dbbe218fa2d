//! JA3 and JA4: names of how a client says hello, by which programs are told apart whatever address they have.
//!
//! JA3 is the MD5 of all that is offered, in the order in which it is; JA4 sorts, says in the clear what is easily
//! said, and cuts two SHA-256 short. Both leave out values that only keep the protocol open (GREASE), but as in Envoy
//! JA3 keeps those among groups, and JA4 those among signatures.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use super::hello::{Bytes, PROTOCOLS, SERVER_NAME};
use super::md5;

const GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURES: u16 = 13;
const VERSIONS: u16 = 43;

/// The most that two digits say.
const MOST: usize = 99;
/// Digits of a hash that is cut short, and what stands for one of nothing.
const NOTHING: &str = "000000000000";

/// What a client offers.
pub(super) struct Offer<'a> {
    version: u16,
    ciphers: Vec<u16>,
    extensions: Vec<(u16, &'a [u8])>,
}

impl<'a> Offer<'a> {
    /// Reads the body of a hello.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(body);
        let version = rest.number()?;
        rest.take(32)?;
        rest.short()?;
        let ciphers = numbers(rest.long()?);
        rest.short()?;
        let mut extensions = Vec::new();
        let mut list = Bytes(rest.long().unwrap_or_default());
        while let Some(kind) = list.number() {
            extensions.push((kind, list.long()?));
        }
        Some(Offer {
            version,
            ciphers: ciphers.into_iter().filter(is_meant).collect(),
            extensions: extensions
                .into_iter()
                .filter(|(kind, _)| is_meant(kind))
                .collect(),
        })
    }

    fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        let mut extensions = self.extensions.iter();
        extensions
            .find(|(other, _)| *other == kind)
            .map(|(_, content)| *content)
    }

    /// The JA3 hash.
    pub(super) fn ja3(&self) -> String {
        let kinds: Vec<_> = self.extensions.iter().map(|(kind, _)| *kind).collect();
        let groups = self.extension(GROUPS).and_then(|content| content.get(2..));
        let groups = numbers(groups.unwrap_or_default());
        let formats = self.extension(POINT_FORMATS);
        let formats = formats.and_then(|content| content.get(1..));
        let formats: Vec<_> = formats
            .unwrap_or_default()
            .iter()
            .map(|format| u16::from(*format))
            .collect();
        let lists = [&self.ciphers, &kinds, &groups, &formats].map(|list| decimal(list));
        let text = format!("{},{}", self.version, lists.join(","));
        md5::hex_digest(text.as_bytes())
    }

    /// The JA4 name.
    pub(super) fn ja4(&self) -> String {
        let name = match self.extension(SERVER_NAME) {
            Some(_) => 'd',
            None => 'i',
        };
        format!(
            "t{}{name}{:02}{:02}{}_{}_{}",
            self.newest_version(),
            self.ciphers.len().min(MOST),
            self.extensions.len().min(MOST),
            self.first_protocol(),
            self.cipher_hash(),
            self.extension_hash(),
        )
    }

    fn newest_version(&self) -> &'static str {
        let offered = match self.extension(VERSIONS) {
            None => None,
            Some(content) => match Bytes(content).short() {
                Some(list) => numbers(list).into_iter().filter(is_meant).max(),
                None => return "00",
            },
        };
        match offered
            .filter(|version| *version != 0)
            .unwrap_or(self.version)
        {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            _ => "00",
        }
    }

    /// The first and the last letter of the first protocol.
    fn first_protocol(&self) -> String {
        let first = self.extension(PROTOCOLS).and_then(|content| {
            let mut list = Bytes(content);
            list.take(2)?;
            list.short()
        });
        let (Some(first), Some(last)) =
            (first.and_then(<[u8]>::first), first.and_then(<[u8]>::last))
        else {
            return "00".to_owned();
        };
        match first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
            true => [char::from(*first), char::from(*last)].iter().collect(),
            false => format!("{:x}{:x}", first >> 4, last & 0xf),
        }
    }

    fn cipher_hash(&self) -> String {
        let mut ciphers = self.ciphers.clone();
        ciphers.sort_unstable();
        match ciphers.is_empty() {
            true => NOTHING.to_owned(),
            false => cut_hash(&hexadecimal(&ciphers)),
        }
    }

    fn extension_hash(&self) -> String {
        let others = self.extensions.iter().map(|(kind, _)| *kind);
        let mut kinds: Vec<_> = others
            .filter(|kind| *kind != SERVER_NAME && *kind != PROTOCOLS)
            .collect();
        if kinds.is_empty() {
            return NOTHING.to_owned();
        }
        kinds.sort_unstable();
        let mut text = hexadecimal(&kinds);
        let signatures = self.extension(SIGNATURES);
        let signatures = numbers(signatures.and_then(|it| it.get(2..)).unwrap_or_default());
        if !signatures.is_empty() {
            text.push('_');
            text.push_str(&hexadecimal(&signatures));
        }
        cut_hash(&text)
    }
}

/// Whether a value is none of those that only keep the protocol open (RFC 8701).
fn is_meant(value: &u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high != low || low & 0xf != 0xa
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    let mut rest = Bytes(bytes);
    std::iter::from_fn(|| rest.number()).collect()
}

fn decimal(values: &[u16]) -> String {
    let texts: Vec<_> = values.iter().map(u16::to_string).collect();
    texts.join("-")
}

fn hexadecimal(values: &[u16]) -> String {
    let texts: Vec<_> = values.iter().map(|value| format!("{value:04x}")).collect();
    texts.join(",")
}

fn cut_hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let mut digits = String::with_capacity(NOTHING.len());
    for byte in hash.as_ref().iter().take(NOTHING.len() / 2) {
        let _text_takes_all = write!(digits, "{byte:02x}");
    }
    digits
}
