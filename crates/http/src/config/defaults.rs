//! The defaults of connection managers and routes, as configurations would write them; `tests/defaults.rs` holds them
//! to the code.

use nuncio_config::expand::FieldDefault;

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const MANAGER_UPGRADE: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig";
const ROUTE_UPGRADE: &str = "envoy.config.route.v3.RouteAction.UpgradeConfig";
const ROUTE_MATCH: &str = "envoy.config.route.v3.RouteMatch";
const ROUTE_ACTION: &str = "envoy.config.route.v3.RouteAction";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";

/// The defaults.
pub const DEFAULTS: &[FieldDefault] = &[
    FieldDefault::new(
        MANAGER,
        &["common_http_protocol_options", "idle_timeout"],
        "3600s",
    ),
    FieldDefault::new(
        MANAGER,
        &["common_http_protocol_options", "max_headers_count"],
        "100",
    ),
    FieldDefault::new(
        MANAGER,
        &["http_protocol_options", "allow_absolute_url"],
        "true",
    ),
    FieldDefault::new(MANAGER, &["max_request_headers_kb"], "60"),
    FieldDefault::new(MANAGER, &["stream_idle_timeout"], "300s"),
    FieldDefault::new(MANAGER, &["request_timeout"], "0s"),
    FieldDefault::new(MANAGER, &["request_headers_timeout"], "0s"),
    FieldDefault::new(MANAGER, &["delayed_close_timeout"], "1s"),
    FieldDefault::new(MANAGER, &["server_name"], "envoy"),
    FieldDefault::new(MANAGER, &["use_remote_address"], "false"),
    FieldDefault::new(MANAGER, &["generate_request_id"], "true"),
    FieldDefault::new(MANAGER, &["normalize_path"], "false"),
    FieldDefault::new(MANAGER, &["stream_error_on_invalid_http_message"], "false"),
    FieldDefault::new(MANAGER_UPGRADE, &["enabled"], "true"),
    FieldDefault::new(ROUTE_UPGRADE, &["enabled"], "true"),
    FieldDefault::new(ROUTES, &["max_direct_response_body_size_bytes"], "4096"),
    FieldDefault::new(ROUTE_MATCH, &["case_sensitive"], "true"),
    FieldDefault::new(ROUTE_ACTION, &["timeout"], "15s"),
    FieldDefault::new(ROUTER, &["dynamic_stats"], "true"),
];
