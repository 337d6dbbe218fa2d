//! Certificates, keys and authorities of listeners that are read again when their files change, and those of all that
//! runs, told.
//!
//! Only what was made of files is made anew, of the message that runs; connections that are open stay.

use std::sync::Arc;

use nuncio_config::typed::{Ctx, DeliveredSecrets, FileRead, Refused, StaticSecrets, decode};
use nuncio_net::tls::ContextCertificates;

use super::clusters::Renewal;
use super::listeners::{Listeners, Running};
use crate::config::Listener;
use crate::listener::{CompiledListener, DownstreamSocket};

impl Listeners {
    /// Reads the certificates, keys and authorities anew of the listeners that name one of `changed`.
    pub(crate) fn renew(
        &mut self,
        changed: &[Arc<str>],
        secrets: &DeliveredSecrets,
    ) -> Vec<Renewal> {
        let concerned = self
            .running
            .iter_mut()
            .filter(|running| running.tls_files().any(|file| changed.contains(&file.path)));
        concerned.map(|running| running.renew(secrets)).collect()
    }

    /// The files that listeners have certificates, keys and the like in.
    pub(crate) fn tls_files(&self) -> impl Iterator<Item = &FileRead> {
        self.running.iter().flat_map(Running::tls_files)
    }

    /// The certificates of all filter chains with TLS.
    pub(crate) fn certificates(&self) -> Vec<ContextCertificates> {
        let listeners = self
            .running
            .iter()
            .map(|running| &running.resource.listener);
        let sockets = listeners.flat_map(|listener| listener.sockets());
        sockets.filter_map(DownstreamSocket::certificates).collect()
    }
}

impl Running {
    /// As they were read last.
    fn tls_files(&self) -> impl Iterator<Item = &FileRead> {
        let read = &self.resource.version.files;
        let of_tls = |file: &&FileRead| {
            let mut sockets = self.resource.listener.sockets();
            sockets.any(|socket| socket.files().iter().any(|one| one.path == file.path))
        };
        read.iter().filter(of_tls)
    }

    fn renew(&mut self, secrets: &DeliveredSecrets) -> Renewal {
        let version = &mut self.resource.version;
        let mut ctx = Ctx::new(true);
        ctx.static_secrets = StaticSecrets::new(&version.secrets);
        ctx.delivered_secrets = secrets.clone();
        let sockets = decode(&version.message, &mut ctx)
            .and_then(|listener: Listener| CompiledListener::compile_sockets(&listener, &mut ctx));
        let result = match sockets {
            Ok(newer) => {
                let sockets = self.resource.listener.sockets();
                sockets
                    .zip(&newer)
                    .for_each(|(socket, newer)| socket.renew_from(newer));
                for file in &mut version.files {
                    if let Some(again) = ctx.files.iter().find(|again| again.path == file.path) {
                        file.clone_from(again);
                    }
                }
                Ok(())
            }
            Err(Refused) => {
                let faults = ctx.diagnostics.iter().map(|found| found.message.as_str());
                Err(faults.collect::<Vec<_>>().join("; "))
            }
        };
        Renewal {
            kind: "listener",
            name: self.resource.listener.name.clone(),
            result,
        }
    }
}
