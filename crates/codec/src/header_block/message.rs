//! One header block on its way into a map: the rules of RFC 9113 section 8 and RFC 9114 section 4, as Envoy 1.40 applies
//! them, and the limits on size and number, which hold while the block is still being decoded.
//!
//! Cookie crumbs are counted one by one and joined (section 8.2.3), at the end of the map, by HTTP/3 in place of the first. A `host` beside `:authority`
//! is checked, counted and dropped. White space around a value is cut off, as in HTTP/1, where Envoy passes it on raw.

use nuncio_contract::headers::{HeaderMap, Known, MapKind};

use super::field::Field;
use super::rules::{BlockRules, Dialect};
use super::{BlockSize, Violation};
use crate::http1::UnderscoresAction;

/// No `content-length`.
pub(crate) const UNKNOWN_LENGTH: u64 = u64::MAX;

/// What a header block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Request,
    Response,
    RequestTrailers,
    ResponseTrailers,
    /// It belongs to nothing that is open; decoded to keep the tables in step.
    Discarded,
}

impl Block {
    pub(crate) fn map_kind(self) -> MapKind {
        match self {
            Self::Request | Self::Discarded => MapKind::Request,
            Self::Response => MapKind::Response,
            Self::RequestTrailers => MapKind::RequestTrailers,
            Self::ResponseTrailers => MapKind::ResponseTrailers,
        }
    }

    pub(crate) fn is_trailers(self) -> bool {
        matches!(self, Self::RequestTrailers | Self::ResponseTrailers)
    }
}

/// Why a block is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed(Violation),
    TooManyBytes,
    TooManyHeaders,
    Underscore,
}

/// What was seen of the message so far.
mod seen {
    pub(super) const METHOD: u16 = 1 << 0;
    pub(super) const SCHEME: u16 = 1 << 1;
    pub(super) const PATH: u16 = 1 << 2;
    pub(super) const AUTHORITY: u16 = 1 << 3;
    pub(super) const PROTOCOL: u16 = 1 << 4;
    pub(super) const STATUS: u16 = 1 << 5;
    pub(super) const HOST: u16 = 1 << 6;
    pub(super) const REGULAR: u16 = 1 << 7;
    pub(super) const CONNECT: u16 = 1 << 8;
    pub(super) const OPTIONS: u16 = 1 << 10;
    pub(super) const HTTP_SCHEME: u16 = 1 << 11;
    pub(super) const PATH_FROM_ROOT: u16 = 1 << 12;
    pub(super) const PATH_ASTERISK: u16 = 1 << 13;
}

/// The state of one block.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) block: Block,
    pub(crate) end_stream: bool,
    pub(crate) size: BlockSize,
    /// The first thing that is wrong; what comes after it is decoded and dropped.
    pub(crate) fault: Option<Fault>,
    pub(crate) dropped_underscores: u32,
    /// The final or informational status of a response.
    pub(crate) status: u16,
    /// What `content-length` says.
    pub(crate) content_length: u64,
    /// Whether the response answers CONNECT.
    pub(crate) answers_connect: bool,
    /// Whether the response answers HEAD.
    pub(crate) answers_head: bool,
    seen: u16,
    cookies: Vec<u8>,
}

impl Message {
    pub(crate) fn new(block: Block, end_stream: bool) -> Self {
        Self {
            block,
            end_stream,
            size: BlockSize::default(),
            fault: None,
            dropped_underscores: 0,
            status: 0,
            content_length: UNKNOWN_LENGTH,
            answers_connect: false,
            answers_head: false,
            seen: 0,
            cookies: Vec::new(),
        }
    }

    #[inline]
    fn has(&self, mark: u16) -> bool {
        self.seen & mark != 0
    }

    /// Whether the request is CONNECT without `:protocol`.
    pub(crate) fn is_connect(&self) -> bool {
        self.has(seen::CONNECT) && !self.has(seen::PROTOCOL)
    }

    /// Whether the status says that another head follows.
    pub(crate) fn is_informational(&self) -> bool {
        (100..200).contains(&self.status)
    }

    /// How long the head says that the body is.
    pub(crate) fn expected_length(&self) -> u64 {
        let has_no_body = self.block == Block::Response
            && (self.answers_head || matches!(self.status, 204 | 304));
        if has_no_body {
            return 0;
        }
        match self.is_connect() || (self.answers_connect && self.status / 100 == 2) {
            true => UNKNOWN_LENGTH,
            false => self.content_length,
        }
    }

    /// Takes one header.
    #[inline]
    pub(crate) fn field(&mut self, rules: &BlockRules, field: Field<'_>, headers: &mut HeaderMap) {
        if self.fault.is_some() || self.block == Block::Discarded {
            return;
        }
        self.size.count += 1;
        self.size.decoded += field.name.len() + field.value.len();
        if let Err(fault) = self.take(rules, field, headers) {
            self.fail(fault, field);
        }
    }

    /// What is behind a fault counts no more, nor does the header itself that breaks HTTP's rules.
    #[cold]
    fn fail(&mut self, fault: Fault, field: Field<'_>) {
        if matches!(fault, Fault::Malformed(_)) {
            self.size.decoded -= field.name.len() + field.value.len();
        }
        self.fault = Some(fault);
    }

