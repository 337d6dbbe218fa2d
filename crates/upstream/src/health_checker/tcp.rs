//! Checks by bytes: sent and looked for on a plain connection, or by that it opens at all.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_net::transport::Transport;

use super::flags::CheckFlags;
use super::link::{Dialer, Gone};
use crate::health_check::session::{Failure, Outcome};
use crate::health_check::settings::TcpProbe;
use crate::host::Host;
use crate::proxy_protocol::{self, ProxyVersion};

const PASSED: Outcome = Outcome::Passed { is_degraded: false };
const FAILED: Outcome = Outcome::Failed(Failure::Network);

/// One host's connection, and what came of it that was not what was looked for.
pub(super) struct TcpProber {
    dialer: Rc<Dialer>,
    host: Arc<Host>,
    flags: Rc<CheckFlags>,
    reuses: bool,
    transport: Option<Transport>,
    input: Vec<u8>,
}

impl TcpProber {
    pub(super) fn new(dialer: &Rc<Dialer>, flags: &Rc<CheckFlags>, reuses: bool) -> Self {
        Self {
            dialer: Rc::clone(dialer),
            host: flags.host(),
            flags: Rc::clone(flags),
            reuses,
            transport: None,
            input: Vec::new(),
        }
    }

    pub(super) async fn check(&mut self, probe: &TcpProbe) -> Outcome {
        self.follow_host();
        match self.exchange(probe).await {
            Ok(()) => PASSED,
            Err(Gone) => {
                self.close();
                FAILED
            }
        }
    }

    /// What discovery says of the host now counts from the next check on.
    fn follow_host(&mut self) {
        let now = self.flags.host();
        if self.host.is_reached_otherwise(&now) {
            self.close();
        }
        self.host = now;
    }

    async fn exchange(&mut self, probe: &TcpProbe) -> Result<(), Gone> {
        if self.transport.is_none() {
            let opened = self.dialer.open(&self.host).await?;
            if probe.receive.is_empty() {
                return Ok(());
            }
            self.transport = Some(opened);
        }
        self.send(probe).await?;
        self.receive(probe).await
    }

    async fn send(&mut self, probe: &TcpProbe) -> Result<(), Gone> {
        let transport = self.transport.as_mut().ok_or(Gone)?;
        let mut out = match probe.proxy_protocol {
            None => Vec::new(),
            Some(ProxyVersion::V1) => proxy_v1(transport),
            Some(ProxyVersion::V2) => proxy_protocol::local_header(),
        };
        out.extend_from_slice(&probe.send);
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let count = poll_fn(|cx| transport.poll_write(cx, rest)).await;
            let count = count.ok().filter(|count| *count > 0).ok_or(Gone)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        let flushed = poll_fn(|cx| transport.poll_flush(cx)).await;
        flushed.map_err(|_| Gone)
    }

    /// Reads until all that is looked for has come. Reads no more than a connection may buffer.
    async fn receive(&mut self, probe: &TcpProbe) -> Result<(), Gone> {
        let transport = self.transport.as_mut().ok_or(Gone)?;
        let most = self
            .dialer
            .cluster
            .settings
            .per_connection_buffer_limit_bytes;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        loop {
            if most > 0 && self.input.len() >= most {
                pending::<()>().await;
            }
            let input = &mut self.input;
            let read = poll_fn(|cx| transport.poll_read(cx, input)).await;
            if read.map_err(|_| Gone)? == 0 {
                return Err(Gone);
            }
            if probe.receive.are_in(&self.input) {
                self.input.clear();
                if !self.reuses {
                    self.close();
                }
                return Ok(());
            }
        }
    }

    /// What comes between checks counts as well: an end as a failure, and what was looked for as a success.
    pub(super) async fn between(&mut self, probe: &TcpProbe) -> Outcome {
        if self.transport.is_none() {
            return pending().await;
        }
        match self.receive(probe).await {
            Ok(()) => PASSED,
            Err(Gone) => {
                self.close();
                FAILED
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.transport = None;
        self.input = Vec::new();
    }
}

fn proxy_v1(transport: &Transport) -> Vec<u8> {
    match (transport.local_address(), transport.peer_address()) {
        (Some(from), Some(to)) => proxy_protocol::header(ProxyVersion::V1, from, to, &[]),
        _ => b"PROXY UNKNOWN\r\n".to_vec(),
    }
}
