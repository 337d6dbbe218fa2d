//! The network filters of a connection, one after another.
//!
//! What they write leaves before the connection goes on. While one waits nothing is read from the client, and a
//! client that goes away is noticed when the wait is over.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nuncio_contract::network_filter::{
    LookingOn, NetworkClose, NetworkContext, NetworkFilter, NetworkFilterFactory, NetworkResume,
    NetworkStatus, Shaped,
};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_net::transport::{Transport, Watch};

use crate::client::Client;

/// The filters of a connection.
#[derive(Default)]
pub struct Filters {
    filters: Vec<Box<dyn NetworkFilter>>,
    sees_data: bool,
    sees_answers: bool,
    /// What they have written before there was a way to send it.
    unsent: Vec<u8>,
}

/// What was said of data.
#[derive(Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes on to whoever stands behind the filters.
    Passes,
    /// A filter has taken it.
    Taken,
}

impl Filters {
    /// A filter of each factory.
    pub fn new(factories: &[Box<dyn NetworkFilterFactory>]) -> Self {
        Filters {
            filters: factories.iter().map(|factory| factory.create()).collect(),
            sees_data: factories.iter().any(|factory| factory.wants_data()),
            sees_answers: factories.iter().any(|factory| factory.sees_answers()),
            unsent: Vec::new(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether a filter wants to see what comes from the client.
    pub fn see_data(&self) -> bool {
        self.sees_data
    }

    /// Whether a filter wants to see what hosts answer.
    pub fn see_answers(&self) -> bool {
        self.sees_answers
    }

    /// Shows the filters in front of the place `before` what a host has answered, the last one first, up to one that
    /// holds it: gives what is to be waited for, and the place of that filter.
    pub fn answer(
        &mut self,
        before: usize,
        data: &[u8],
        end_stream: bool,
        context: &mut LookingOn<'_>,
    ) -> Option<(LocalFuture<Shaped>, usize)> {
        let in_front = self.filters.iter_mut().enumerate().take(before);
        let mut last_first = in_front.rev();
        last_first.find_map(|(place, filter)| {
            let shaping = filter.shape_answer(context, data, end_stream)?;
            Some((shaping, place))
        })
    }

    /// The place of a filter that has something to go on in a direction though nothing new has come.
    pub fn unasked(&mut self, of_answers: bool, cx: &mut Context<'_>) -> Option<usize> {
        if !self.sees_answers {
            return None;
        }
        let mut all = self.filters.iter_mut();
        all.position(|filter| filter.poll_unasked(of_answers, cx).is_ready())
    }

    /// The connection is over.
    pub fn end(&mut self, by_client: bool) {
        self.filters
            .iter_mut()
            .for_each(|filter| filter.on_end(by_client));
    }

    /// The connection begins. What filters write before the handshake goes behind it; who has the connection closed
    /// before has written in vain, as in Envoy.
    ///
    /// # Errors
    /// A filter has it closed.
    pub async fn begin(
        &mut self,
        client: &mut Client,
        info: &mut StreamInfo,
        services: &dyn WorkerServices,
    ) -> Result<(), NetworkClose> {
        for filter in &mut self.filters {
            let mut out = Vec::new();
            let mut context = NetworkContext {
                stream_info: info,
                out: &mut out,
                services,
            };
            let status = filter.on_new_connection(&mut context);
            match client.transport() {
                Some(transport) => {
                    filter.on_handshake(&mut context);
                    write_all(transport, &out).await?;
                }
                None => self.unsent.append(&mut out),
            }
            match status {
                NetworkStatus::Continue | NetworkStatus::Stop => {}
                NetworkStatus::Close(close) => {
                    count_unsent(self.unsent.len(), info);
                    return Err(close);
                }
                NetworkStatus::Wait(wait) => wait_for(wait.await, info, services)?,
                // There is nothing to hold yet.
                NetworkStatus::Shape(_) => {}
            }
        }
        Ok(())
    }

    /// The connection begins, and then its handshake is done.
    ///
    /// # Errors
    /// A filter has it closed, or the handshake has failed.
    pub async fn begin_and_open(
        &mut self,
        client: &mut Client,
        info: &mut StreamInfo,
        services: &dyn WorkerServices,
    ) -> Result<(), NetworkClose> {
        let mut over = pin!(over(client.limit(), services));
        let begun = tokio::select! {
            biased;
            begun = self.begin(client, info, services) => begun,
            () = over.as_mut() => Err(client.late(info)),
        };
        begun?;
        if client.is_open() {
            return Ok(());
        }
        client.open(info, over).await?;
        let out = self.note_handshake(info, services);
        match client.transport() {
            Some(transport) => write_all(transport, &out).await,
            None => Ok(()),
        }
    }

    /// The client's handshake is over. Gives what is to be written.
    pub fn note_handshake(
        &mut self,
        info: &mut StreamInfo,
        services: &dyn WorkerServices,
    ) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.unsent);
        let mut context = NetworkContext {
            stream_info: info,
            out: &mut out,
            services,
        };
        let filters = self.filters.iter_mut();
        filters.for_each(|filter| filter.on_handshake(&mut context));
        out
    }

    /// Shows the filters from the place `from` on what has come.
    pub fn data(
        &mut self,
        from: usize,
        data: &[u8],
        end_stream: bool,
        context: &mut NetworkContext<'_>,
    ) -> Told {
        for (place, filter) in self.filters.iter_mut().enumerate().skip(from) {
            match filter.on_data(context, data, end_stream) {
                NetworkStatus::Continue => {}
                NetworkStatus::Stop => return Told::Done(Passage::Taken),
                NetworkStatus::Close(close) => return Told::Close(close),
                NetworkStatus::Wait(wait) => return Told::Wait(wait, place + 1),
                NetworkStatus::Shape(shaping) => return Told::Shape(shaping, place + 1),
            }
        }
        Told::Done(Passage::Passes)
    }
}

/// Ready once a limit has passed, never if there is none.
pub(crate) async fn over(limit: Option<Duration>, services: &dyn WorkerServices) {
    match limit {
        Some(limit) => services.sleep(limit).await,
        None => pending().await,
    }
}

/// What nobody counts as it is written.
fn count_unsent(count: usize, info: &StreamInfo) {
    if let Some(tally) = &info.connection.tally {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        tally.sent.set(tally.sent.get().saturating_add(count));
    }
}

/// What the filters say of data.
pub enum Told {
    /// All have seen it, or one has taken it.
    Done(Passage),
    /// The connection is closed.
    Close(NetworkClose),
    /// There is something to wait for; then the filter at this place is next.
    Wait(LocalFuture<NetworkResume>, usize),
    /// The bytes are held; what goes on in their place is for the filter at this place.
    Shape(LocalFuture<Shaped>, usize),
}

/// What becomes of a wait.
///
/// # Errors
/// The connection is closed.
pub fn wait_for(
    resume: NetworkResume,
    info: &mut StreamInfo,
    services: &dyn WorkerServices,
) -> Result<(), NetworkClose> {
    match resume {
        NetworkResume::Continue => Ok(()),
        NetworkResume::Close(close) => Err(close),
        NetworkResume::Then(conclude) => conclude(info, services).map_or(Ok(()), Err),
    }
}

/// Writes `bytes` whole.
///
/// # Errors
/// The client takes no more.
pub async fn write_all(transport: &mut Transport, mut bytes: &[u8]) -> Result<(), NetworkClose> {
    while !bytes.is_empty() {
        match poll_fn(|cx| transport.poll_write(cx, bytes)).await {
            Ok(count @ 1..) => bytes = bytes.get(count..).unwrap_or_default(),
            _ => return Err(NetworkClose::default()),
        }
    }
    match poll_fn(|cx| transport.poll_flush(cx)).await {
        Ok(()) => Ok(()),
        Err(_) => Err(NetworkClose::default()),
    }
}

/// The filters of a connection that somebody else reads.
pub struct Watching {
    filters: Filters,
    info: StreamInfo,
    services: Rc<dyn WorkerServices>,
    /// What is waited for, and the filter that is next.
    wait: Option<(LocalFuture<NetworkResume>, usize)>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(tally) = self.info.connection.tally.clone() {
            tally.keep(&mut self.info);
        }
    }
}

impl Watching {
    /// They have begun.
    pub fn new(filters: Filters, info: StreamInfo, services: Rc<dyn WorkerServices>) -> Self {
        Watching {
            filters,
            info,
            services,
            wait: None,
        }
    }
}

impl Watch for Watching {
    /// What a filter writes is lost here: those that write end a chain.
    fn poll_passes(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Poll<io::Result<()>> {
        let closed = || Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        let mut from = 0;
        loop {
            if let Some((wait, next)) = &mut self.wait {
                let resume = ready!(wait.as_mut().poll(cx));
                from = *next;
                self.wait = None;
                if wait_for(resume, &mut self.info, &*self.services).is_err() {
                    return closed();
                }
            }
            let mut context = NetworkContext {
                stream_info: &mut self.info,
                out: &mut Vec::new(),
                services: &*self.services,
            };
            match self.filters.data(from, data, end_stream, &mut context) {
                Told::Done(_) => return Poll::Ready(Ok(())),
                // Filters that shape are before the TCP proxy alone.
                Told::Close(_) | Told::Shape(..) => return closed(),
                Told::Wait(wait, next) => self.wait = Some((wait, next)),
            }
        }
    }
}