    #[inline]
    fn take(
        &mut self,
        rules: &BlockRules,
        field: Field<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), Fault> {
        if !field.valid {
            return Err(Fault::Malformed(Violation::Header(
                "a header name or value has characters that are not allowed",
            )));
        }
        let is_kept = match field.known {
            Some(Known::Cookie) if rules.dialect == Dialect::Http3 => {
                self.seen |= seen::REGULAR;
                // They stand where the first one does.
                headers.append_joined(Known::Cookie, trimmed(field.value));
                false
            }
            Some(known) => self.known(rules, known, field.value, headers)?,
            None if field.name.first() == Some(&b':') => {
                return Err(Fault::Malformed(Violation::Header("unknown pseudo-header")));
            }
            None => {
                self.seen |= seen::REGULAR;
                self.check_underscores(rules, field.name)?
            }
        };
        if self.size.decoded > rules.max_headers_bytes {
            return Err(Fault::TooManyBytes);
        }
        if self.size.count > rules.max_headers_count {
            return Err(Fault::TooManyHeaders);
        }
        if is_kept {
            headers.append_found(field.known, field.name, trimmed(field.value));
        }
        Ok(())
    }

    /// Whether a header of an unknown name is kept.
    #[inline]
    fn check_underscores(&mut self, rules: &BlockRules, name: &[u8]) -> Result<bool, Fault> {
        let is_request = matches!(self.block, Block::Request | Block::RequestTrailers);
        match rules.headers_with_underscores {
            UnderscoresAction::Allow => Ok(true),
            _ if !is_request || !name.contains(&b'_') => Ok(true),
            UnderscoresAction::RejectRequest => Err(Fault::Underscore),
            UnderscoresAction::DropHeader => {
                self.dropped_underscores += 1;
                Ok(false)
            }
        }
    }

    /// Looks at a header of a known name; whether it goes into the map now.
    #[inline]
    fn known(
        &mut self,
        rules: &BlockRules,
        known: Known,
        value: &[u8],
        headers: &HeaderMap,
    ) -> Result<bool, Fault> {
        if known.is_pseudo() {
            return self.pseudo(rules, known, value).map(|()| true);
        }
        self.seen |= seen::REGULAR;
        match known {
            Known::Cookie => {
                self.crumb(value);
                Ok(false)
            }
            Known::ContentLength => self.length(value),
            Known::Host if rules.dialect == Dialect::Http3 => self.host_in_http3(value, headers),
            Known::Host if self.block == Block::Request => {
                self.once(seen::HOST, value)?;
                Ok(!self.has(seen::AUTHORITY))
            }
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade => Err(Fault::Malformed(Violation::Header(
                "a header of the connection alone",
            ))),
            Known::Te if !value.eq_ignore_ascii_case(b"trailers") => Err(Fault::Malformed(
                Violation::Header("TE other than trailers"),
            )),
            _ => Ok(true),
        }
    }

    /// By HTTP/3, Envoy takes no `host` in place of `:authority`, and beside it only the same; that one is dropped, where
    /// Envoy joins the two.
    fn host_in_http3(&self, value: &[u8], headers: &HeaderMap) -> Result<bool, Fault> {
        let what = "`host` in place of `:authority`";
        match self.block {
            Block::Request if headers.get(Known::Authority) == Some(value) => Ok(false),
            Block::Request => Err(Fault::Malformed(Violation::Message(what))),
            Block::RequestTrailers => Err(Fault::Malformed(Violation::Target(what))),
            _ => Ok(true),
        }
    }

    fn pseudo(&mut self, rules: &BlockRules, known: Known, value: &[u8]) -> Result<(), Fault> {
        if self.block.is_trailers() {
            return Err(Fault::Malformed(Violation::Header(
                "pseudo-header in trailers",
            )));
        }
        if self.has(seen::REGULAR) {
            return Err(Fault::Malformed(Violation::Order(
                "pseudo-header behind other headers",
            )));
        }
        if (known == Known::Status) != (self.block == Block::Response) {
            return Err(Fault::Malformed(Violation::Header(
                "pseudo-header of the other direction",
            )));
        }
        match known {
            Known::Method => {
                self.once(seen::METHOD, value)?;
                self.seen |= match value {
                    b"CONNECT" => seen::CONNECT,
                    b"OPTIONS" => seen::OPTIONS,
                    _ => 0,
                };
                Ok(())
            }
            Known::Scheme => {
                let is_http = [&b"http"[..], b"https"]
                    .iter()
                    .any(|scheme| value.eq_ignore_ascii_case(scheme));
                self.seen |= if is_http { seen::HTTP_SCHEME } else { 0 };
                self.once(seen::SCHEME, value)
            }
            Known::Path => {
                self.seen |= match value {
                    [b'/', ..] => seen::PATH_FROM_ROOT,
                    b"*" => seen::PATH_ASTERISK,
                    _ => 0,
                };
                self.once(seen::PATH, value)
            }
            Known::Authority => self.once(seen::AUTHORITY, value),
            Known::Protocol if !rules.allow_connect => Err(Fault::Malformed(Violation::Header(
                "extended CONNECT is not allowed",
            ))),
            Known::Protocol => self.once(seen::PROTOCOL, value),
            _ => self.status(value),
        }
    }

