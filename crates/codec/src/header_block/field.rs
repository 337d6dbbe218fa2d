//! A decoded header.

use nuncio_contract::headers::Known;

/// Tells whether a name and a value have the characters of a header.
pub(crate) type Judge = fn(Option<Known>, &[u8], &[u8]) -> bool;

/// A decoded header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The number of the name, when it is a known one in lower case.
    pub(crate) known: Option<Known>,
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// What the judge said.
    pub(crate) valid: bool,
}

/// The known name, if this is one letter for letter: here upper case is no spelling but a fault.
#[inline]
pub(crate) fn known_exactly(name: &[u8]) -> Option<Known> {
    Known::find(name).filter(|known| known.as_bytes() == name)
}

/// Whether a header says something of a connection of HTTP/1 alone.
#[inline]
pub(crate) fn is_of_the_connection(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
    )
}
