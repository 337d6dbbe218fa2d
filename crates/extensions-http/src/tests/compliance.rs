//! What every room must keep to: names and messages that are Envoy's and taken once, a minimal configuration
//! that parses, and a clean end after any step of a stream.

use nuncio_config::typed::SupportTable;
use nuncio_contract::http_filter::{DataStatus, HeadersStatus, TrailersStatus};
use nuncio_contract::registry::HttpFilterRoom;

use super::harness::{Worker, response};

/// For each room its smallest configuration, and one that makes it do all it can.
const CONFIGS: &[(&str, &str, &str)] = &[
    (
        "envoy.filters.http.adaptive_concurrency",
        "{gradient_controller_config: {concurrency_limit_params: {concurrency_update_interval: 1s}, \
          min_rtt_calc_params: {interval: 1s}}}",
        "{gradient_controller_config: {concurrency_limit_params: {concurrency_update_interval: 1s, \
          min_concurrency_limit: 1, max_concurrency_limit: 2}, min_rtt_calc_params: {fixed_value: 1s, buffer: {value: 1}}}, \
          concurrency_limit_exceeded_status: {code: BadGateway}}",
    ),
    (
        "envoy.filters.http.admission_control",
        "{success_criteria: {}}",
        "{success_criteria: {http_criteria: {http_success_status: [{start: 500, end: 600}]}}, \
          aggression: {default_value: 2, runtime_key: a}}",
    ),
    (
        "envoy.filters.http.api_key_auth",
        "{}",
        "{credentials: [{key: a, client: b}], key_sources: [{query: k}, {cookie: k}, {header: k}], \
          forwarding: {header: x, hide_credentials: true}}",
    ),
    (
        "envoy.filters.http.aws_lambda",
        "{arn: 'arn:aws:lambda:r:9:function:f', credentials: {access_key_id: a, secret_access_key: b}}",
        "{arn: 'arn:aws:lambda:r:9:function:f', payload_passthrough: true, credentials: {access_key_id: a, secret_access_key: b}}",
    ),
    (
        "envoy.filters.http.aws_request_signing",
        "{service_name: s, region: r, use_unsigned_payload: true, credential_provider: {inline_credential: \
          {access_key_id: a, secret_access_key: b}}}",
        "{service_name: s, region: r, host_rewrite: h, query_string: {}, credential_provider: {inline_credential: \
          {access_key_id: a, secret_access_key: b, session_token: c}}}",
    ),
    (
        "envoy.filters.http.basic_auth",
        "{users: {inline_string: 'a:{SHA}0000000000000000000000000000'}}",
        "{users: {inline_string: 'a:{SHA}0000000000000000000000000000'}, allow_missing: true, \
          emit_dynamic_metadata: true, forward_username_header: x}",
    ),
    (
        "envoy.filters.http.bandwidth_limit",
        "{stat_prefix: a}",
        "{stat_prefix: a, enable_mode: REQUEST_AND_RESPONSE, limit_kbps: 1, \
          enable_response_trailers: true}",
    ),
    (
        "envoy.filters.http.body_size_limit",
        "{max_request_bytes: 4096}",
        "{max_request_bytes: 1}",
    ),
    (
        "envoy.filters.http.cache_v2",
        "{typed_config: {'@type': type.googleapis.com/envoy.extensions.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config}}",
        "{typed_config: {'@type': type.googleapis.com/envoy.extensions.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config}, \
          allowed_vary_headers: [{exact: a}], max_body_bytes: 1, ignore_request_cache_control_header: true, override_upstream_cluster: a}",
    ),
    (
        "envoy.filters.http.cache",
        "{typed_config: {'@type': type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig}}",
        "{typed_config: {'@type': type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig}, \
          allowed_vary_headers: [{prefix: a}], max_body_bytes: 10}",
    ),
    (
        "envoy.filters.http.buffer",
        "{max_request_bytes: 1}",
        "{max_request_bytes: 4096}",
    ),
    (
        "envoy.filters.http.alternate_protocols_cache",
        "{}",
        "{alternate_protocols_cache_options: {name: a}}",
    ),
    (
        "envoy.filters.http.cdn_loop",
        "{cdn_id: a}",
        "{cdn_id: '[::1]:80', max_allowed_occurrences: 3}",
    ),
    (
        "envoy.filters.http.composite",
        "{}",
        "{matcher: {on_no_match: {action: {name: a, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction, \
          typed_config: {name: b, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, \
          max_request_bytes: 4096}}}}}}}",
    ),
    (
        "envoy.filters.http.credential_injector",
        "{credential: {name: c, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic, \
          credential: {name: s, sds_config: {path_config_source: {path: /nowhere}}}}}}",
        "{overwrite: true, allow_request_without_credential: true, credential: {name: c, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic, \
          credential: {name: s, sds_config: {path_config_source: {path: /nowhere}}}, header: x, \
          header_value_prefix: k}}}",
    ),
    (
        "envoy.filters.http.ext_authz",
        "{}",
        "{grpc_service: {envoy_grpc: {cluster_name: a}, timeout: 1s}, transport_api_version: V3, \
          with_request_body: {max_request_bytes: 4096, allow_partial_message: true}, \
          include_peer_certificate: true, include_tls_session: true, encode_raw_headers: true}",
    ),
    (
        "envoy.filters.http.ext_proc",
        "{grpc_service: {envoy_grpc: {cluster_name: a}}, failure_mode_allow: true, processing_mode: {request_header_mode: SKIP, response_header_mode: SKIP}}",
        "{grpc_service: {envoy_grpc: {cluster_name: a}}, failure_mode_allow: true, \
          processing_mode: {request_header_mode: SKIP, response_header_mode: SKIP, request_trailer_mode: SEND}, \
          message_timeout: 1s, max_message_timeout: 2s, mutation_rules: {allow_envoy: true}, \
          request_attributes: [request.path], allow_mode_override: true, status_on_error: {code: BadGateway}}",
    ),
    (
        "envoy.filters.http.oauth2",
        "{}",
        "{config: {token_endpoint: {cluster: a, uri: 'http://a/t', timeout: 1s}, \
          authorization_endpoint: 'http://a/', redirect_uri: 'http://b/c', \
          redirect_path_matcher: {path: {exact: /c}}, signout_path: {path: {exact: /s}}, \
          forward_bearer_token: true, credentials: {client_id: i, \
          token_secret: {name: s, sds_config: {path_config_source: {path: /nowhere}}}, \
          hmac_secret: {name: s, sds_config: {path_config_source: {path: /nowhere}}}}}}",
    ),
    (
        "envoy.filters.http.rate_limit_quota",
        "{domain: a, rlqs_server: {envoy_grpc: {cluster_name: a}}, bucket_matchers: {}}",
        "{domain: a, rlqs_server: {envoy_grpc: {cluster_name: a}}, bucket_matchers: {on_no_match: {action: {name: a, \
          typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings, \
          reporting_interval: 1s, bucket_id_builder: {bucket_id_builder: {a: {string_value: b}}}}}}}}",
    ),
    (
        "envoy.filters.http.ratelimit",
        "{domain: a, rate_limit_service: {grpc_service: {envoy_grpc: {cluster_name: a}}, transport_api_version: V3}}",
        "{domain: a, rate_limit_service: {grpc_service: {envoy_grpc: {cluster_name: a}}, transport_api_version: V3}, \
          failure_mode_deny: true, rate_limits: [{actions: [{generic_key: {descriptor_value: v}}]}], \
          enable_x_ratelimit_headers: DRAFT_VERSION_03}",
    ),
    (
        "envoy.filters.http.jwt_authn",
        "{}",
        "{providers: {p: {local_jwks: {inline_string: '{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}'}, \
          forward_payload_header: x-p, payload_in_metadata: p, failed_status_in_metadata: f, jwt_cache_config: {}}}, \
          rules: [{match: {prefix: /}, requires: {allow_missing_or_failed: {}}}]}",
    ),
    (
        "envoy.filters.http.match_delegate",
        "{extension_config: {name: b, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 1}}}",
        "{xds_matcher: {on_no_match: {action: {name: a, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction, \
          typed_config: {name: b, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, \
          max_request_bytes: 4096}}}}}}, extension_config: {name: b, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite}}}",
    ),
    (
        "envoy.filters.http.compressor",
        "{compressor_library: {name: a, typed_config: {'@type': \
          type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}}}",
        "{compressor_library: {name: a, typed_config: {'@type': \
          type.googleapis.com/envoy.extensions.compression.brotli.compressor.v3.Brotli}}, \
          request_direction_config: {}, response_direction_config: {status_header_enabled: true}}",
    ),
    ("envoy.filters.http.cors", "{}", "{}"),
    (
        "envoy.filters.http.csrf",
        "{filter_enabled: {default_value: {}}}",
        "{filter_enabled: {default_value: {numerator: 100}}}",
    ),
    (
        "envoy.filters.http.decompressor",
        "{decompressor_library: {name: a, typed_config: {'@type': \
          type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip}}}",
        "{decompressor_library: {name: a, typed_config: {'@type': \
          type.googleapis.com/envoy.extensions.compression.zstd.decompressor.v3.Zstd}}, \
          request_direction_config: {common_config: {ignore_no_transform_header: true}}}",
    ),
    (
        "envoy.filters.http.on_demand",
        "{}",
        "{odcds: {source: {ads: {}}, timeout: 1s}}",
    ),
    (
        "envoy.filters.http.dynamic_forward_proxy",
        "{dns_cache_config: {name: a}}",
        "{dns_cache_config: {name: a, max_hosts: 1, dns_query_timeout: 0s}}",
    ),
    (
        "envoy.filters.http.custom_response",
        "{}",
        "{custom_response_matcher: {on_no_match: {action: {name: a, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy, \
          status_code: 499, body: {inline_string: a}}}}}}",
    ),
    (
        "envoy.filters.http.sse_to_metadata",
        "{response_rules: {content_parser: {name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser, \
          rules: [{rule: {selectors: [{key: a}], on_present: {key: b}}}]}}}}",
        "{response_rules: {content_parser: {name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser, \
          rules: [{rule: {selectors: [{key: a}], on_present: {key: b}}}]}}, max_event_size: 1}}",
    ),
    (
        "envoy.filters.http.stateful_session",
        "{}",
        "{strict: true, session_state: {name: envoy.http.stateful_session.header, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState, \
          name: x-session}}}",
    ),
    (
        "envoy.filters.http.fault",
        "{}",
        "{delay: {fixed_delay: 1s, percentage: {numerator: 100}}, \
          abort: {http_status: 503, percentage: {numerator: 100}}}",
    ),
    (
        "envoy.filters.http.gcp_authn",
        "{cluster: c, timeout: 1s}",
        "{cluster: c, timeout: 1s, cache_config: {cache_size: 1}, audience: {iam_access_token: {account: a, authorization: b}}}",
    ),
    (
        "envoy.filters.http.geoip",
        "{provider: {name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig, \
          city_db_path: ../../tests/differential/geoip/city.mmdb, common_provider_config: {}}}}",
        "{provider: {name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig, \
          city_db_path: ../../tests/differential/geoip/city.mmdb, common_provider_config: {geo_field_keys: {country: a, city: b}}}}}",
    ),
    (
        "envoy.filters.http.grpc_http1_bridge",
        "{}",
        "{upgrade_protobuf_to_grpc: true, ignore_query_parameters: true}",
    ),
    (
        "envoy.filters.http.grpc_http1_reverse_bridge",
        "{content_type: a}",
        "{content_type: a, withhold_grpc_frames: true, response_size_header: x-size}",
    ),
    (
        "envoy.filters.http.grpc_json_transcoder",
        "{proto_descriptor_bin: '', services: []}",
        // A service of `google.api.HttpBody` whose method is bound to `GET /` with any body.
        "{proto_descriptor_bin: CssBCgdiLnByb3RvEgpnb29nbGUuYXBpIi4KCEh0dHBCb2R5EhQKDGNvbnRlbnRfdHlwZRgBIAEoCRIM\
          CgRkYXRhGAIgASgMMnwKAVMSQAoEQ2FsbBIULmdvb2dsZS5hcGkuSHR0cEJvZHkaFC5nb29nbGUuYXBp\
          Lkh0dHBCb2R5IgyC0+STAgYSAS86ASoSNQoHVW5ib3VuZBIULmdvb2dsZS5hcGkuSHR0cEJvZHkaFC5n\
          b29nbGUuYXBpLkh0dHBCb2R5YgZwcm90bzM=, \
          services: [google.api.S], auto_mapping: true, convert_grpc_status: true}",
    ),
    (
        "envoy.filters.http.grpc_stats",
        "{}",
        "{emit_filter_state: true, stats_for_all_methods: true, enable_upstream_stats: true, \
          replace_dots_in_grpc_service_name: true}",
    ),
    ("envoy.filters.http.grpc_web", "{}", "{}"),
    (
        "envoy.filters.http.header_mutation",
        "{}",
        "{mutations: {request_mutations: [{append: {header: {key: a, value: b}}}], \
          response_mutations: [{remove: server}]}}",
    ),
    (
        "envoy.filters.http.lua",
        "{}",
        "{default_source_code: {inline_string: 'function envoy_on_request(h) h:body() end \
          function envoy_on_response(h) for c in h:bodyChunks() do c:setBytes(\"\") end h:trailers() end'}, \
          source_codes: {a: {inline_string: 'x = 1'}}, stat_prefix: p, clear_route_cache: false}",
    ),
    (
        "envoy.filters.http.header_to_metadata",
        "{}",
        "{request_rules: [{header: x, on_header_missing: {key: a, value: b}}], \
          response_rules: [{header: server, on_header_present: {key: a}, remove: true}]}",
    ),
    (
        "envoy.filters.http.health_check",
        "{pass_through_mode: true}",
        "{pass_through_mode: false, cluster_min_healthy_percentages: {a: {value: 50}}}",
    ),
    (
        "envoy.filters.http.ip_tagging",
        "{ip_tags: [{}]}",
        "{request_type: EXTERNAL, ip_tags: [{ip_tag_name: a, ip_list: [{address_prefix: 10.0.0.0, prefix_len: 8}]}], \
          ip_tag_header: {header: x-tags, action: APPEND_IF_EXISTS_OR_ADD}}",
    ),
    (
        "envoy.filters.http.json_to_metadata",
        "{request_rules: {rules: [{selectors: [{key: a}], on_present: {key: b}}]}}",
        "{request_rules: {rules: [{selectors: [{key: a}], on_present: {key: b}}], \
          allow_empty_content_type: true}, \
          response_rules: {rules: [{selectors: [{key: a}], on_present: {key: b}}], \
          allow_empty_content_type: true}}",
    ),
    (
        "envoy.filters.http.local_ratelimit",
        "{stat_prefix: a}",
        "{stat_prefix: a, token_bucket: {max_tokens: 1, fill_interval: 1s}, \
          filter_enabled: {default_value: {numerator: 100}}, \
          filter_enforced: {default_value: {numerator: 100}}, \
          local_rate_limit_per_downstream_connection: true}",
    ),
    ("envoy.filters.http.original_src", "{}", "{mark: 7}"),
    (
        "envoy.filters.http.rbac",
        "{}",
        "{rules: {action: LOG, policies: {p: {permissions: [{any: true}], principals: [{any: true}]}}}, \
          shadow_rules: {}, track_per_rule_stats: true}",
    ),
    (
        "envoy.filters.http.set_filter_state",
        "{}",
        "{clear_route_cache: true, on_request_headers: [{object_key: a, factory_key: envoy.string, format_string: {text_format_source: {inline_string: b}}}]}",
    ),
    (
        "envoy.filters.http.set_metadata",
        "{}",
        "{metadata: [{metadata_namespace: a, value: {b: c}}, {metadata_namespace: a, value: {b: d}}]}",
    ),
    (
        "envoy.filters.http.tap",
        "{common_config: {static_config: {match: {any_match: true}, output_config: {sinks: [{file_per_tap: \
          {path_prefix: /no/such/folder/x}}]}}}}",
        "{record_headers_received_time: true, record_downstream_connection: true, record_upstream_connection: true, \
          common_config: {static_config: {match_config: {not_match: {http_request_generic_body_match: {patterns: \
          [{string_match: a}]}}}, tap_enabled: {default_value: {numerator: 100}}, output_config: {streaming: true, \
          sinks: [{format: PROTO_TEXT, file_per_tap: {path_prefix: /no/such/folder/x}}]}}}}",
    ),
];

