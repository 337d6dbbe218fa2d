//! The machines, message by message, under a manual clock.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::interpret::interpret;
use nuncio_config::resources::UnknownFields;
use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, decode};
use nuncio_config::wire::discovery::{DiscoveryResponse, RawAny};
use nuncio_config::{dump, text, wire};
use nuncio_contract::clock::{Clock, ManualClock};
use nuncio_contract::config_source::{ApiConfigSource, ServerSource};

use super::mux::Mux;
use super::news::{News, Told, Watch};
use crate::resource_name::is_collection;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const HOSTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

fn message(name: &str, yaml: &str) -> nuncio_config::tree::Message {
    let source = Source::new("test.yaml", Format::Yaml, yaml);
    let mut found = Diagnostics::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut found).expect("YAML");
    let descriptor = nuncio_api::message(name).expect("it is known");
    interpret(descriptor, &node, &mut found).unwrap_or_else(|| panic!("{found:?}"))
}

fn server(more: &str) -> ServerSource {
    let yaml = format!("{{grpc_services: [{{envoy_grpc: {{cluster_name: c}}}}], {more}}}");
    let tree = message("envoy.config.core.v3.ApiConfigSource", &yaml);
    let mut ctx = Ctx::default();
    let source: ApiConfigSource = decode(&Arc::new(tree), &mut ctx).expect("it is sound");
    source.server(&mut ctx).expect("it is sound")
}

struct Run {
    mux: Mux,
    clock: Rc<ManualClock>,
    is_delta: bool,
}

impl Run {
    fn begin(more: &str) -> Self {
        Self::passing_over(UnknownFields::Warned, more)
    }

    /// With what becomes of fields that the API does not have.
    fn passing_over(unknown: UnknownFields, more: &str) -> Self {
        let server = server(more);
        let clock = Rc::new(ManualClock::default());
        let node: Arc<[u8]> = [0x0a, 1, b'n'].into();
        let mut mux = Mux::new(
            &server,
            (&node, unknown),
            Rc::clone(&clock) as Rc<dyn Clock>,
        );
        mux.connected();
        Run {
            mux,
            clock,
            is_delta: server.is_delta,
        }
    }

    fn watch(&mut self, id: u64, type_url: &str, name: Option<&str>) {
        let name: Option<Box<str>> = name.map(Box::from);
        let is_collection = name.as_deref().is_some_and(is_collection);
        self.mux.watch(
            type_url,
            Watch {
                id,
                name,
                others: Default::default(),
                is_namespace: type_url.ends_with("VirtualHost"),
                is_collection,
            },
        );
    }

    /// What is to be sent, as JSON on a line each.
    fn requests(&mut self) -> Vec<String> {
        let name = match self.is_delta {
            true => "envoy.service.discovery.v3.DeltaDiscoveryRequest",
            false => "envoy.service.discovery.v3.DiscoveryRequest",
        };
        let mut all = Vec::new();
        while let Some(bytes) = self.mux.next_request() {
            let descriptor = nuncio_api::message(name).expect("it is known");
            let mut found = Diagnostics::default();
            let request = wire::decode(descriptor, &bytes, &mut found).expect("it is a request");
            let shown = dump::to_json(&request, dump::Options::default());
            let shown: String = shown.split_whitespace().collect();
            all.push(shown.replace("type.googleapis.com/envoy.config.", ""));
        }
        all
    }

    fn receive(&mut self, yaml: &str) -> Told {
        let name = match self.is_delta {
            true => "envoy.service.discovery.v3.DeltaDiscoveryResponse",
            false => "envoy.service.discovery.v3.DiscoveryResponse",
        };
        let bytes = wire::encode(&message(name, yaml));
        let response = self.mux.read(&bytes).expect("it is a response");
        self.mux.received(response).0
    }
}

fn told(told: &Told) -> Vec<String> {
    let line = |(watch, news): &(u64, News)| match news {
        News::Update(response) => {
            let removed = response.removed.as_ref().map(|names| names.join(","));
            let count = response.resources.len();
            format!("{watch}: {count} at {} {removed:?}", response.version)
        }
        News::Rejected(why) => format!("{watch}: rejected {why}"),
        News::Disconnected => format!("{watch}: disconnected"),
    };
    told.iter().map(line).collect()
}

