//! `envoy.filters.udp.dns_filter`: queries for names are answered from a table, by hosts of clusters, or by what other
//! servers say.
//!
//! A query whose last two labels are those of a name in the table is answered here; others, and those that find nothing,
//! are asked of servers where `client_config` says so (500 ms each time by default, as often more as
//! `external_retry_count` says, at most `max_pending_lookups` and one at once); else there is no such name. A name that
//! nobody listed may be that of a cluster. Types: A, AAAA, SRV; others are not implemented, as the response says.
//! Limits: those of `message` and `answer`.
//!
//! Different from Envoy: of several targets of a service the first cluster counts, in Envoy any; `external_dns_table` in
//! protobuf's binary format is not read; responses and what is shorter than a head are counted and not answered; a
//! look-up by the system that found nothing in time is waited for again, and counts as pending until it is done.
//! `access_log` is refused as not supported yet. See Envoy's "DNS Filter".

mod answer;
pub mod config;
mod message;
pub(crate) mod stats;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nuncio_net::datagrams::Received;
use nuncio_net::dns::{LookupFamily, Resolver, Resolvers};
use nuncio_upstream::WorkerHost;

use answer::{Answer, ServiceRecord, chosen, kind_of};
use config::DnsFilterConfig;
use message::{A, AAAA, Invalid, Query, Question, SRV};
use stats::DnsFilterStats;
use table::{Endpoint, Service, Target};

use crate::Worker;
use crate::socket::ListeningSocket;

/// The full name of its message.
pub const MESSAGE: &str = "envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig";

/// A DNS filter on one worker.
pub(crate) struct DnsFilter {
    config: Arc<DnsFilterConfig>,
    worker: Worker,
    stats: Arc<DnsFilterStats>,
    resolver: Option<Rc<Resolver>>,
    /// Questions that others are asked.
    pending: Arc<AtomicU64>,
    /// Where lists of addresses begin.
    begin: u64,
    this: Weak<DnsFilter>,
}

/// Who asks, and where to.
struct Client {
    socket: Rc<ListeningSocket>,
    peer: SocketAddr,
    local: SocketAddr,
    /// When the question came.
    begun: Instant,
}

impl DnsFilter {
    /// The worker's instance.
    pub(crate) fn new(config: Arc<DnsFilterConfig>, worker: Worker) -> Rc<Self> {
        let others = config.others.as_ref();
        let resolver =
            others.map(|others| Resolvers::new(&None, &others.stats).find(&others.resolver));
        Rc::new_cyclic(|this| DnsFilter {
            stats: config.scope.worker_group(),
            resolver,
            pending: Arc::default(),
            begin: worker.services.random_u64(),
            this: this.clone(),
            config,
            worker,
        })
    }

    /// Takes what a client has sent.
    pub(crate) fn received(&self, socket: &Rc<ListeningSocket>, received: &Received<'_>) {
        let Some(peer) = received.peer else {
            return;
        };
        let (bytes, segment_bytes) = received.joined();
        let local = socket.address(received.local);
        let client = || Client {
            socket: Rc::clone(socket),
            peer,
            local,
            begun: self.worker.services.now(),
        };
        if bytes.is_empty() {
            return self.asked(bytes, client());
        }
        for datagram in bytes.chunks(segment_bytes.max(1)) {
            self.asked(datagram, client());
        }
    }

    /// Reading from a client failed.
    pub(crate) fn receiving_failed(&self) {
        self.stats.downstream_rx_errors.inc();
    }

    fn asked(&self, datagram: &[u8], client: Client) {
        let stats = &self.stats;
        let bytes = u64::try_from(datagram.len()).unwrap_or(u64::MAX);
        stats.downstream_rx_bytes.record(bytes);
        stats.downstream_rx_queries.inc();
        let query = Query::read(datagram);
        if query.has_additional {
            stats.queries_with_additional_rrs.inc();
        }
        let answer = match &query.question {
            Err(invalid) => {
                match invalid {
                    Invalid::Underflow => stats.query_buffer_underflow.inc(),
                    Invalid::HasAnswers => stats.queries_with_ans_or_authority_rrs.inc(),
                    Invalid::Question => stats.query_parsing_failure.inc(),
                    Invalid::Questions => {}
                }
                stats.downstream_rx_invalid_queries.inc();
                Answer::default()
            }
            Ok(question) => {
                stats.queries(question.kind).inc();
                match self.find(question) {
                    Some(answer) => answer,
                    None if self.resolver.is_some() => return self.ask_others(query, client),
                    None => {
                        stats.unanswered_queries.inc();
                        Answer::default()
                    }
                }
            }
        };
        self.respond(&query, &answer, &client);
    }