/// The calls of a stream in their order, as far as `steps` goes.
fn run(worker: &Worker, steps: usize) {
    let mut stream = worker.stream();
    let mut answer = response(&[(":status", "200"), ("server", "upstream")]);
    let mut is_held = false;
    for step in 0..steps {
        is_held = match step {
            0 => holds_headers(&stream.decode_headers(false)),
            1 => holds_data(&stream.decode_data(b"first", false)),
            2 => holds_data(&stream.decode_data(b"second", false)),
            3 => holds_trailers(&stream.decode_trailers()),
            4 => holds_headers(&stream.encode_headers(&mut answer, false)),
            _ => holds_data(&stream.encode_data(b"answer", true)),
        };
    }
    // Behind the fourth step the request is complete, behind the sixth the response.
    if matches!(steps, 4 | 6) {
        assert!(!is_held, "what is complete is let go");
    }
}

fn holds_headers(status: &HeadersStatus) -> bool {
    matches!(status, HeadersStatus::Stop)
}

fn holds_data(status: &DataStatus) -> bool {
    matches!(status, DataStatus::StopAndBuffer)
}

fn holds_trailers(_every_status_lets_go_or_answers: &TrailersStatus) -> bool {
    false
}

fn configs(room: &HttpFilterRoom) -> [&'static str; 2] {
    let entry = CONFIGS.iter().find(|(name, ..)| *name == room.name);
    let (_, minimal, busy) =
        entry.unwrap_or_else(|| panic!("CONFIGS has no line for {}", room.name));
    [minimal, busy]
}

