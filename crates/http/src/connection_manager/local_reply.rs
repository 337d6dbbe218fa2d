//! `local_reply_config`: answers of our own get another status, body, format or more headers.
//!
//! The first mapper whose condition holds counts; its conditions see the status, flags and details of the answer,
//! and its headers are computed before its status takes effect. Then the mapper's format, or else the general one,
//! words the body. Limits: a body or format from a file has at most 1 MiB.
//! Follows Envoy's "local reply modification".

use std::borrow::Cow;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::access_log::CompiledFilter;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::headers::Known;
use nuncio_contract::services::WorkerServices;

use crate::body_format::{BodyFormat, JSON, TEXT};
use crate::config::local_reply as config;
use crate::stream::StreamState;

const BODY_LIMIT_BYTES: usize = 1 << 20;

/// How a connection manager words its own answers.
pub struct LocalReplies {
    mappers: Box<[Mapper]>,
    format: Option<BodyFormat>,
}

struct Mapper {
    filter: CompiledFilter,
    status: Option<u16>,
    body: Option<Box<[u8]>>,
    format: Option<BodyFormat>,
    headers: HeaderMutations,
}

/// A body as it has been worded.
pub(crate) struct Worded<'a> {
    /// The body; empty for none.
    pub(crate) body: Cow<'static, [u8]>,
    /// The type that a body of its wording has.
    pub(crate) content_type: &'a str,
    /// Whether that type takes the place of one that the head has already.
    pub(crate) sets_type: bool,
}

impl Worded<'_> {
    /// A body that nothing words.
    pub(crate) fn as_it_is(body: Cow<'static, [u8]>) -> Self {
        Worded {
            body,
            content_type: TEXT,
            sets_type: false,
        }
    }

    /// The body for a header, without the newline behind JSON.
    pub(crate) fn as_line(&self) -> &[u8] {
        let line = self.body.strip_suffix(b"\n");
        line.filter(|_| self.content_type == JSON)
            .unwrap_or(&self.body)
    }
}

impl LocalReplies {
    /// Compiles; what is wrong is reported at its place.
    pub fn compile(message: &config::LocalReplyConfig, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mappers: Vec<_> = message
            .mappers
            .iter()
            .map(|mapper| Mapper::compile(mapper, ctx))
            .collect();
        let format = BodyFormat::compile(message.body_format.as_ref(), ctx);
        Ok(LocalReplies {
            mappers: mappers.into_iter().collect::<Result<_, _>>()?,
            format: format?,
        })
    }

    /// Gives the answer whose head is in `state.response` its status and headers; what comes out is its body.
    pub(crate) fn rewrite(
        &self,
        state: &mut StreamState,
        body: Cow<'static, [u8]>,
        services: &dyn WorkerServices,
    ) -> Worded<'_> {
        let type_before = content_type(state).to_vec();
        let mapper = self.mappers.iter().find(|mapper| {
            let context = context(state, b"", services);
            mapper.filter.matches(&context)
        });
        if let Some(mapper) = mapper {
            mapper.apply(state, services);
        }
        let has_own_type = content_type(state) != type_before;
        let given: &[u8] = match mapper.and_then(|mapper| mapper.body.as_deref()) {
            Some(own) => own,
            None => &body,
        };
        let format = mapper.and_then(|mapper| mapper.format.as_ref());
        let format = format.or(self.format.as_ref());
        let mut text = Vec::new();
        match format {
            Some(format) => format
                .format
                .format(&context(state, given, services), &mut text),
            None => text.extend_from_slice(given),
        }
        Worded {
            sets_type: !has_own_type && text != *body,
            body: text.into(),
            content_type: format.map_or(TEXT, |format| &format.content_type),
        }
    }
}

fn content_type(state: &StreamState) -> &[u8] {
    state.response.get(Known::ContentType).unwrap_or_default()
}

impl Mapper {
    fn compile(mapper: &config::ResponseMapper, ctx: &mut Ctx) -> Result<Self, Refused> {
        let filter = CompiledFilter::compile(&mapper.filter, ctx);
        let body = mapper
            .body
            .as_ref()
            .map(|body| body.read(BODY_LIMIT_BYTES, ctx));
        let format = BodyFormat::compile(mapper.body_format_override.as_ref(), ctx);
        let headers = HeaderMutations::compile(&mapper.headers_to_add, &[], ctx);
        Ok(Mapper {
            filter: filter?,
            // The API's rules have it between 200 and 599.
            status: mapper.status_code.and_then(|status| status.try_into().ok()),
            body: body.transpose()?.map(Into::into),
            format: format?,
            headers: headers?,
        })
    }

    /// Sets headers and status.
    fn apply(&self, state: &mut StreamState, services: &dyn WorkerServices) {
        if !self.headers.is_empty() {
            let context = context(state, b"", services);
            let values = self.headers.evaluate(&state.response, &context);
            values.apply(&mut state.response);
        }
        if let Some(status) = self.status {
            state.response.set_integer(Known::Status, u64::from(status));
            state.info.response_code = Some(status);
        }
    }
}

fn context<'a>(
    state: &'a StreamState,
    body: &'a [u8],
    services: &'a dyn WorkerServices,
) -> FormatContext<'a> {
    let mut context = FormatContext::new(&state.info, services);
    context.request_headers = Some(&state.request);
    context.response_headers = Some(&state.response);
    context.response_trailers = Some(&state.response_trailers);
    context.local_reply_body = body;
    context
}
