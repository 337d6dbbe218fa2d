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
//! protobuf's binary format is not read. `access_log` is refused as not supported yet. See Envoy's "DNS Filter".

mod answer;
pub mod config;
mod message;
pub(crate) mod stats;
mod table;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use nuncio_net::datagrams::Received;
use nuncio_net::dns::{LookupFamily, Resolver, Resolvers};

use answer::{AddressRecord, Answer, ServiceRecord, kind_of};
use config::DnsFilterConfig;
use message::{A, AAAA, Invalid, Query, Question, SRV};
use stats::DnsFilterStats;
use table::{Endpoint, Service};

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
    pending: Cell<u64>,
    /// Where lists of addresses begin.
    begin: u64,
    this: Weak<DnsFilter>,
}

/// Who asks, and where to.
struct Client {
    socket: Rc<ListeningSocket>,
    peer: SocketAddr,
    local: SocketAddr,
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
            pending: Cell::new(0),
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

    fn respond(&self, query: &Query, answer: &Answer, client: &Client) {
        let drawn = self.worker.services.random_u64();
        let response = answer.write(query, self.resolver.is_some(), drawn);
        self.stats.downstream_tx_responses.inc();
        let bytes = u64::try_from(response.len()).unwrap_or(u64::MAX);
        self.stats.downstream_tx_bytes.record(bytes);
        let whole = (response.as_slice(), response.len());
        let _it_may_not_go = client.socket.answer(whole, client.peer, client.local.ip());
    }

    /// What is known here; none if that is nothing.
    fn find(&self, question: &Question) -> Option<Answer> {
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
                    self.add_service(service, question, &mut answer);
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

    /// The addresses of a cluster's hosts.
    fn hosts_of(&self, cluster: &str) -> Vec<SocketAddr> {
        let id = self.worker.manager.find(cluster);
        let cluster = id.and_then(|id| self.worker.clusters.get(id));
        let members = cluster.map(|cluster| cluster.members()).unwrap_or_default();
        let members = members.iter().map(|host| host.host());
        let at_ip = members.filter(|host| host.not_ip.is_none());
        at_ip.map(|host| host.address).collect()
    }

    fn add_hosts(&self, question: &Question, answer: &mut Answer) {
        let name = match self.config.table.find(&question.name) {
            Some(Endpoint::Cluster(name)) => name,
            _ => question.name.as_str(),
        };
        let ttl_s = self.config.table.ttl_s(name);
        for host in self.hosts_of(name) {
            if kind_of(host.ip()) == question.kind {
                self.stats.of_clusters(question.kind).inc();
                answer.addresses.push(AddressRecord {
                    name: question.name.clone(),
                    ttl_s,
                    ip: host.ip(),
                });
            }
        }
    }

    fn add_addresses(&self, question: &Question, answer: &mut Answer) {
        let all = self.config.table.addresses(&question.name);
        let all = all.unwrap_or_default();
        let ttl_s = self.config.table.ttl_s(&question.name);
        let count = u64::try_from(all.len()).unwrap_or(1).max(1);
        let first = usize::try_from(self.begin % count).unwrap_or(0);
        let turned = all.iter().cycle().skip(first).take(all.len());
        for ip in turned.filter(|ip| kind_of(**ip) == question.kind) {
            self.stats.of_table(question.kind).inc();
            answer.addresses.push(AddressRecord {
                name: question.name.clone(),
                ttl_s,
                ip: *ip,
            });
        }
    }

    fn add_service(&self, service: &Service, question: &Question, answer: &mut Answer) {
        let record = |target: &str, place: usize, port: u16| {
            let of = service.targets.get(place);
            ServiceRecord {
                name: question.name.clone(),
                ttl_s: service.ttl_s,
                priority: of.map_or(0, |target| target.priority),
                weight: of.map_or(0, |target| target.weight),
                port,
                target: target.to_owned(),
            }
        };
        if let Some(target) = service.targets.first().filter(|target| target.is_cluster) {
            let ttl_s = self.config.table.ttl_s(&target.name);
            for host in self.hosts_of(&target.name) {
                let port = match target.port {
                    0 => host.port(),
                    port => port,
                };
                answer.services.push(record(&target.name, 0, port));
                answer.additional.push(AddressRecord {
                    name: target.name.to_string(),
                    ttl_s,
                    ip: host.ip(),
                });
                self.stats.of_clusters(SRV).inc();
                self.stats.of_clusters(kind_of(host.ip())).inc();
            }
            if !answer.is_empty() {
                return;
            }
        }
        for (place, target) in service.targets.iter().enumerate() {
            let Some(addresses) = self.config.table.addresses(&target.name) else {
                continue;
            };
            self.stats.of_table(SRV).inc();
            answer
                .services
                .push(record(&target.name, place, target.port));
            let ttl_s = self.config.table.ttl_s(&target.name);
            for ip in addresses {
                self.stats.of_table(kind_of(*ip)).inc();
                answer.additional.push(AddressRecord {
                    name: target.name.to_string(),
                    ttl_s,
                    ip: *ip,
                });
            }
        }
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
        if self.pending.get() > others.most_pending {
            return self.answered(&query, Vec::new(), &client);
        }
        let (Some(this), Some(resolver)) = (self.this.upgrade(), self.resolver.clone()) else {
            return;
        };
        let (timeout, tries) = (others.timeout, others.retries.saturating_add(1));
        self.pending.set(self.pending.get() + 1);
        drop(tokio::task::spawn_local(async move {
            let name = match &query.question {
                Ok(question) if is_host_name(&question.name) => question.name.as_str(),
                _ => "",
            };
            let found = this
                .look_up(&resolver, (name, family), timeout, tries)
                .await;
            this.pending.set(this.pending.get().saturating_sub(1));
            this.answered(&query, found, &client);
        }));
    }

    async fn look_up(
        &self,
        resolver: &Resolver,
        (name, family): (&str, LookupFamily),
        timeout: Duration,
        tries: u32,
    ) -> Vec<std::net::IpAddr> {
        if name.is_empty() {
            return Vec::new();
        }
        for _ in 0..tries {
            tokio::select! {
                biased;
                found = resolver.resolve(name, family) => {
                    return found.map(|answer| answer.addresses).unwrap_or_default();
                }
                () = self.worker.services.sleep(timeout) => {}
            }
        }
        Vec::new()
    }

    /// Others have said what they know.
    fn answered(&self, query: &Query, found: Vec<std::net::IpAddr>, client: &Client) {
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
        let mut answer = Answer::default();
        let ttl_s = self.config.table.ttl_s(&question.name);
        for ip in found {
            records.inc();
            if kind_of(ip) == question.kind {
                answer.addresses.push(AddressRecord {
                    name: question.name.clone(),
                    ttl_s,
                    ip,
                });
            }
        }
        self.respond(query, &answer, client);
    }
}

/// Whether others may be asked for a name: of letters, digits and what Envoy's resolver lets pass besides.
fn is_host_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/*".contains(&byte);
    name.replace("\\.", ".").bytes().all(is_plain)
}
