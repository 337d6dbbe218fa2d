//! Calls that others get as well.

use std::rc::Rc;

use nuncio_codec::thrift::Head;
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::PickContext;

use super::Call;
use super::routing::{can_pass, read};
use crate::cluster_stats::ClusterStats;
use crate::exchange::{Asked, Failure, Payload, ask, spoken};
use crate::reply::Spoken;
use crate::routes::Choice;

impl Call<'_> {
    /// Sends the call to others as well, whose answers nobody waits for.
    pub(super) fn mirror(&self, choice: &Choice, head: &Head, speaks: Spoken, payload: &Payload) {
        let Some(route) = self.proxy.config.routes.route(choice) else {
            return;
        };
        let worker = &self.proxy.worker;
        for mirror in &route.mirrors {
            if !mirror.chooses(worker.services.random_u64()) {
                continue;
            }
            let Some(cluster) = worker.clusters.get(mirror.id) else {
                continue;
            };
            let client = speaks;
            let speaks = spoken(&cluster, client);
            let payload = match payload {
                Payload::Values(values) => Some(Payload::Values(values.clone())),
                Payload::Unread(bytes) if can_pass(client, speaks) => {
                    Some(Payload::Unread(bytes.clone()))
                }
                Payload::Unread(bytes) => read(client, bytes),
                Payload::Broken(_) => None,
            };
            let Some(payload) = payload else {
                continue;
            };
            let stats = ClusterStats::of(&cluster);
            stats.called(head.kind);
            let destination = cluster.shared().destination_of(&self.info);
            let wishes = PickContext {
                destination: destination.as_ref(),
                ..PickContext::default()
            };
            let Ok(host) = worker.clusters.choose_host(&cluster, &wishes) else {
                self.proxy.router.shadow_request_submit_failure.inc();
                continue;
            };
            let asked = Asked {
                cluster,
                host,
                speaks,
                head: head.clone(),
                payload,
                keeps_case: self.proxy.config.decoder.keeps_case,
                services: Rc::clone(&worker.services),
                progress: Rc::default(),
                is_mirror: true,
            };
            drop(spawn_seldom(async move {
                if let Err(Failure::Connection { kind, .. }) = ask(asked).await {
                    stats.failed(Some(kind));
                }
            }));
        }
    }
}
