//! Where a call goes: its cluster, and one of its hosts.

use std::rc::Rc;

use nuncio_codec::thrift::{AppException, ExceptionKind, Head, MessageKind, Transport, values_of};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::{PickContext, WorkerCluster};

use super::Call;
use crate::cluster_stats::ClusterStats;
use crate::exchange::{Answer, Asked, Failure, Payload, ask, spoken, strict};
use crate::reply::Spoken;
use crate::routes::Choice;

impl Call<'_> {
    pub(super) fn cluster(&self, choice: &Choice) -> Option<Rc<WorkerCluster>> {
        let worker = &self.proxy.worker;
        let id = choice.id.or_else(|| worker.manager.find(&choice.cluster))?;
        worker.clusters.get(id)
    }

    /// Finds the host, and sends the call there.
    pub(super) fn forward(
        &mut self,
        payload: Payload,
    ) -> LocalFuture<Result<Option<Answer>, Failure>> {
        match self.find_host(payload) {
            Ok(asked) => Box::pin(ask(asked)),
            Err(exception) => Box::pin(std::future::ready(Err(Failure::Nowhere(exception)))),
        }
    }

    fn find_host(&mut self, payload: Payload) -> Result<Asked, AppException> {
        let stats = &self.proxy.router;
        let internal = |text: String| AppException::new(ExceptionKind::InternalError, text);
        let Some(told) = &self.told else {
            return Err(internal(String::new()));
        };
        let method = String::from_utf8_lossy(&told.head.method).into_owned();
        let Some(choice) = &told.choice else {
            stats.route_missing.inc();
            let text = format!("no route for method '{method}'");
            return Err(AppException::new(ExceptionKind::UnknownMethod, text));
        };
        let name = choice.cluster.clone();
        let Some(cluster) = self.cluster(choice) else {
            stats.unknown_cluster.inc();
            return Err(internal(format!("unknown cluster '{name}'")));
        };
        let cluster_stats = ClusterStats::of(&cluster);
        cluster_stats.called(told.head.kind);
        let services = &self.proxy.worker.services;
        let failed = || match told.head.kind {
            MessageKind::Oneway => {}
            _ => cluster_stats.failed(None),
        };
        if cluster.turns_away(|| services.random_u64()) {
            stats.upstream_rq_maintenance_mode.inc();
            failed();
            return Err(internal(format!("maintenance mode for cluster '{name}'")));
        }
        let metadata = self.wanted_metadata(choice);
        let destination = cluster.shared().destination_of(&self.info);
        let wishes = PickContext {
            metadata_match: metadata.as_ref(),
            destination: destination.as_ref(),
            ..PickContext::default()
        };
        let clusters = &self.proxy.worker.clusters;
        let host = clusters.choose_host(&cluster, &wishes);
        let Ok(host) = host else {
            stats.no_healthy_upstream.inc();
            failed();
            return Err(internal(format!("no healthy upstream for '{name}'")));
        };
        let speaks = spoken(&cluster, told.speaks);
        let head = self.stripped(choice, &told.head);
        self.mirror(choice, &head, told.speaks, &payload);
        // The cluster may be another by now than when the payload was taken.
        let payload = match &payload {
            Payload::Unread(bytes) if !can_pass(told.speaks, speaks) => read(told.speaks, bytes)
                .ok_or_else(|| internal(format!("no payload for cluster '{name}'")))?,
            _ => payload,
        };
        let asked = Asked {
            cluster,
            host,
            speaks,
            head: head.clone(),
            payload,
            keeps_case: self.proxy.config.decoder.keeps_case,
            services: Rc::clone(services),
            progress: Rc::clone(&self.progress),
            is_mirror: false,
        };
        if let Some(told) = &mut self.told {
            told.is_passable = !self.was_asked_about && can_pass(told.speaks, speaks);
            told.head = head;
        }
        Ok(asked)
    }

    /// What the host has to have: what the route says, and what filters say, which wins.
    fn wanted_metadata(&self, choice: &Choice) -> Option<Struct> {
        let own = self.proxy.config.routes.metadata(choice);
        let left = self.info.dynamic_metadata();
        let Some(left) = left.and_then(|metadata| metadata.namespace("envoy.lb")) else {
            return own.cloned();
        };
        let mut merged = own.cloned().unwrap_or_default();
        for (name, value) in left.fields() {
            merged.insert(name, value.clone());
        }
        Some(merged)
    }

    /// The head without its service, where the route wants that.
    fn stripped(&self, choice: &Choice, head: &Head) -> Head {
        let route = self.proxy.config.routes.route(choice);
        let mut head = head.clone();
        if route.is_some_and(|route| route.strips_service)
            && let Some(colon) = head.method.iter().position(|byte| *byte == b':')
        {
            head.method.drain(..=colon);
        }
        head
    }
}

/// Whether what this client says can go to this host as it is.
pub(super) fn can_pass(client: Spoken, host: Spoken) -> bool {
    can_be_unread(client) && can_be_unread(host) && host.1 == strict(client.1)
}

/// Whether messages tell how long they are.
pub(super) fn can_be_unread((transport, _): Spoken) -> bool {
    matches!(transport, Transport::Framed | Transport::Header)
}

/// A payload that was not looked at, as values; none if it holds none.
pub(super) fn read((_, protocol): Spoken, bytes: &[u8]) -> Option<Payload> {
    values_of(protocol, bytes).map(Payload::Values)
}