#[test]
fn each_answer_names_the_version_that_is_in_force_and_what_it_answers() {
    let mut run = Run::begin("api_type: GRPC, set_node_on_first_message_only: true");
    run.watch(1, CLUSTER, None);
    let first = r#"{"node":{"id":"n"},"type_url":"cluster.v3.Cluster"}"#;
    assert_eq!(run.requests(), [first]);
    let response = |version: u8| {
        format!(
            "{{version_info: v{version}, nonce: n{version}, type_url: {CLUSTER}, resources: [{{'@type': {CLUSTER}, name: c}}]}}"
        )
    };
    assert_eq!(told(&run.receive(&response(1))), ["1: 1 at v1 None"]);
    assert!(run.mux.is_busy() && run.requests().is_empty());
    assert!(run.mux.answered(1, None).is_empty());
    let accepted = r#"{"version_info":"v1","type_url":"cluster.v3.Cluster","response_nonce":"n1"}"#;
    assert_eq!(run.requests(), [accepted]);
    run.receive(&response(2));
    run.mux.answered(1, Some("no"));
    let rejected = r#"{"version_info":"v1","type_url":"cluster.v3.Cluster","response_nonce":"n2","error_detail":{"code":13,"message":"no"}}"#;
    assert_eq!(run.requests(), [rejected]);
    assert_eq!(told(&run.mux.disconnected()), ["1: disconnected"]);
    run.mux.connected();
    let again = r#"{"version_info":"v1","node":{"id":"n"},"type_url":"cluster.v3.Cluster"}"#;
    assert_eq!(run.requests(), [again]);
}

