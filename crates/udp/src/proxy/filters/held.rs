//! Datagrams that wait, as many as `buffer_options` allows: 1,024 and 16 KiB by default, none without it.

use std::collections::VecDeque;

use nuncio_config::message;

const DEFAULT_MOST_DATAGRAMS: u32 = 1024;
const DEFAULT_MOST_BYTES: u64 = 16_384;

/// How many datagrams may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct BufferLimits {
    datagrams: usize,
    bytes: usize,
}

impl BufferLimits {
    /// What `buffer_options` says.
    pub(in crate::proxy) fn of(datagrams: Option<u32>, bytes: Option<u64>) -> Self {
        let (datagrams, bytes) = (
            datagrams.unwrap_or(DEFAULT_MOST_DATAGRAMS),
            bytes.unwrap_or(DEFAULT_MOST_BYTES),
        );
        BufferLimits {
            datagrams: usize::try_from(datagrams).unwrap_or(usize::MAX),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }
}

/// The same options stand in two messages.
macro_rules! buffer_options {
    ($name:ident: $message:literal) => {
        message! {
            /// How many datagrams may wait.
            pub(in crate::proxy) struct $name: $message {
                max_buffered_datagrams: Option<u32>,
                max_buffered_bytes: Option<u64>,
            }
        }

        impl $name {
            /// The same, compiled.
            pub(in crate::proxy) fn limits(&self) -> BufferLimits {
                BufferLimits::of(self.max_buffered_datagrams, self.max_buffered_bytes)
            }
        }
    };
}

buffer_options!(TunnelBuffer: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.BufferOptions");
buffer_options!(AskBuffer: "envoy.extensions.filters.udp.udp_proxy.session.ext_authz.v3.FilterConfig.BufferOptions");

/// Datagrams that wait.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Held {
    all: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// There is no room for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct NoRoom;

impl Held {
    /// Keeps a datagram.
    ///
    /// # Errors
    /// There are as many as may be.
    pub(in crate::proxy) fn push(
        &mut self,
        datagram: &[u8],
        limits: BufferLimits,
    ) -> Result<(), NoRoom> {
        let bytes = self.bytes.saturating_add(datagram.len());
        if self.all.len() >= limits.datagrams || bytes > limits.bytes {
            return Err(NoRoom);
        }
        self.bytes = bytes;
        self.all.push_back(datagram.to_vec());
        Ok(())
    }

    /// The one that has waited longest.
    pub(in crate::proxy) fn pop(&mut self) -> Option<Vec<u8>> {
        let first = self.all.pop_front()?;
        self.bytes = self.bytes.saturating_sub(first.len());
        if self.all.is_empty() {
            self.all.shrink_to_fit();
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_may() {
        let mut held = Held::default();
        let limits = BufferLimits::of(Some(2), Some(5));
        assert_eq!(held.push(b"abcdef", limits), Err(NoRoom));
        assert_eq!(held.push(b"abcd", limits), Ok(()));
        assert_eq!(held.push(b"ef", limits), Err(NoRoom));
        assert_eq!(held.push(b"e", limits), Ok(()));
        assert_eq!(held.push(b"", limits), Err(NoRoom));
        assert_eq!(held.pop().as_deref(), Some(&b"abcd"[..]));
        assert_eq!(held.push(b"", limits), Ok(()));
        assert_eq!(
            BufferLimits::of(None, None),
            BufferLimits::of(Some(1024), Some(16_384))
        );
    }
}
