//! What is in a file of the cache: a block of fixed size, the key, head and trailers of the answer, then its body.
//!
//! The block: eight bytes that say what this is, the lengths of the key and what follows (4), of the body (8), the
//! milliseconds since 1970 when the answer came (8), and the hash of the second part with that time as its seed (8), all of them big-endian. In the
//! second part each text has its length before it (4); so have head and trailers the number of their headers. A file that
//! is not exactly this counts as none. Limit: 1 MiB before the body.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_contract::hash::xxh64;

use crate::caching::store::{Body, Entry, FileBody, Head};

const MAGIC: &[u8; 8] = b"NUNCIOC1";
const BLOCK_BYTES: usize = 36;
const MAX_TEXTS_BYTES: usize = 1 << 20;
const MAX_HEADERS: u32 = 1 << 14;

/// What comes before the body; none if that is too long.
pub(super) fn before_body(key: &[u8], entry: &Entry) -> Option<Vec<u8>> {
    let mut texts = Vec::new();
    write_text(&mut texts, key)?;
    write_head(&mut texts, &entry.head)?;
    match &entry.trailers {
        Some(trailers) => {
            texts.push(1);
            write_head(&mut texts, trailers)?;
        }
        None => texts.push(0),
    }
    if texts.len() > MAX_TEXTS_BYTES {
        return None;
    }
    let came = entry.came.duration_since(SystemTime::UNIX_EPOCH);
    let came = u64::try_from(came.unwrap_or_default().as_millis()).ok()?;
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&u32::try_from(texts.len()).ok()?.to_be_bytes());
    file.extend_from_slice(&entry.body.length().to_be_bytes());
    file.extend_from_slice(&came.to_be_bytes());
    file.extend_from_slice(&xxh64(&texts, came).to_be_bytes());
    file.extend_from_slice(&texts);
    Some(file)
}

/// What a file holds; none if it is for another key.
pub(super) fn read(file: File, key: &[u8]) -> Result<Option<Entry>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(bad());
    }
    let mut block = [0; BLOCK_BYTES];
    file.read_exact_at(&mut block, 0)?;
    let mut block = &block[..];
    let magic = take(&mut block, MAGIC.len()).ok_or_else(bad)?;
    let texts_bytes = take_u32(&mut block).and_then(|length| usize::try_from(length).ok());
    let texts_bytes = texts_bytes.filter(|length| *length <= MAX_TEXTS_BYTES);
    let texts_bytes = texts_bytes.ok_or_else(bad)?;
    let body_bytes = take_u64(&mut block).ok_or_else(bad)?;
    let came = take_u64(&mut block).ok_or_else(bad)?;
    let hash = take_u64(&mut block).ok_or_else(bad)?;
    let offset = u64::try_from(BLOCK_BYTES + texts_bytes).map_err(|_| bad())?;
    if magic != MAGIC || offset.checked_add(body_bytes) != Some(metadata.len()) {
        return Err(bad());
    }
    let mut texts = vec![0; texts_bytes];
    file.read_exact_at(&mut texts, u64::try_from(BLOCK_BYTES).map_err(|_| bad())?)?;
    if xxh64(&texts, came) != hash {
        return Err(bad());
    }
    let mut texts = &texts[..];
    if take_text(&mut texts).ok_or_else(bad)? != key {
        return Ok(None);
    }
    let head = take_head(&mut texts).ok_or_else(bad)?;
    let trailers = match take(&mut texts, 1).ok_or_else(bad)? {
        [0] => None,
        _ => Some(Arc::new(take_head(&mut texts).ok_or_else(bad)?)),
    };
    let came = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(came));
    Ok(Some(Entry {
        head,
        body: Body::File(FileBody::new(file, offset, body_bytes)),
        trailers,
        came: came.ok_or_else(bad)?,
    }))
}

fn bad() -> Error {
    Error::new(ErrorKind::InvalidData, "no file of the cache")
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text);
    Some(())
}

fn write_head(out: &mut Vec<u8>, head: &Head) -> Option<()> {
    let count = u32::try_from(head.0.len()).ok()?;
    out.extend_from_slice(&count.to_be_bytes());
    for (name, value) in &head.0 {
        write_text(out, name)?;
        write_text(out, value)?;
    }
    Some(())
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

fn take_u32(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(from, 4)?.try_into().ok()?))
}

fn take_u64(from: &mut &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(take(from, 8)?.try_into().ok()?))
}

fn take_text<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u32(from)?).ok()?;
    take(from, length)
}

fn take_head(from: &mut &[u8]) -> Option<Head> {
    let count = take_u32(from).filter(|count| *count <= MAX_HEADERS)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        headers.push((take_text(from)?.into(), take_text(from)?.into()));
    }
    Some(Head(headers))
}