#[test]
fn who_rejects_has_the_others_told_and_those_of_no_concern_are_not_asked() {
    let mut run = Run::begin("api_type: GRPC");
    for (id, name) in [(1, "a"), (2, "b"), (3, "c")] {
        run.watch(id, HOSTS, Some(name));
    }
    run.requests();
    let response = format!(
        "{{version_info: v1, nonce: n1, type_url: {HOSTS}, resources: [{{'@type': {HOSTS}, cluster_name: a}}, {{'@type': {HOSTS}, cluster_name: b}}]}}"
    );
    assert_eq!(
        told(&run.receive(&response)),
        ["2: 1 at v1 None", "1: 1 at v1 None"]
    );
    run.mux.answered(1, Some("bad"));
    let others = run.mux.answered(2, None);
    assert_eq!(told(&others), ["3: rejected bad", "2: rejected bad"]);
    assert!(run.requests()[0].contains(r#""message":"bad""#));
}

#[test]
fn requests_that_are_held_back_go_into_one() {
    let mut run = Run::begin("api_type: GRPC");
    run.mux.pause(HOSTS);
    run.watch(1, HOSTS, Some("a"));
    run.watch(2, HOSTS, Some("b"));
    assert!(run.requests().is_empty());
    run.mux.resume(HOSTS);
    let requests = run.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains(r#""resource_names":["b","a"]"#));
}

#[test]
fn a_resource_that_is_not_what_the_response_says_rejects_all_of_it() {
    let mut run = Run::begin("api_type: GRPC");
    run.watch(1, CLUSTER, None);
    let response = format!(
        "{{version_info: v1, nonce: n1, type_url: {CLUSTER}, resources: [{{'@type': {HOSTS}, cluster_name: a}}]}}"
    );
    let all = told(&run.receive(&response));
    assert!(
        all[0].contains("does not match the message-wide type URL"),
        "{all:?}"
    );
    assert!(!run.mux.is_busy());
}

#[test]
fn a_field_that_the_api_does_not_have_is_told_or_rejects_the_response_or_is_nothing() {
    // A cluster `c` with a field of number 2047.
    let value = vec![0x0a, 1, b'c', 0xf8, 0x7f, 1];
    let resource = RawAny {
        type_url: CLUSTER.to_owned(),
        value,
    };
    let response = DiscoveryResponse {
        version: "v1".to_owned(),
        nonce: "n1".to_owned(),
        type_url: CLUSTER.to_owned(),
        resources: vec![resource],
        ..DiscoveryResponse::default()
    };
    for (unknown, told_of_it) in [(UnknownFields::Warned, 1), (UnknownFields::Ignored, 0)] {
        let mut run = Run::passing_over(unknown, "api_type: GRPC");
        run.watch(1, CLUSTER, None);
        let told = run.mux.received(response.clone()).0;
        let [(1, News::Update(response))] = &told[..] else {
            panic!("it is an update");
        };
        assert_eq!(response.unknown_fields.len(), told_of_it);
    }
    let mut run = Run::passing_over(UnknownFields::Refused, "api_type: GRPC");
    run.watch(1, CLUSTER, None);
    let why = "Protobuf message (type envoy.config.cluster.v3.Cluster(root) with unknown field set {2047}) has unknown fields";
    assert_eq!(
        told(&run.mux.received(response).0),
        [format!("1: rejected {why}")]
    );
    assert!(
        run.requests()
            .iter()
            .any(|request| request.contains("unknownfieldset{2047}"))
    );
}

#[test]
fn the_limit_of_requests_holds_them_back_until_there_is_a_token() {
    let limit = "rate_limit_settings: {max_tokens: 1, fill_rate: 2}";
    let mut run = Run::begin(&format!("api_type: GRPC, {limit}"));
    run.watch(1, HOSTS, Some("a"));
    run.watch(2, CLUSTER, None);
    assert_eq!(run.requests().len(), 1);
    assert_eq!(run.mux.held_back(), (1, 1));
    let moment = run.mux.next_moment().expect("a token is waited for");
    assert_eq!(moment, run.clock.now() + Duration::from_millis(500));
    run.clock.advance(Duration::from_millis(500));
    run.mux.moment(moment);
    assert_eq!(run.requests().len(), 1);
    assert_eq!(run.mux.held_back(), (0, 0));
}

#[test]
fn what_says_how_long_it_lives_goes_by_itself() {
    let mut run = Run::begin("api_type: GRPC");
    run.watch(1, CLUSTER, None);
    let wrapped = "type.googleapis.com/envoy.service.discovery.v3.Resource";
    let resource = format!(
        "{{'@type': {wrapped}, name: c, ttl: 2s, resource: {{'@type': {CLUSTER}, name: c}}}}"
    );
    run.receive(&format!(
        "{{version_info: v1, nonce: n1, type_url: {CLUSTER}, resources: [{resource}]}}"
    ));
    run.mux.answered(1, None);
    let heartbeat = format!("{{'@type': {wrapped}, name: c, ttl: 3s}}");
    let beat = run.receive(&format!(
        "{{version_info: v1, nonce: n2, type_url: {CLUSTER}, resources: [{heartbeat}]}}"
    ));
    assert!(beat.is_empty() && !run.mux.is_busy());
    let end = run.mux.next_moment().expect("it ends");
    assert_eq!(end, run.clock.now() + Duration::from_secs(3));
    assert_eq!(told(&run.mux.moment(end)), [r#"1: 0 at  Some("c")"#]);
    assert_eq!(run.mux.next_moment(), None);
}

#[test]
fn delta_tells_the_next_server_what_is_there() {
    let mut run = Run::begin("api_type: DELTA_GRPC");
    run.watch(1, HOSTS, Some("a"));
    run.watch(2, HOSTS, Some("b"));
    let requests = run.requests();
    assert!(requests[0].contains(r#""resource_names_subscribe":["a"]"#));
    assert!(requests[1].contains(r#""resource_names_subscribe":["b"]"#));
    let response = format!(
        "{{system_version_info: v1, nonce: n1, type_url: {HOSTS}, removed_resources: [b], resources: [{{name: a, version: '7', resource: {{'@type': {HOSTS}, cluster_name: a}}}}]}}"
    );
    let all = told(&run.receive(&response));
    assert_eq!(all, [r#"1: 1 at v1 Some("")"#, r#"2: 0 at v1 Some("b")"#]);
    run.mux.answered(2, None);
    run.mux.answered(1, None);
    let ack = r#"{"node":{"id":"n"},"type_url":"endpoint.v3.ClusterLoadAssignment","response_nonce":"n1"}"#;
    assert_eq!(run.requests(), [ack]);
    run.mux.unwatch(2);
    assert!(run.requests()[0].contains(r#""resource_names_unsubscribe":["b"]"#));
    run.mux.disconnected();
    run.mux.connected();
    let again = r#"{"node":{"id":"n"},"type_url":"endpoint.v3.ClusterLoadAssignment","resource_names_subscribe":["a"],"initial_resource_versions":{"a":"7"}}"#;
    assert_eq!(run.requests(), [again]);
}

#[test]
fn an_answer_to_a_stream_that_is_gone_is_not_sent_to_the_next() {
    for way in ["GRPC", "DELTA_GRPC"] {
        let mut run = Run::begin(&format!("api_type: {way}"));
        run.watch(1, CLUSTER, None);
        run.requests();
        let response = match run.is_delta {
            true => format!("{{nonce: n1, type_url: {CLUSTER}}}"),
            false => format!("{{version_info: v1, nonce: n1, type_url: {CLUSTER}}}"),
        };
        assert_eq!(run.receive(&response).len(), 1);
        run.mux.disconnected();
        run.mux.answered(1, None);
        run.mux.connected();
        let requests = run.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(!requests[0].contains("n1"), "{requests:?}");
    }
}

#[test]
fn of_what_has_lived_long_enough_each_is_told_its_own() {
    const RESOURCE: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";
    let mut run = Run::begin("api_type: GRPC");
    run.watch(1, HOSTS, Some("a"));
    run.watch(2, HOSTS, Some("b"));
    let response = format!(
        "{{version_info: v1, nonce: n1, type_url: {HOSTS}, resources: [{{'@type': {RESOURCE}, name: a, ttl: 5s, resource: {{'@type': {HOSTS}, cluster_name: a}}}}]}}"
    );
    run.receive(&response);
    run.mux.answered(1, None);
    run.clock.advance(Duration::from_secs(6));
    let now = run.clock.now();
    assert_eq!(told(&run.mux.moment(now)), [r#"1: 0 at  Some("a")"#]);
}

#[test]
fn virtual_hosts_come_to_the_routes_that_they_are_named_after() {
    const HOST: &str = "type.googleapis.com/envoy.config.route.v3.VirtualHost";
    let mut run = Run::begin("api_type: DELTA_GRPC");
    run.watch(1, HOST, Some("shop"));
    let first = r#"{"node":{"id":"n"},"type_url":"route.v3.VirtualHost"}"#;
    assert_eq!(run.requests(), [first]);
    let host = |name: &str| {
        format!(
            "{{name: {name}, version: '1', resource: {{'@type': {HOST}, name: h, domains: [d]}}}}"
        )
    };
    let response = |nonce: &str, resources: &str| {
        format!(
            "{{system_version_info: v, nonce: {nonce}, type_url: {HOST}, resources: [{resources}]}}"
        )
    };
    let both = format!("{}, {}", host("shop/a"), host("other/b"));
    let all = told(&run.receive(&response("n1", &both)));
    assert_eq!(all, [r#"1: 1 at v Some("")"#]);
    run.mux.answered(1, None);
    run.requests();
    for _ in 0..2 {
        run.mux.also(1, "shop/c");
        let asked = run.requests();
        assert!(asked[0].contains(r#""resource_names_subscribe":["shop/c"]"#));
    }
    let nothing = "{name: shop/c, version: '1', aliases: [shop/d]}";
    let News::Update(update) = &run.receive(&response("n2", nothing))[0].1 else {
        panic!("no update");
    };
    assert_eq!(*update.names, ["shop/c".into(), "shop/d".into()]);
    assert!(update.resources.is_empty());
}

#[test]
fn a_name_that_is_given_up_is_unsubscribed_from_and_forgotten() {
    const HOST: &str = "type.googleapis.com/envoy.config.route.v3.VirtualHost";
    let mut run = Run::begin("api_type: DELTA_GRPC");
    run.watch(1, HOST, Some("shop"));
    run.mux.also(1, "shop/a");
    let nothing = |nonce: &str| {
        format!("{{nonce: {nonce}, type_url: {HOST}, resources: [{{name: shop/a, version: '1'}}]}}")
    };
    let News::Update(update) = &run.receive(&nothing("n1"))[0].1 else {
        panic!("no update");
    };
    assert_eq!(*update.missing, ["shop/a".into()]);
    run.mux.answered(1, None);
    run.requests();
    run.mux.no_more(1, "shop/a");
    let gone = run.requests();
    assert_eq!(gone.len(), 1);
    assert!(gone[0].contains(r#""resource_names_unsubscribe":["shop/a"]"#));
    run.mux.no_more(1, "shop/a");
    run.mux.no_more(1, "shop");
    assert!(run.requests().is_empty());
    // The answer to what was asked before comes late.
    run.receive(&nothing("n2"));
    run.mux.answered(1, None);
    run.requests();
    run.mux.disconnected();
    run.mux.connected();
    let again = run.requests();
    assert_eq!(again.len(), 1);
    assert!(!again[0].contains("shop/a"), "{again:?}");
}

#[test]
fn of_several_names_the_first_may_be_given_up_too_but_not_the_only_one() {
    let mut run = Run::begin("api_type: DELTA_GRPC");
    run.watch(1, CLUSTER, Some("a"));
    run.mux.also(1, "b");
    run.requests();
    run.mux.no_more(1, "a");
    assert!(run.requests()[0].contains(r#""resource_names_unsubscribe":["a"]"#));
    run.mux.no_more(1, "b");
    assert!(run.requests().is_empty());
    let came = format!(
        "{{system_version_info: v, nonce: n1, type_url: {CLUSTER}, resources: [{{name: b, version: '1', resource: {{'@type': {CLUSTER}, name: b}}}}]}}"
    );
    assert_eq!(told(&run.receive(&came)), [r#"1: 1 at v Some("")"#]);
}
