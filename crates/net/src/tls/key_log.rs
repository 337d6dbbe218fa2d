//! `key_log`: the secrets of connections, in the format that programs which look into packets read.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::AddressRanges;
use rustls::KeyLog;

use super::messages::TlsKeyLog;

/// Whose secrets are written, and where.
#[derive(Debug)]
pub(super) struct KeyLogging {
    file: Arc<KeyLogFile>,
    local: Option<AddressRanges>,
    remote: Option<AddressRanges>,
}

#[derive(Debug)]
struct KeyLogFile(File);

impl KeyLogging {
    /// Opens the file.
    pub(super) fn new(message: &TlsKeyLog, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut ranges = |written: &[_]| match written {
            [] => Ok(None),
            some => AddressRanges::compile(some, ctx).map(Some),
        };
        let local = ranges(&message.local_address_range)?;
        let remote = ranges(&message.remote_address_range)?;
        let path = &message.path;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path.value);
        let file = file.map_err(|error| {
            let text = format!("unable to open file '{}': {error}", path.value);
            ctx.error(path.span, text);
            Refused
        })?;
        Ok(KeyLogging {
            file: Arc::new(KeyLogFile(file)),
            local,
            remote,
        })
    }

    /// The log of a connection; none if it is not to be written.
    pub(super) fn of(&self, local: IpAddr, remote: IpAddr) -> Option<Arc<dyn KeyLog>> {
        let holds = |ranges: &Option<AddressRanges>, address| {
            ranges
                .as_ref()
                .is_none_or(|ranges| ranges.contains(address))
        };
        let is_written = holds(&self.local, local) && holds(&self.remote, remote);
        is_written.then(|| Arc::clone(&self.file) as Arc<dyn KeyLog>)
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // A log that cannot be written must not end connections.
        let _lost = (&self.0).write_all(line.as_bytes());
    }
}
