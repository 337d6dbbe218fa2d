//! The messages of the basic auth filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::headers::{HeaderName, Known, is_valid_value};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

use super::users::Users;

const LARGEST_FILE_BYTES: usize = 8 << 20;

message! {
    /// The filter's config.
    pub(super) struct BasicAuth: "envoy.extensions.filters.http.basic_auth.v3.BasicAuth" {
        users: Option<DataSource>,
        forward_username_header: Spanned<String>,
        authentication_header: Spanned<String>,
        allow_missing: bool,
        emit_dynamic_metadata: bool,
        realm: Spanned<String>,
    }
}

message! {
    /// A route's.
    pub(super) struct BasicAuthPerRoute: "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute" {
        users: DataSource,
        realm: Spanned<String>,
    }
}

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) users: Users,
    /// Where the user's name goes.
    pub(super) forward_to: Option<HeaderName>,
    /// Where name and password come from.
    pub(super) header: HeaderName,
    pub(super) allows_missing: bool,
    pub(super) emits_metadata: bool,
    /// What clients are told to show their names for; none: what they asked for.
    pub(super) realm: Option<Box<[u8]>>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// A level's users.
pub(super) struct LevelUsers {
    pub(super) users: Users,
    /// What the chain says counts where there is none.
    pub(super) realm: Option<Box<[u8]>>,
}

impl LevelConfig for LevelUsers {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: BasicAuth = any.decode(ctx)?;
    let users = match &message.users {
        Some(users) => read(users, false, ctx),
        None => {
            ctx.error(message.span(), "Unexpected DataSource::specifier_case(): 0");
            Err(Refused)
        }
    };
    let forward_to = header(&message.forward_username_header, ctx);
    let source = header(&message.authentication_header, ctx);
    let realm = realm(&message.realm, ctx);
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        users: users?,
        forward_to: forward_to?,
        header: source?.unwrap_or(HeaderName::from(Known::Authorization)),
        allows_missing: message.allow_missing,
        emits_metadata: message.emit_dynamic_metadata,
        realm: realm?,
    }))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: BasicAuthPerRoute = any.decode(ctx)?;
    let users = read(&message.users, true, ctx);
    let realm = realm(&message.realm, ctx);
    Ok(Arc::new(LevelUsers {
        users: users?,
        realm: realm?,
    }))
}

fn read(source: &DataSource, may_be_empty: bool, ctx: &mut Ctx) -> Result<Users, Refused> {
    let text = source.read(LARGEST_FILE_BYTES, ctx)?;
    if text.is_empty() && !may_be_empty {
        let text = match source.filename() {
            Some(path) => format!("file {path} is empty"),
            None => "DataSource cannot be empty".to_owned(),
        };
        ctx.error(source.span(), text);
        return Err(Refused);
    }
    Users::parse(&text).map_err(|wrong| {
        ctx.error(source.span(), wrong);
        Refused
    })
}

/// None where it is empty.
fn realm(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<Box<[u8]>>, Refused> {
    if !is_valid_value(text.as_bytes()) {
        ctx.error(text.span, "`realm` has what no header may have");
        return Err(Refused);
    }
    Ok((!text.is_empty()).then(|| text.as_bytes().into()))
}

/// None where there is no name.
fn header(name: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<HeaderName>, Refused> {
    if name.is_empty() {
        return Ok(None);
    }
    HeaderName::parse_with_pseudo(name).map(Some).map_err(|_| {
        ctx.error(name.span, format!("`{}` is not a header name", name.value));
        Refused
    })
}
