//! A stream's filters that another filter runs, one after another. As in Envoy, where one does not let go on, those
//! behind it do not see that part of the stream any more.

use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, HeadersStatus, HttpFilter, HttpFilterFactory, Interest, Late,
    TrailersStatus,
};
use nuncio_contract::stream_info::StreamInfo;

/// The filters.
pub(crate) struct Delegated {
    filters: Vec<One>,
    /// The filter that took bytes of the request.
    keeps_request: Option<usize>,
    /// The filter that took bytes of the response.
    keeps_response: Option<usize>,
    /// The filter that holds the head of the response.
    holds_response: Option<usize>,
    /// The filter that is to be called again, of all that the call passes first.
    called_again: Option<usize>,
    /// The same of the response.
    called_again_down: Option<usize>,
}

struct One {
    interest: Interest,
    filter: Box<dyn HttpFilter>,
}

impl Delegated {
    /// New filters, which `begin` has still to be told.
    pub(crate) fn create(factories: &[Box<dyn HttpFilterFactory>]) -> Self {
        let filters = factories.iter().map(|factory| One {
            interest: factory.interest(),
            filter: factory.create(),
        });
        Delegated {
            filters: filters.collect(),
            keeps_request: None,
            keeps_response: None,
            holds_response: None,
            called_again: None,
            called_again_down: None,
        }
    }

    fn at(&mut self, place: Option<usize>) -> Option<&mut dyn HttpFilter> {
        let one = self.filters.get_mut(place?)?;
        Some(&mut *one.filter)
    }
}

/// How many filters, from the first one on, a call on the way down passes: all, or those up to the one that is called
/// again.
fn again_at(place: &mut Option<usize>) -> usize {
    place.take().map_or(usize::MAX, |place| place + 1)
}

/// What any of the filters of these factories wants to see.
pub(crate) fn interest(factories: &[Box<dyn HttpFilterFactory>]) -> Interest {
    let all = factories.iter().map(|factory| factory.interest());
    all.fold(Interest::default(), |all, one| Interest {
        request_headers: all.request_headers | one.request_headers,
        request_body: all.request_body | one.request_body,
        response_headers: all.response_headers | one.response_headers,
        response_body: all.response_body | one.response_body,
        begin: all.begin | one.begin,
        log: all.log | one.log,
    })
}

impl HttpFilter for Delegated {
    fn begin(&mut self, info: &mut StreamInfo) {
        let wanting = self.filters.iter_mut().filter(|one| one.interest.begin);
        wanting.for_each(|one| one.filter.begin(info));
    }

    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let first = self.called_again.take().unwrap_or(0);
        for (place, one) in self.filters.iter_mut().enumerate().skip(first) {
            if one.interest.request_headers {
                match one.filter.decode_headers(context, end_stream) {
                    HeadersStatus::Continue => {}
                    other => {
                        match other {
                            HeadersStatus::Later => self.keeps_request = Some(place),
                            HeadersStatus::Again(_) => self.called_again = Some(place),
                            _ => {}
                        }
                        return other;
                    }
                }
            }
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let first = self.called_again.take().unwrap_or(0);
        for (place, one) in self.filters.iter_mut().enumerate().skip(first) {
            if one.interest.request_body {
                match one.filter.decode_data(context, data, end_stream) {
                    DataStatus::Continue => {}
                    other => {
                        match other {
                            DataStatus::Later => self.keeps_request = Some(place),
                            DataStatus::Again(_) => self.called_again = Some(place),
                            _ => {}
                        }
                        return other;
                    }
                }
            }
        }
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let first = self.called_again.take().unwrap_or(0);
        for (place, one) in self.filters.iter_mut().enumerate().skip(first) {
            if one.interest.request_body {
                match one.filter.decode_trailers(context, trailers) {
                    TrailersStatus::Continue => {}
                    other => {
                        if matches!(other, TrailersStatus::Again(_)) {
                            self.called_again = Some(place);
                        }
                        return other;
                    }
                }
            }
        }
        TrailersStatus::Continue
    }

    fn poll_decode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        match self.at(self.keeps_request) {
            Some(filter) => filter.poll_decode_late(context, cx),
            None => Poll::Pending,
        }
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let last = again_at(&mut self.called_again_down);
        let filters = self.filters.iter_mut().enumerate().take(last);
        for (place, one) in filters.rev() {
            if one.interest.response_headers {
                match one.filter.encode_headers(context, response, end_stream) {
                    HeadersStatus::Continue => {}
                    other => {
                        match other {
                            HeadersStatus::Again(_) => self.called_again_down = Some(place),
                            HeadersStatus::Later => {
                                self.holds_response = Some(place);
                                self.keeps_response = Some(place);
                            }
                            _ => self.holds_response = Some(place),
                        }
                        return other;
                    }
                }
            }
        }
        HeadersStatus::Continue
    }

    fn release_response(&mut self, response: &mut HeaderMap) {
        if let Some(filter) = self.at(self.holds_response) {
            filter.release_response(response);
        }
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let last = again_at(&mut self.called_again_down);
        let filters = self.filters.iter_mut().enumerate().take(last);
        for (place, one) in filters.rev() {
            if one.interest.response_body {
                match one.filter.encode_data(context, data, end_stream) {
                    DataStatus::Continue => {}
                    other => {
                        match other {
                            DataStatus::Later => self.keeps_response = Some(place),
                            DataStatus::Again(_) => self.called_again_down = Some(place),
                            _ => {}
                        }
                        return other;
                    }
                }
            }
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let last = again_at(&mut self.called_again_down);
        let filters = self.filters.iter_mut().enumerate().take(last);
        for (place, one) in filters.rev() {
            if one.interest.response_body {
                match one.filter.encode_trailers(context, trailers) {
                    TrailersStatus::Continue => {}
                    other => {
                        if matches!(other, TrailersStatus::Again(_)) {
                            self.called_again_down = Some(place);
                        }
                        return other;
                    }
                }
            }
        }
        TrailersStatus::Continue
    }

    fn poll_encode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        match self.at(self.keeps_response) {
            Some(filter) => filter.poll_encode_late(context, response, cx),
            None => Poll::Pending,
        }
    }

    fn on_log(&mut self, context: &FormatContext<'_>) {
        let wanting = self.filters.iter_mut().filter(|one| one.interest.log);
        wanting.for_each(|one| one.filter.on_log(context));
    }

    fn on_destroy(&mut self) {
        self.filters
            .iter_mut()
            .for_each(|one| one.filter.on_destroy());
    }
}
