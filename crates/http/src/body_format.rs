//! Formats of the bodies of answers of our own, and the types that they then have.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::formatter::{Format, FormatContext, SubstitutionFormatString};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::StreamInfo;

pub(crate) const TEXT: &str = "text/plain";
pub(crate) const JSON: &str = "application/json";

/// A format of a body and the type that the body then has.
pub struct BodyFormat {
    pub(crate) format: Format,
    pub(crate) content_type: Box<str>,
    /// Whether that type is not plain text for want of another.
    is_type_given: bool,
}

impl BodyFormat {
    /// Compiles; what is wrong is reported at its place.
    pub(crate) fn compile(
        message: Option<&SubstitutionFormatString>,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        let Some(message) = message else {
            return Ok(None);
        };
        let of_kind = if message.is_json() { JSON } else { TEXT };
        let content_type = match message.content_type.as_str() {
            "" => of_kind,
            own => own,
        };
        Ok(Some(BodyFormat {
            format: message.compile(ctx)?,
            content_type: content_type.into(),
            is_type_given: content_type != TEXT || !message.content_type.is_empty(),
        }))
    }

    /// A route's own answer in words, before anything is known of the response, and its type where one is given.
    pub(crate) fn word(
        &self,
        body: &[u8],
        (request, info): (&HeaderMap, &StreamInfo),
        services: &dyn WorkerServices,
    ) -> (Vec<u8>, Option<&str>) {
        let mut context = FormatContext::new(info, services);
        context.request_headers = Some(request);
        context.local_reply_body = body;
        let mut text = Vec::new();
        self.format.format(&context, &mut text);
        (text, self.is_type_given.then_some(&*self.content_type))
    }
}