#[test]
fn names_and_messages_are_envoys_and_taken_once() {
    for (at, room) in crate::ROOMS.iter().enumerate() {
        assert!(
            nuncio_api::message(room.message).is_some(),
            "{}",
            room.message
        );
        if let Some(per_route) = &room.per_route {
            assert!(
                nuncio_api::message(per_route.message).is_some(),
                "{}",
                per_route.message
            );
        }
        for other in &crate::ROOMS[at + 1..] {
            assert_ne!(room.name, other.name);
            assert_ne!(room.message, other.message);
        }
    }
}

#[test]
fn rooms_declare_only_fields_that_the_api_has() {
    let mut table = SupportTable::default();
    for room in crate::ROOMS {
        (room.support)(&mut table);
        assert!(
            table.messages.contains_key(room.message),
            "{} supports its own message",
            room.name
        );
        if let Some(per_route) = &room.per_route {
            assert!(
                table.messages.contains_key(per_route.message),
                "{}",
                per_route.message
            );
        }
    }
    assert!(table.unknown.is_empty(), "{:?}", table.unknown);
}

#[test]
fn every_room_parses_its_minimal_configuration_and_wants_something() {
    for room in crate::ROOMS {
        let wants = Worker::new(room, configs(room)[0]).interest();
        let any = wants.request_headers
            || wants.request_body
            || wants.response_headers
            || wants.response_body;
        assert!(any, "{} is never called", room.name);
    }
}

