//! Streams to control planes, over the clusters of the process.

use std::rc::Rc;

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::{GrpcEnd, GrpcEvent, GrpcStream, GrpcTarget};
use nuncio_contract::services::WorkerServices;

use super::plane::{Ended, Next, Stream, Streams};

/// Streams as the thread's calls make them; none where it can make none.
pub(super) fn over_clusters(services: &Rc<dyn WorkerServices>) -> Rc<dyn Streams> {
    Rc::new(OverClusters(Rc::clone(services)))
}

struct OverClusters(Rc<dyn WorkerServices>);

impl Streams for OverClusters {
    fn open(&self, target: &GrpcTarget, path: &str, scope: &str) -> Result<Box<dyn Stream>, Ended> {
        let calls: Calls = self.0.calls().ok_or_else(|| Ended {
            status: nuncio_contract::grpc::status::UNAVAILABLE,
            message: "Cluster not available".into(),
        })?;
        let stream = target.counting_in(scope).stream(&*calls, path, None);
        stream
            .map(|stream| Box::new(OverCluster(stream)) as Box<dyn Stream>)
            .map_err(|end| ended(&end))
    }
}

struct OverCluster(GrpcStream);

impl Stream for OverCluster {
    fn send(&mut self, message: &[u8]) {
        self.0.send(message);
    }

    fn unsent_bytes(&self) -> usize {
        self.0.unsent_bytes()
    }

    fn next(&mut self) -> Next<'_> {
        Box::pin(async move {
            loop {
                match self.0.next().await {
                    GrpcEvent::Head(_) => {}
                    GrpcEvent::Message(message) => return Ok(message),
                    GrpcEvent::End(end) => return Err(ended(&end)),
                }
            }
        })
    }
}

fn ended(end: &GrpcEnd) -> Ended {
    Ended {
        status: end.status,
        message: end.message.clone(),
    }
}