    fn once(&mut self, mark: u16, value: &[u8]) -> Result<(), Fault> {
        if self.has(mark) {
            let what = "a header that may come once only comes twice";
            return Err(Fault::Malformed(match mark {
                seen::PATH => Violation::Order(what),
                _ => Violation::Repetition(what),
            }));
        }
        if value.is_empty() {
            return Err(Fault::Malformed(Violation::Header(
                "a header that must have a value has none",
            )));
        }
        self.seen |= mark;
        Ok(())
    }

    fn status(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.once(seen::STATUS, value)?;
        let status = match value {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                let digit = |byte: &u8| u16::from(byte - b'0');
                digit(a) * 100 + digit(b) * 10 + digit(c)
            }
            _ => {
                return Err(Fault::Malformed(Violation::Header(
                    "the status is no number of three digits",
                )));
            }
        };
        if status == 101 {
            return Err(Fault::Malformed(Violation::Header("status 101")));
        }
        self.status = status;
        Ok(())
    }

    /// Looks at `content-length`; whether it is kept.
    fn length(&mut self, value: &[u8]) -> Result<bool, Fault> {
        let is_meaningless = self.block == Block::Response
            && (self.is_informational()
                || (self.answers_connect && (200..300).contains(&self.status)));
        if is_meaningless {
            return Ok(false);
        }
        if self.content_length != UNKNOWN_LENGTH {
            return Err(Fault::Malformed(Violation::Header(
                "content-length comes twice",
            )));
        }
        let digits = value.iter().try_fold(0u64, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        });
        match digits.filter(|number| !value.is_empty() && *number < UNKNOWN_LENGTH) {
            Some(length) if self.status == 204 && length > 0 => Err(Fault::Malformed(
                Violation::Header("content-length in a response without content"),
            )),
            Some(length) => {
                self.content_length = length;
                Ok(self.status != 204)
            }
            None => Err(Fault::Malformed(Violation::Header(
                "content-length is no number",
            ))),
        }
    }

    fn crumb(&mut self, value: &[u8]) {
        if !self.cookies.is_empty() {
            self.cookies.extend_from_slice(b"; ");
        }
        self.cookies.extend_from_slice(trimmed(value));
    }

    /// The block is complete: whether the message has all that it must have.
    pub(crate) fn finish(
        &mut self,
        rules: &BlockRules,
        headers: &mut HeaderMap,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !self.cookies.is_empty() {
            headers.append(Known::Cookie, &self.cookies);
        }
        match self.block {
            Block::Request => self.finish_request(rules),
            Block::Response => self.finish_response(),
            _ if self.block.is_trailers() && !self.end_stream => Err(Fault::Malformed(
                Violation::Message("trailers that do not end the message"),
            )),
            _ => Ok(()),
        }
    }

    fn finish_request(&self, rules: &BlockRules) -> Result<(), Fault> {
        const NEEDED: u16 = seen::METHOD | seen::SCHEME | seen::PATH;
        if self.is_connect() {
            let is_right = !self.has(seen::SCHEME | seen::PATH) && self.has(seen::AUTHORITY);
            return match is_right {
                true => Ok(()),
                false if !self.has(seen::SCHEME | seen::PATH) => Err(Fault::Malformed(
                    Violation::Target("CONNECT without an authority"),
                )),
                false => Err(Fault::Malformed(Violation::Message(
                    "CONNECT with a scheme or a path",
                ))),
            };
        }
        if self.seen & NEEDED != NEEDED || !self.has(seen::AUTHORITY | seen::HOST) {
            return Err(Fault::Malformed(Violation::Message(
                "a pseudo-header is missing",
            )));
        }
        if self.has(seen::PROTOCOL) && !(self.has(seen::CONNECT) && self.has(seen::AUTHORITY)) {
            return Err(Fault::Malformed(Violation::Message(
                "`:protocol` without CONNECT",
            )));
        }
        let is_path = self.has(seen::PATH_FROM_ROOT)
            || (self.has(seen::OPTIONS) && self.has(seen::PATH_ASTERISK));
        let must_be_path = rules.dialect == Dialect::Http3 || self.has(seen::HTTP_SCHEME);
        if must_be_path && !is_path {
            return Err(Fault::Malformed(Violation::Target(
                "the path does not begin with a slash",
            )));
        }
        Ok(())
    }

    fn finish_response(&self) -> Result<(), Fault> {
        if !self.has(seen::STATUS) {
            return Err(Fault::Malformed(Violation::Message(
                "a response without a status",
            )));
        }
        if self.is_informational() && self.end_stream {
            return Err(Fault::Malformed(Violation::Message(
                "an informational response ends the stream",
            )));
        }
        Ok(())
    }
}

/// Without spaces and tabs around it.
#[inline]
fn trimmed(value: &[u8]) -> &[u8] {
    match value {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => trim(value),
        _ => value,
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