    fn respond(&self, query: &Query, answer: &Answer<'_>, client: &Client) {
        // Whoever answers what is no query may be answered in turn, without end (CVE-2024-2169).
        if !query.may_be_answered || client.peer.port() == 0 {
            return;
        }
        let response = answer.write(query, self.resolver.is_some());
        if query.question.is_ok() {
            let took = self.worker.services.now() - client.begun;
            let latency = &self.stats.downstream_rx_query_latency;
            latency.record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        }
        self.stats.downstream_tx_responses.inc();
        let bytes = u64::try_from(response.len()).unwrap_or(u64::MAX);
        self.stats.downstream_tx_bytes.record(bytes);
        let whole = (response.as_slice(), response.len());
        let _it_may_not_go = client.socket.answer(whole, client.peer, client.local.ip());
    }

    fn draw(&self) -> u64 {
        self.worker.services.random_u64()
    }

    /// What is known here; none if that is nothing.
    fn find(&self, question: &Question) -> Option<Answer<'_>> {
        let is_known = self.config.table.knows(&question.name);
        if is_known {
            self.stats.known_domain_queries.inc();
        }
        if !is_known && self.resolver.is_some() {
            return None;
        }
        let mut answer = Answer::default();
        match question.kind {
            A | AAAA => {
                self.add_hosts(question, &mut answer);
                if answer.is_empty() {
                    self.add_addresses(question, &mut answer);
                }
            }
            SRV => {
                if let Some(Endpoint::Service(service)) = self.config.table.find(&question.name) {
                    self.add_service(service, &mut answer);
                }
            }
            _ => {}
        }
        // A name of the table needs no one else, even if it has no address of the version.
        let is_listed = || self.config.table.addresses(&question.name).is_some();
        let is_done = !answer.is_empty() || (matches!(question.kind, A | AAAA) && is_listed());
        if is_done && answer.is_empty() {
            self.stats.unanswered_queries.inc();
        }
        is_done.then_some(answer)
    }

    /// Looks at a cluster's hosts.
    fn hosts_of<R>(&self, cluster: &str, look: impl FnOnce(&[Rc<WorkerHost>]) -> R) -> R {
        let id = self.worker.manager.find(cluster);
        match id.and_then(|id| self.worker.clusters.get(id)) {
            Some(cluster) => cluster.look_at_members(look),
            None => look(&[]),
        }
    }

    fn add_hosts(&self, question: &Question, answer: &mut Answer<'_>) {
        let name = match self.config.table.find(&question.name) {
            Some(Endpoint::Cluster(name)) => name,
            _ => question.name.as_str(),
        };
        let (count, told) = self.hosts_of(name, |hosts| {
            let ips = at_ips(hosts).map(|address| address.ip());
            chosen(ips.filter(|ip| kind_of(*ip) == question.kind), self.draw())
        });
        self.stats.of_clusters(question.kind).add(count);
        answer.addresses = told;
        answer.ttl_s = self.config.table.ttl_s(name);
    }

    fn add_addresses(&self, question: &Question, answer: &mut Answer<'_>) {
        let all = self.config.table.addresses(&question.name);
        let all = all.unwrap_or_default();
        let count = u64::try_from(all.len()).unwrap_or(1).max(1);
        let first = usize::try_from(self.begin % count).unwrap_or(0);
        let turned = all.iter().cycle().skip(first).take(all.len()).copied();
        let of_kind = turned.filter(|ip| kind_of(*ip) == question.kind);
        let (count, told) = chosen(of_kind, self.draw());
        self.stats.of_table(question.kind).add(count);
        answer.addresses = told;
        answer.ttl_s = self.config.table.ttl_s(&question.name);
    }

    fn add_service<'a>(&'a self, service: &'a Service, answer: &mut Answer<'a>) {
        let record = |target: &'a Target, port, first: Option<IpAddr>| ServiceRecord {
            ttl_s: service.ttl_s,
            priority: target.priority,
            weight: target.weight,
            port,
            target: &target.name,
            address: first.map(|ip| (ip, self.config.table.ttl_s(&target.name))),
        };
        if let Some(target) = service.targets.first().filter(|target| target.is_cluster) {
            answer.services = self.hosts_of(&target.name, |hosts| {
                let mut first = None;
                for address in at_ips(hosts) {
                    first.get_or_insert(address.ip());
                    self.stats.of_clusters(kind_of(address.ip())).inc();
                }
                let (count, told) = chosen(at_ips(hosts), self.draw());
                self.stats.of_clusters(SRV).add(count);
                let port = |address: SocketAddr| match target.port {
                    0 => address.port(),
                    port => port,
                };
                let told = told.into_iter();
                told.map(|address| record(target, port(address), first))
                    .collect()
            });
            if !answer.is_empty() {
                return;
            }
        }
        let listed = service.targets.iter().filter_map(|target| {
            let addresses = self.config.table.addresses(&target.name)?;
            Some((target, addresses))
        });
        for ip in listed.clone().flat_map(|(_, addresses)| addresses) {
            self.stats.of_table(kind_of(*ip)).inc();
        }
        let (count, told) = chosen(listed, self.draw());
        self.stats.of_table(SRV).add(count);
        let told = told.into_iter();
        answer.services = told
            .map(|(target, addresses)| record(target, target.port, addresses.first().copied()))
            .collect();
    }

    /// Has others answer, where they can.
    fn ask_others(&self, query: Query, client: Client) {
        let (Some(others), Ok(question)) = (&self.config.others, &query.question) else {
            return;
        };
        let family = match question.kind {
            A => LookupFamily::V4Only,
            AAAA => LookupFamily::V6Only,
            _ => return self.answered(&query, Vec::new(), &client),
        };
        if self.pending.load(Ordering::Relaxed) > others.most_pending {
            return self.answered(&query, Vec::new(), &client);
        }
        let (Some(this), Some(resolver)) = (self.this.upgrade(), self.resolver.clone()) else {
            return;
        };
        let (timeout, tries) = (others.timeout, others.retries.saturating_add(1));
        let held = Arc::new(Pending::new(&self.pending));
        drop(tokio::task::spawn_local(async move {
            let name = match &query.question {
                Ok(question) if is_host_name(&question.name) => question.name.as_str(),
                _ => "",
            };
            let found = this
                .look_up(&resolver, (name, family), (timeout, tries), held)
                .await;
            this.answered(&query, found, &client);
        }));
    }

    async fn look_up(
        &self,
        resolver: &Resolver,
        (name, family): (&str, LookupFamily),
        (timeout, tries): (Duration, u32),
        held: Arc<Pending>,
    ) -> Vec<IpAddr> {
        if name.is_empty() {
            return Vec::new();
        }
        let ask = || resolver.resolve_holding(name, family, Arc::clone(&held));
        let mut asked = pin!(ask());
        for _ in 0..tries {
            tokio::select! {
                biased;
                found = asked.as_mut() => {
                    return found.map(|answer| answer.addresses).unwrap_or_default();
                }
                () = self.worker.services.sleep(timeout) => {}
            }
            // What cannot be stopped is waited for again, so that no question is ever asked twice at once.
            if !resolver.runs_on() {
                asked.set(ask());
            }
        }
        Vec::new()
    }

    /// Others have said what they know.
    fn answered(&self, query: &Query, found: Vec<IpAddr>, client: &Client) {
        let Ok(question) = &query.question else {
            return;
        };
        let stats = &self.stats;
        stats.externally_resolved_queries.inc();
        if found.is_empty() {
            stats.unanswered_queries.inc();
        }
        let (queries, records) = stats.of_others(question.kind);
        queries.inc();
        records.add(u64::try_from(found.len()).unwrap_or(u64::MAX));
        let of_kind = found.into_iter();
        let of_kind = of_kind.filter(|ip| kind_of(*ip) == question.kind);
        let answer = Answer {
            addresses: chosen(of_kind, self.draw()).1,
            ttl_s: self.config.table.ttl_s(&question.name),
            ..Answer::default()
        };
        self.respond(query, &answer, client);
    }
}

/// A question that others are asked. It counts as long as anything is done for it, by a thread that nobody waits for as
/// well.
struct Pending(Arc<AtomicU64>);

impl Pending {
    fn new(all: &Arc<AtomicU64>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Pending(Arc::clone(all))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The addresses of hosts that are at one of IP.
fn at_ips(hosts: &[Rc<WorkerHost>]) -> impl Iterator<Item = SocketAddr> + Clone {
    let hosts = hosts.iter().map(|host| host.host());
    let at_ip = hosts.filter(|host| host.not_ip.is_none());
    at_ip.map(|host| host.address)
}

/// Whether others may be asked for a name: of letters, digits and what Envoy's resolver lets pass besides.
fn is_host_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/*".contains(&byte);
    name.replace("\\.", ".").bytes().all(is_plain)
}
