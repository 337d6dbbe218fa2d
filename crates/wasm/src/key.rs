//! What VMs and plugins are known by.

use aws_lc_rs::digest::{SHA256, digest};

/// A hash that stands for a VM or a plugin.
pub(crate) type Key = [u8; 32];

/// The key of these parts.
pub(crate) fn key(parts: &[&[u8]]) -> Key {
    let mut bytes = Vec::new();
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    key
}
