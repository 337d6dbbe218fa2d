//! The sockets of a listener: bound before anything is published, kept as long as the address is wanted.

use std::net::{SocketAddr, TcpListener};

use nuncio_net::connect::error_text;
use nuncio_net::listener::{bind, set_backlog};

use crate::listener::CompiledListener;

/// Bound sockets, one a worker.
pub(super) struct Sockets {
    sockets: Vec<TcpListener>,
    backlog: u32,
}

/// A copy for each worker, in the order of the workers; made before anything is published, as it can fail.
pub(super) struct Copies(std::vec::IntoIter<TcpListener>);

impl Sockets {
    /// Binds the listener's address.
    pub(super) fn bind(listener: &CompiledListener, workers: usize) -> Result<Self, String> {
        let sockets = bind(listener.address, workers, listener.options);
        let sockets = sockets.map_err(|error| cannot_bind(listener, &error))?;
        Ok(Sockets {
            sockets,
            backlog: listener.options.backlog,
        })
    }

    /// A copy for each worker.
    pub(super) fn copies(&self, listener: &CompiledListener) -> Result<Copies, String> {
        let copies: Result<Vec<_>, _> = self.sockets.iter().map(TcpListener::try_clone).collect();
        let copies = copies.map_err(|error| cannot_bind(listener, &error))?;
        Ok(Copies(copies.into_iter()))
    }

    /// Where they listen; with the real port where 0 was asked for.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.sockets.first()?.local_addr().ok()
    }

    /// Has another number of connections wait.
    pub(super) fn set_backlog(&mut self, backlog: u32) {
        if self.backlog == backlog {
            return;
        }
        self.backlog = backlog;
        for socket in &self.sockets {
            if let Err(error) = set_backlog(socket, backlog) {
                crate::log::warning("config", &format!("tcp_backlog_size stays: {error}"));
            }
        }
    }
}

impl Copies {
    /// The next worker's.
    pub(super) fn next(&mut self) -> Option<TcpListener> {
        self.0.next()
    }
}

/// Whether the sockets of one listener serve the other just as well.
pub(super) fn can_share(one: &CompiledListener, other: &CompiledListener) -> bool {
    let binding = |listener: &CompiledListener| {
        let options = listener.options;
        (listener.address, options.reuse_port, options.ipv4_compat)
    };
    binding(one) == binding(other)
}

fn cannot_bind(listener: &CompiledListener, error: &std::io::Error) -> String {
    format!(
        "error adding listener '{}': cannot bind '{}': {}",
        listener.name,
        listener.address,
        error_text(error)
    )
}
