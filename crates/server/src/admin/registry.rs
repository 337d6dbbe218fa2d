//! All endpoints: Envoy's in the order of `/help`, and Nuncio's own.

use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::AdminState;
use super::{
    certs, clusters, config_dump, contention, explain, help, home, hot_restart_version, init_dump,
    lifecycle, listeners, logging, memory, profiling, ready, recent_lookups, reload, runtime,
    server_info, stats,
};

/// Answers a request to one endpoint.
pub type Handler = fn(&dyn AdminState, &AdminRequest<'_>) -> AdminResponse;

/// An endpoint.
pub struct Endpoint {
    /// The exact path.
    pub path: &'static str,
    /// What it does, in Envoy's words.
    pub help: &'static str,
    /// Whether it changes the server, so that only POST will do.
    pub mutates: bool,
    /// Its query parameters.
    pub params: &'static [Param],
    /// What answers.
    pub handler: Handler,
}

/// A query parameter.
pub struct Param {
    /// The name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The values it takes; empty if any.
    pub values: &'static [&'static str],
}

const fn get(
    path: &'static str,
    help: &'static str,
    params: &'static [Param],
    handler: Handler,
) -> Endpoint {
    Endpoint {
        path,
        help,
        mutates: false,
        params,
        handler,
    }
}

const fn post(
    path: &'static str,
    help: &'static str,
    params: &'static [Param],
    handler: Handler,
) -> Endpoint {
    Endpoint {
        path,
        help,
        mutates: true,
        params,
        handler,
    }
}

const fn param(name: &'static str, help: &'static str) -> Param {
    Param {
        name,
        help,
        values: &[],
    }
}

const fn choice(name: &'static str, help: &'static str, values: &'static [&'static str]) -> Param {
    Param { name, help, values }
}

const Y_N: &[&str] = &["y", "n"];

/// Nuncio's own; `/help` is Envoy's to the letter and does not list them, the home page does.
pub const OWN_ENDPOINTS: &[Endpoint] = &[
    get(
        "/commands",
        "print all commands as a page, for browsers without scripts",
        &[],
        home::commands,
    ),
    get(
        "/explain",
        "print which way a request would take, and why",
        &[
            param("method", "The request's method; GET by default"),
            param(
                "url",
                "The request's URL, as the client has it, percent-encoded",
            ),
            param(
                "header",
                "A header of the request, name:value; may be repeated",
            ),
            param(
                "listener",
                "The listener's name; by default the only one, or the one at the URL's port",
            ),
            param("source", "The client's IP address"),
            param("random", "What every draw by chance yields; 0 by default"),
            param("tls", "The client speaks TLS to the listener"),
            param("all", "Show all routes of the virtual host, later ones too"),
            choice("format", "Format to use", &["text", "json"]),
        ],
        explain::explain,
    ),
    post(
        "/reload",
        "read the configuration file again and apply what changed",
        &[],
        reload::reload,
    ),
];

