//! The load generator: connections on one thread, each with one exchange at a time unless it is of HTTP/2.
//!
//! A load is either as fast as answers come, or paced: then every connection starts an exchange
//! each interval, and an exchange that had to wait for a late answer counts its wait too. Every
//! answer is checked; one wrong answer ends its connection and is reported. Threads end within
//! [`STOP_LIMIT`] of being told to.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::exchange::{READ_BUFFER_BYTES, Script, exchange};
use crate::http2;
use crate::tls::Client;

const STOP_LIMIT: Duration = Duration::from_secs(2);
/// No load goes on for longer than this, whatever it was told.
const LOAD_LIMIT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What to send, how, and where to.
#[derive(Clone)]
pub(crate) struct LoadPlan {
    pub(crate) target: SocketAddr,
    pub(crate) connections: u32,
    pub(crate) script: Script,
    /// Requests per second over all connections; as many as possible when not given.
    pub(crate) rate: Option<u32>,
    /// Stop by itself after about this many exchanges.
    pub(crate) limit: Option<u64>,
    pub(crate) way: Way,
    /// What greets the proxy where it is spoken to over TLS.
    pub(crate) tls: Client,
}

/// How exchanges go over connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By HTTP/1, one exchange after another on each.
    Http1,
    /// By HTTP/2, with so many streams at once on each.
    Http2 { streams: u32 },
    /// By HTTP/1 over TLS.
    Tls,
    /// The same, and each exchange on a connection of its own.
    NewTls,
}

/// What a load saw.
#[derive(Default)]
pub(crate) struct LoadSummary {
    /// Exchanges from start to end.
    pub(crate) completed: u64,
    /// Microseconds of each exchange that ended while recording, in no order.
    pub(crate) latencies_us: Vec<u32>,
    /// The first few things that went wrong.
    pub(crate) failures: Vec<String>,
}

#[derive(Default)]
struct Shared {
    completed: AtomicU64,
    recording: AtomicBool,
    stopping: AtomicBool,
}

/// A load under way on its own thread.
pub(crate) struct RunningLoad {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<LoadSummary>>,
}

impl RunningLoad {
    /// Starts the load.
    ///
    /// # Errors
    /// When the thread cannot start.
    pub(crate) fn start(plan: LoadPlan) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("load".into())
            .spawn(move || run(&plan, &for_thread))?;
        Ok(Self { shared, thread })
    }

    /// Exchanges completed so far.
    pub(crate) fn completed(&self) -> u64 {
        self.shared.completed.load(Ordering::Relaxed)
    }

    /// Turns the recording of latencies on or off.
    pub(crate) fn record(&self, on: bool) {
        self.shared.recording.store(on, Ordering::Relaxed);
    }

    /// Ends the load and waits for what it saw.
    ///
    /// # Errors
    /// When its runtime could not be built.
    pub(crate) fn stop(self) -> io::Result<LoadSummary> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits for a load with a limit to reach it.
    ///
    /// # Errors
    /// When its runtime could not be built.
    pub(crate) fn join(self) -> io::Result<LoadSummary> {
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the load generator panicked")))
    }
}

/// What the connections of one load share on its thread.
struct Driver {
    plan: LoadPlan,
    shared: Arc<Shared>,
    summary: RefCell<LoadSummary>,
}

fn run(plan: &LoadPlan, shared: &Arc<Shared>) -> io::Result<LoadSummary> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let driver = Rc::new(Driver {
        plan: plan.clone(),
        shared: Arc::clone(shared),
        summary: RefCell::default(),
    });
    LocalSet::new().block_on(&runtime, supervise(&driver));
    let mut summary = driver.summary.take();
    summary.completed = shared.completed.load(Ordering::Relaxed);
    Ok(summary)
}

async fn supervise(driver: &Rc<Driver>) {
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..driver.plan.connections {
        let driver = Rc::clone(driver);
        tasks.spawn_local(async move {
            let driven = match driver.plan.way {
                Way::Http1 => drive_tcp(&driver, index).await,
                Way::Http2 { streams } => drive_streams(&driver, streams).await,
                Way::Tls => drive_tls(&driver, index).await,
                Way::NewTls => drive_handshakes(&driver).await,
            };
            if let Err(error) = driven {
                driver.fail(error.to_string());
            }
        });
    }
    let deadline = Instant::now() + LOAD_LIMIT;
    while !driver.shared.stopping.load(Ordering::Relaxed) && !tasks.is_empty() {
        let _ = tokio::time::timeout(POLL_INTERVAL, tasks.join_next()).await;
        if Instant::now() > deadline {
            driver.shared.stopping.store(true, Ordering::Relaxed);
            driver.fail(format!("the load went on for {LOAD_LIMIT:?}"));
        }
    }
    let drain = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_LIMIT, drain).await.is_err() {
        driver.fail(format!("an answer took more than {STOP_LIMIT:?}"));
    }
}

async fn drive_tcp(driver: &Driver, index: u32) -> io::Result<()> {
    drive_connection(driver, connect(driver).await?, index).await
}

async fn drive_tls(driver: &Driver, index: u32) -> io::Result<()> {
    let stream = driver.plan.tls.greet(connect(driver).await?).await?;
    drive_connection(driver, stream, index).await
}

async fn drive_handshakes(driver: &Driver) -> io::Result<()> {
    let plan = &driver.plan;
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut latencies_us = Vec::new();
    while driver.goes_on() {
        let start = Instant::now();
        let mut stream = plan.tls.greet(connect(driver).await?).await?;
        exchange(&mut stream, &plan.script, &mut buffer).await?;
        driver.note(start, &mut latencies_us);
    }
    driver.keep(&mut latencies_us);
    Ok(())
}

