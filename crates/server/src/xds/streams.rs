//! Streams to control planes, over the clusters of the process.

use std::rc::Rc;

use nuncio_contract::config_source::ServerSource;
use nuncio_contract::services::WorkerServices;

use super::plane::{Ended, Stream, Streams};
use crate::bootstrap::Surroundings;

/// Opens streams over clusters.
pub(super) fn over_clusters(
    _around: &Surroundings<'_>,
    _services: &Rc<dyn WorkerServices>,
) -> Rc<dyn Streams> {
    Rc::new(Nobody)
}

struct Nobody;

impl Streams for Nobody {
    fn open(&self, _server: &ServerSource, _path: &str) -> Result<Box<dyn Stream>, Ended> {
        Err(Ended {
            status: 14,
            message: "no healthy upstream".into(),
        })
    }
}
