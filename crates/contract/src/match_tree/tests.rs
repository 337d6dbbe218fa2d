//! Trees of configuration texts, asked about streams.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_config::{interpret, text};

use super::{Extension, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome};
use crate::headers::{HeaderMap, HeaderName};
use crate::stream_info::metadata::{Struct, Value};
use crate::stream_info::{Address, ConnectionInfo, FilterStateObject, StreamInfo};

/// Actions are the names of their extensions.
struct Names(Ctx);

impl MatchContext for Names {
    type Action = String;

    fn ctx(&mut self) -> &mut Ctx {
        &mut self.0
    }

    fn action(&mut self, action: &Extension) -> Result<String, Refused> {
        Ok(action.name.clone())
    }
}

const HTTP: &str = "type.googleapis.com/envoy.type.matcher.v3.";
const NETWORK: &str = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.";

fn input(kind: &str, options: &str) -> String {
    format!("{{name: i, typed_config: {{'@type': {kind}, {options}}}}}")
}

fn action(name: &str) -> String {
    let any = "{'@type': type.googleapis.com/google.protobuf.StringValue, value: ''}";
    format!("action: {{name: {name}, typed_config: {any}}}")
}

fn compile(yaml: &str) -> Result<MatchTree<String>, String> {
    let mut names = Names(Ctx::default());
    let source = Source::new("matcher.yaml", Format::Yaml, yaml);
    let limits = text::Limits::default();
    let node = text::parse(&source, 0, &limits, &mut names.0.diagnostics).expect("good YAML");
    let descriptor = nuncio_api::message("xds.type.matcher.v3.Matcher").expect("a message");
    let tree = interpret::interpret(descriptor, &node, &mut names.0.diagnostics)
        .unwrap_or_else(|| panic!("{yaml}: {:?}", names.0.diagnostics));
    let message: MatcherMessage = decode(&Arc::new(tree), &mut names.0)
        .unwrap_or_else(|_| panic!("{yaml}: {:?}", names.0.diagnostics));
    MatchTree::compile(&message, &mut names).map_err(|Refused| {
        let mut found = names.0.diagnostics.iter();
        found.next().expect("a reason").message.clone()
    })
}