#[test]
fn a_stream_may_end_after_any_step() {
    for room in crate::ROOMS {
        for yaml in configs(room) {
            let worker = Worker::new(room, yaml);
            let idle = worker.gauges();
            for steps in 0..=6 {
                run(&worker, steps);
                assert_eq!(
                    worker.gauges(),
                    idle,
                    "{} gives back what it took, after {steps} steps",
                    room.name
                );
            }
        }
    }
}

#[test]
fn streams_that_live_at_once_do_not_disturb_each_other() {
    for room in crate::ROOMS {
        let worker = Worker::new(room, configs(room)[1]);
        let idle = worker.gauges();
        let mut first = worker.stream();
        let mut second = worker.stream();
        let _ = first.decode_headers(false);
        let _ = second.decode_headers(false);
        drop(first);
        let _ = second.decode_data(b"body", true);
        drop(second);
        assert_eq!(worker.gauges(), idle, "{}", room.name);
    }
}

#[test]
fn a_filter_asks_for_no_more_memory_than_its_configuration_allows() {
    for room in crate::ROOMS {
        for yaml in configs(room) {
            let worker = Worker::new(room, yaml);
            let mut stream = worker.stream();
            let _ = stream.decode_headers(false);
            let most = super::harness::DEFAULT_LIMIT_BYTES;
            assert!(
                stream.limit_bytes <= most,
                "{} raised the limit with {yaml}",
                room.name
            );
        }
    }
}