/// Envoy's endpoints.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/", "Admin home page", &[], home::home),
    post(
        "/allocprofiler",
        "enable/disable the allocation profiler (if supported)",
        &[choice(
            "enable",
            "enable/disable the allocation profiler",
            Y_N,
        )],
        profiling::allocations,
    ),
    get("/certs", "print certs on machine", &[], certs::certs),
    get(
        "/clusters",
        "upstream cluster status",
        &[param(
            "filter",
            "Regular expression (Google re2) for filtering clusters by name",
        )],
        clusters::clusters,
    ),
    get(
        "/config_dump",
        "dump current Envoy configs",
        &[
            param("resource", "The resource to dump"),
            param(
                "mask",
                "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask",
            ),
            param(
                "name_regex",
                "Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters.",
            ),
            param(
                "include_eds",
                "Dump currently loaded configuration including EDS. See the response definition for more information",
            ),
        ],
        config_dump::config_dump,
    ),
    get(
        "/contention",
        "dump current Envoy mutex contention stats (if enabled)",
        &[],
        contention::contention,
    ),
    post(
        "/cpuprofiler",
        "enable/disable the CPU profiler",
        &[choice("enable", "enables the CPU profiler", Y_N)],
        profiling::cpu,
    ),
    post(
        "/drain_listeners",
        "drain listeners",
        &[
            param(
                "graceful",
                "When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI",
            ),
            param(
                "skip_exit",
                "When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners",
            ),
            param(
                "inboundonly",
                "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.",
            ),
        ],
        lifecycle::drain_listeners,
    ),
    post(
        "/healthcheck/fail",
        "cause the server to fail health checks",
        &[],
        lifecycle::healthcheck_fail,
    ),
    post(
        "/healthcheck/ok",
        "cause the server to pass health checks",
        &[],
        lifecycle::healthcheck_ok,
    ),
    get(
        "/heap_dump",
        "dump current Envoy heap (if supported)",
        &[],
        profiling::dump,
    ),
    post(
        "/heapprofiler",
        "enable/disable the heap profiler",
        &[choice("enable", "enable/disable the heap profiler", Y_N)],
        profiling::heap,
    ),
    get("/help", "print out list of admin commands", &[], help::help),
    get(
        "/hot_restart_version",
        "print the hot restart compatibility version",
        &[],
        hot_restart_version::hot_restart_version,
    ),
    get(
        "/init_dump",
        "dump current Envoy init manager information (experimental)",
        &[param(
            "mask",
            "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`",
        )],
        init_dump::init_dump,
    ),
    get(
        "/listeners",
        "print listener info",
        &[choice("format", "File format to use", &["text", "json"])],
        listeners::listeners,
    ),
    post(
        "/logging",
        "query/change logging levels",
        &[
            param(
                "paths",
                "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning",
            ),
            param(
                "group",
                "Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name.",
            ),
            choice(
                "level",
                "desired logging level, this will change all loggers's level",
                &[
                    "", "trace", "debug", "info", "warning", "error", "critical", "off",
                ],
            ),
        ],
        logging::logging,
    ),
    get(
        "/memory",
        "print current allocation/heap usage",
        &[],
        memory::memory,
    ),
    get(
        "/memory/tcmalloc",
        "print TCMalloc stats",
        &[],
        profiling::tcmalloc,
    ),
    get(
        "/peak_heap_dump",
        "dump peak Envoy heap (if supported)",
        &[],
        profiling::dump,
    ),
    post(
        "/quitquitquit",
        "exit the server",
        &[],
        lifecycle::quitquitquit,
    ),
    get(
        "/ready",
        "print server state, return 200 if LIVE, otherwise return 503",
        &[],
        ready::ready,
    ),
    post(
        "/reopen_logs",
        "reopen access logs",
        &[],
        lifecycle::reopen_logs,
    ),
    post(
        "/reset_counters",
        "reset all counters to zero",
        &[],
        stats::reset_counters,
    ),
    get("/runtime", "print runtime values", &[], runtime::runtime),
    post(
        "/runtime_modify",
        "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
        &[],
        runtime::runtime_modify,
    ),
    get(
        "/server_info",
        "print server version/status information",
        &[],
        server_info::server_info,
    ),
    get(
        "/stats",
        "print server stats",
        &[
            param(
                "usedonly",
                "Only include stats that have been written by system since restart",
            ),
            param(
                "filter",
                "Regular expression (Google re2) for filtering stats",
            ),
            param("invert_filter", "Invert the filter regex"),
            choice(
                "format",
                "Format to use",
                &["html", "active-html", "text", "json"],
            ),
            choice(
                "type",
                "Stat types to include.",
                &["All", "Counters", "Histograms", "Gauges", "TextReadouts"],
            ),
            choice(
                "histogram_buckets",
                "Histogram bucket display mode",
                &["cumulative", "disjoint", "detailed", "summary"],
            ),
        ],
        stats::stats,
    ),
    get(
        "/stats/prometheus",
        "print server stats in prometheus format",
        &[
            param(
                "usedonly",
                "Only include stats that have been written by system since restart",
            ),
            param(
                "text_readouts",
                "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)",
            ),
            param(
                "filter",
                "Regular expression (Google re2) for filtering stats",
            ),
            param("invert_filter", "Invert the filter regex"),
            choice(
                "histogram_buckets",
                "Histogram bucket display mode",
                &["cumulative", "summary"],
            ),
        ],
        stats::prometheus,
    ),
    get(
        "/stats/recentlookups",
        "Show recent stat-name lookups",
        &[],
        recent_lookups::show,
    ),
    post(
        "/stats/recentlookups/clear",
        "clear list of stat-name lookups and counter",
        &[],
        recent_lookups::clear,
    ),
    post(
        "/stats/recentlookups/disable",
        "disable recording of reset stat-name lookup names",
        &[],
        recent_lookups::disable,
    ),
    post(
        "/stats/recentlookups/enable",
        "enable recording of reset stat-name lookup names",
        &[],
        recent_lookups::enable,
    ),
];