/// A list with one predicate of this input.
fn one(input: &str, matcher: &str) -> MatchTree<String> {
    let yaml = format!(
        "matcher_list: {{matchers: [{{predicate: {{single_predicate: {{input: {input}, {matcher}}}}}, on_match: {{{}}}}}]}}",
        action("found")
    );
    compile(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

fn info() -> StreamInfo {
    let address = |text: &str| Some(Address::Ip(text.parse::<SocketAddr>().expect("an address")));
    let connection = ConnectionInfo {
        direct_remote_address: address("10.0.0.1:40001"),
        remote_address: address("10.0.0.2:40002"),
        local_address: address("10.0.0.3:80"),
        requested_server_name: "sni.example".into(),
        ..ConnectionInfo::default()
    };
    StreamInfo::new(Rc::new(connection), SystemTime::UNIX_EPOCH, Instant::now())
}

fn headers(mut map: HeaderMap, fields: &[(&str, &str)]) -> HeaderMap {
    for (name, value) in fields {
        let name = HeaderName::parse_with_pseudo(name).expect("a header name");
        map.append(&name, value.as_bytes());
    }
    map
}

fn request(fields: &[(&str, &str)]) -> HeaderMap {
    headers(HeaderMap::request(), fields)
}

/// The action that is found; `-` for none and `?` where it is not decided yet.
fn found<'t>(tree: &'t MatchTree<String>, data: &MatchData<'_>) -> &'t str {
    match tree.find(data) {
        Outcome::Action(name) => name,
        Outcome::Nothing => "-",
        Outcome::Undecided => "?",
    }
}

struct Text;

impl FilterStateObject for Text {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
    fn serialize_as_string(&self) -> Option<String> {
        Some("state".to_owned())
    }
}

#[test]
fn every_input_gives_what_is_known_of_the_stream() {
    let mut info = info();
    info.filter_state_mut().set("k", Box::new(Text));
    let request = request(&[(":path", "/a?x=%2Fy&x=z#f"), ("x-a", "1"), ("x-a", "2")]);
    let response = headers(HeaderMap::response(), &[(":status", "404"), ("x-b", "b")]);
    let trailers = headers(HeaderMap::request(), &[("x-t", "t")]);
    let data = MatchData {
        request_trailers: Some(&trailers),
        response_trailers: Some(&trailers),
        ..MatchData::of_response(&request, &response, &info)
    };
    for (kind, options, value) in [
        (
            format!("{HTTP}HttpRequestHeaderMatchInput"),
            "header_name: x-a",
            "1,2",
        ),
        (
            format!("{HTTP}HttpResponseHeaderMatchInput"),
            "header_name: X-B",
            "b",
        ),
        (
            format!("{HTTP}HttpRequestTrailerMatchInput"),
            "header_name: x-t",
            "t",
        ),
        (
            format!("{HTTP}HttpResponseTrailerMatchInput"),
            "header_name: x-t",
            "t",
        ),
        (
            format!("{HTTP}HttpRequestQueryParamMatchInput"),
            "query_param: x",
            "/y",
        ),
        (format!("{HTTP}HttpResponseStatusCodeMatchInput"), "", "404"),
        (
            format!("{HTTP}HttpResponseStatusCodeClassMatchInput"),
            "",
            "4xx",
        ),
        (format!("{NETWORK}DestinationIPInput"), "", "10.0.0.3"),
        (format!("{NETWORK}DestinationPortInput"), "", "80"),
        (format!("{NETWORK}SourceIPInput"), "", "10.0.0.2"),
        (format!("{NETWORK}SourcePortInput"), "", "40002"),
        (format!("{NETWORK}DirectSourceIPInput"), "", "10.0.0.1"),
        (format!("{NETWORK}ServerNameInput"), "", "sni.example"),
        (format!("{NETWORK}FilterStateInput"), "key: k", "state"),
    ] {
        let input = input(&kind, options);
        let tree = one(&input, &format!("value_match: {{exact: '{value}'}}"));
        assert_eq!(found(&tree, &data), "found", "{kind}");
        let other = one(&input, "value_match: {exact: other}");
        assert_eq!(found(&other, &data), "-", "{kind}");
    }
    let source_type = one(
        &input(&format!("{NETWORK}SourceTypeInput"), ""),
        "value_match: {exact: local}",
    );
    assert_eq!(found(&source_type, &data), "-");
}

#[test]
fn what_is_not_there_yet_decides_nothing_unless_the_rest_does() {
    let info = info();
    let request = request(&[("x-a", "1")]);
    let data = MatchData::of_request(&request, &info);
    let status = input(&format!("{HTTP}HttpResponseStatusCodeMatchInput"), "");
    let header = input(
        &format!("{HTTP}HttpRequestHeaderMatchInput"),
        "header_name: x-a",
    );
    let is = |input: &str, text: &str| {
        format!("{{single_predicate: {{input: {input}, value_match: {{exact: '{text}'}}}}}}")
    };
    let (late, holds) = (is(&status, "200"), is(&header, "1"));
    for (predicate, outcome) in [
        (late.clone(), "?"),
        (format!("{{not_matcher: {late}}}"), "?"),
        (
            format!("{{or_matcher: {{predicate: [{late}, {holds}]}}}}"),
            "found",
        ),
        (
            format!("{{and_matcher: {{predicate: [{holds}, {late}]}}}}"),
            "?",
        ),
    ] {
        let yaml = format!(
            "matcher_list: {{matchers: [{{predicate: {predicate}, on_match: {{{}}}}}]}}\non_no_match: {{{}}}",
            action("found"),
            action("otherwise")
        );
        let tree = compile(&yaml).expect("a sound tree");
        assert_eq!(found(&tree, &data), outcome, "{predicate}");
    }
}

#[test]
fn an_action_that_keeps_matching_is_noted_and_the_search_goes_on() {
    let info = info();
    let request = request(&[(":path", "/a/b/c")]);
    let header = input(
        &format!("{HTTP}HttpRequestHeaderMatchInput"),
        "header_name: ':path'",
    );
    let yaml = format!(
        "matcher_tree: {{input: {header}, prefix_match_map: {{map: {{\
         /a: {{keep_matching: true, {}}}, /a/b: {{keep_matching: true, {}}}, /b: {{{}}}}}}}}}\n\
         on_no_match: {{{}}}",
        action("short"),
        action("long"),
        action("other"),
        action("last")
    );
    let tree = compile(&yaml).expect("a sound tree");
    let mut noted = Vec::new();
    let outcome = tree.find_noting(&MatchData::of_request(&request, &info), &mut |name| {
        noted.push(name.as_str());
    });
    assert_eq!(outcome, Outcome::Action(&"last".to_owned()));
    assert_eq!(noted, ["long", "short"]);
}

#[test]
fn metadata_is_asked_for_by_its_own_matcher_alone() {
    let metadata = input(
        &format!("{NETWORK}DynamicMetadataInput"),
        "filter: f, path: [{key: a}, {key: b}]",
    );
    let kind = "type.googleapis.com/envoy.extensions.matching.input_matchers.metadata.v3.Metadata";
    let matcher = |invert: bool| {
        format!(
            "custom_match: {{name: m, typed_config: {{'@type': {kind}, value: {{string_match: {{exact: x}}}}, invert: {invert}}}}}"
        )
    };
    let mut info = info();
    let request = request(&[]);
    let inner: Struct = [("b", Value::String("x".into()))].into_iter().collect();
    let outer: Struct = [("a", Value::Struct(inner))].into_iter().collect();
    for (invert, outcome) in [(false, "found"), (true, "-")] {
        let tree = one(&metadata, &matcher(invert));
        let before = found(&tree, &MatchData::of_request(&request, &info)) == "-";
        info.dynamic_metadata_mut().merge("f", outer.clone());
        let data = MatchData::of_request(&request, &info);
        assert_eq!(found(&tree, &data), outcome);
        assert!(before || invert, "nothing matches what is not there");
    }
    let yaml = format!(
        "matcher_tree: {{input: {metadata}, exact_match_map: {{map: {{a: {{{}}}}}}}}}",
        action("a")
    );
    assert_eq!(
        compile(&yaml).err().as_deref(),
        Some(
            "Unsupported data input type: dynamic_metadata, currently only string type is supported in map matcher"
        )
    );
}
