//! Requests that the process answers itself.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{Known, MapKind};
use nuncio_contract::local_reply::LocalReply;

use crate::downstream::Downstream;
use crate::exchange::{Exchange, Stop};

/// Body bytes that a service takes.
const SERVICE_BODY_LIMIT_BYTES: usize = 1 << 20;

impl<D: Downstream> Exchange<'_, D> {
    /// Reads the whole request and lets the service answer it.
    pub(super) async fn serve(&self) -> Result<(), Stop> {
        while !self.body.borrow().done {
            self.read_request().await?;
            if self.body.borrow().data.len() > SERVICE_BODY_LIMIT_BYTES {
                return Err(Stop::Reply(Box::new(LocalReply::too_much())));
            }
        }
        let Some(service) = &self.manager.service else {
            return Err(Stop::ResponseBroken);
        };
        let body = std::mem::take(&mut self.body.borrow_mut().data);
        let answer = service.call(&self.state.borrow().request, body);
        let mut answer = answer.await;
        let first = answer.body.next().unwrap_or_default();
        {
            let mut state = self.state.borrow_mut();
            state.response.reset(MapKind::Response);
            state
                .response
                .set_integer(Known::Status, u64::from(answer.status));
            if let Some(details) = answer.details {
                state.info.response_code_details = Some(details.into());
            }
            for (name, value) in &answer.headers {
                state.response.append(name, value);
            }
            if answer.is_single_piece {
                state.response.set_integer(
                    Known::ContentLength,
                    u64::try_from(first.len()).unwrap_or(u64::MAX),
                );
            }
        }
        self.send_head(first.is_empty() && answer.is_single_piece)
            .await?;
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            piece = answer.body.next();
            let mut chunk = Buffer::default();
            chunk.extend(&bytes);
            self.send_data(chunk, piece.is_none()).await?;
            if self.is_response_late() {
                Box::pin(self.send_all_late()).await?;
            }
            self.down.flush().await?;
            // A long answer must not hold up the others of this thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