async fn connect(driver: &Driver) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(driver.plan.target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn drive_connection(
    driver: &Driver,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    index: u32,
) -> io::Result<()> {
    let plan = &driver.plan;
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut latencies_us = Vec::new();
    let mut pace = plan
        .rate
        .map(|rate| Pace::new(rate, plan.connections, index));
    while driver.goes_on() {
        let start = match &mut pace {
            Some(pace) => pace.next().await,
            None => Instant::now(),
        };
        exchange(&mut stream, &plan.script, &mut buffer).await?;
        driver.note(start, &mut latencies_us);
    }
    driver.keep(&mut latencies_us);
    Ok(())
}

/// A connection of HTTP/2 with as many streams at once.
async fn drive_streams(driver: &Rc<Driver>, streams: u32) -> io::Result<()> {
    let client = http2::connect(connect(driver).await?).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let (driver, mut client) = (Rc::clone(driver), client.clone());
        tasks.spawn_local(async move {
            let mut latencies_us = Vec::new();
            while driver.goes_on() {
                let start = Instant::now();
                http2::get(&mut client, driver.plan.script.answer_bytes()).await?;
                driver.note(start, &mut latencies_us);
            }
            driver.keep(&mut latencies_us);
            io::Result::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

impl Driver {
    /// Counts an exchange that began at `start`.
    fn note(&self, start: Instant, latencies_us: &mut Vec<u32>) {
        self.shared.completed.fetch_add(1, Ordering::Relaxed);
        if self.shared.recording.load(Ordering::Relaxed) {
            latencies_us.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Adds what a connection has seen.
    fn keep(&self, latencies_us: &mut Vec<u32>) {
        let mut summary = self.summary.borrow_mut();
        summary.latencies_us.append(latencies_us);
    }

    fn goes_on(&self) -> bool {
        let reached = |limit| self.shared.completed.load(Ordering::Relaxed) >= limit;
        !self.shared.stopping.load(Ordering::Relaxed) && !self.plan.limit.is_some_and(reached)
    }

    fn fail(&self, text: String) {
        let mut summary = self.summary.borrow_mut();
        if summary.failures.len() < 3 {
            summary.failures.push(text);
        }
    }
}

/// When a paced connection starts its next exchange.
struct Pace {
    interval: Duration,
    due: Instant,
}

impl Pace {
    /// Connections start one after another within the first interval.
    fn new(rate: u32, connections: u32, index: u32) -> Self {
        let interval = Duration::from_secs(1) * connections / rate;
        Self {
            interval,
            due: Instant::now() + interval * index / connections.max(1),
        }
    }

    /// Waits for the start; returns the time that the exchange's latency counts from.
    async fn next(&mut self) -> Instant {
        let now = Instant::now();
        let due = self.due;
        self.due += self.interval;
        if due <= now {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        // The timer is coarse; its lateness is not the proxy's.
        Instant::now()
    }
}

/// Opens connections one after another, each with one exchange, and keeps them open.
///
/// # Errors
/// When one of them fails, with its number.
pub(crate) fn open_idle_connections(
    target: SocketAddr,
    count: u32,
) -> io::Result<Vec<std::net::TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let script = Script::get();
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut open = Vec::new();
        for number in 1..=count {
            let one = async {
                let mut stream = TcpStream::connect(target).await?;
                exchange(&mut stream, &script, &mut buffer).await?;
                stream.into_std()
            };
            let stream = tokio::time::timeout(STOP_LIMIT, one)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| io::Error::other(format!("connection {number}: {error}")))?;
            open.push(stream);
        }
        Ok(open)
    })
}

/// How many of the connections the proxy has closed meanwhile.
pub(crate) fn count_closed(connections: &[std::net::TcpStream]) -> usize {
    let is_closed = |stream: &&std::net::TcpStream| {
        let mut byte = [0];
        !matches!(stream.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    };
    connections.iter().filter(is_closed).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin;
    use crate::tls::Pair;

    fn plan(target: SocketAddr, script: Script) -> LoadPlan {
        LoadPlan {
            target,
            connections: 4,
            script,
            rate: None,
            limit: Some(40),
            way: Way::Http1,
            tls: Pair::new().unwrap().client().unwrap(),
        }
    }

    #[test]
    fn every_load_gets_the_origins_answers() {
        let target = origin::start(0).unwrap();
        for script in [Script::get(), Script::post(), Script::large()] {
            let load = RunningLoad::start(plan(target, script)).unwrap();
            load.record(true);
            let summary = load.join().unwrap();
            assert_eq!(summary.failures, Vec::<String>::new());
            assert!(summary.completed >= 40);
        }
    }

    #[test]
    fn a_load_that_nobody_answers_says_so() {
        let target = SocketAddr::from(([127, 0, 0, 1], crate::machine::free_port().unwrap()));
        let summary = RunningLoad::start(plan(target, Script::get()))
            .unwrap()
            .join();
        let summary = summary.unwrap();
        assert_eq!(summary.completed, 0);
        assert!(summary.failures[0].contains("refused"));
    }

    #[test]
    fn idle_connections_stay_open_and_closed_ones_are_counted() {
        let target = origin::start(0).unwrap();
        let open = open_idle_connections(target, 3).unwrap();
        assert_eq!(count_closed(&open), 0);
        open[0].shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(count_closed(&open), 1);
    }

    #[test]
    fn a_paced_connection_that_is_late_counts_from_when_it_was_due() {
        let mut pace = Pace::new(1000, 1, 0);
        let due = pace.due;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(pace.next()), due);
    }
}
