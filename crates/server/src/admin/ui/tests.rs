//! The page, its files and its views.

use crate::admin::testing::TestServer;
use crate::admin::{AdminRequest, handle};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn start_page(accept: &str) -> String {
    let request = AdminRequest {
        accept,
        ..AdminRequest::new("GET", "/")
    };
    let response = handle(&TestServer::default(), &request);
    String::from_utf8(response.body.collect()).expect("UTF-8")
}

#[test]
fn browsers_get_the_page_and_others_the_commands() {
    assert!(start_page(BROWSER).contains("ui/main.js"));
    for accept in ["", "*/*", "application/json"] {
        assert!(
            start_page(accept).contains("<h1>Nuncio Admin</h1>"),
            "{accept}"
        );
    }
    let commands = TestServer::default().body("/commands");
    assert_eq!(commands, start_page("*/*"));
}

#[test]
fn nothing_from_elsewhere_and_nothing_inline_may_run() {
    let request = AdminRequest {
        accept: BROWSER,
        ..AdminRequest::new("GET", "/")
    };
    let response = handle(&TestServer::default(), &request);
    let policy = response
        .all_headers()
        .find(|(name, _)| *name == "content-security-policy")
        .map(|(_, value)| value)
        .expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    let page = start_page(BROWSER);
    for part in [
        "http://",
        "https://",
        " style=",
        " onclick=",
        "<style",
        "javascript:",
    ] {
        assert!(!page.contains(part), "{part}");
    }
}

#[test]
fn every_file_that_is_loaded_is_there_and_none_makes_markup_of_texts() {
    let server = TestServer::default();
    let page = start_page(BROWSER);
    for file in super::assets::FILES {
        let (status, content_type, text) = server.get(&format!("/ui/{}", file.name));
        assert_eq!(
            (status, content_type),
            (200, file.content_type),
            "{}",
            file.name
        );
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(sink), "{} uses {sink}", file.name);
        }
        for line in text.lines().filter(|line| line.starts_with("import ")) {
            let from = line
                .split("\"./")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let from = from.expect("a file beside it");
            let is_there = super::assets::FILES.iter().any(|file| file.name == from);
            assert!(is_there, "{}: {from}", file.name);
        }
    }
    for name in page
        .split("\"ui/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert_eq!(server.get(&format!("/ui/{name}")).0, 200, "{name}");
    }
    assert_eq!(server.get("/ui/nope.js").0, 404);
    assert_eq!(server.get("/ui/../state.rs").0, 404);
}

#[test]
fn clusters_come_a_page_at_a_time() {
    let server = TestServer::default();
    let all = server.body("/ui/clusters");
    assert!(all.contains("\"total\": 2") && all.contains("\"matching\": 2"));
    assert!(all.contains("\"name\": \"eds_like\"") && all.contains("\"name\": \"service_dns\""));
    let second = server.body("/ui/clusters?offset=1&limit=1");
    assert!(!second.contains("eds_like") && second.contains("service_dns"));
    let filtered = server.body("/ui/clusters?filter=EDS");
    assert!(filtered.contains("\"matching\": 1") && filtered.contains("\"healthy\": 0"));
    let picked = server.body("/ui/clusters?name=service_dns&name=nope");
    assert!(picked.contains("\"matching\": 1") && picked.contains("\"total\": 2"));
}

#[test]
fn clusters_can_be_sorted_by_what_goes_wrong() {
    let server = TestServer::default();
    let first = |path: &str| -> bool {
        let text = server.body(path);
        text.find("service_dns") < text.find("eds_like")
    };
    assert!(first("/ui/clusters?sort=errors"), "it has an error");
    assert!(!first("/ui/clusters?sort=unhealthy"), "its host is healthy");
    assert!(!first("/ui/clusters?sort=name"));
}

#[test]
fn hosts_are_shown_of_one_cluster() {
    let server = TestServer::default();
    let hosts = server.body("/ui/hosts?cluster=service_dns");
    assert!(
        hosts.contains("\"address\": \"[::1]:28200\"") && hosts.contains("\"health\": \"healthy\"")
    );
    assert_eq!(server.get("/ui/hosts?cluster=nope").0, 404);
}

#[test]
fn routes_are_shown_of_one_listener() {
    let server = TestServer::default();
    let listeners = server.body("/ui/listeners");
    assert!(
        listeners.contains("\"name\": \"listener_0\""),
        "{listeners}"
    );
    let routes = server.body("/ui/routes?listener=listener_0");
    assert!(routes.contains("\"clusters\": ["), "{routes}");
    let none = server.body("/ui/routes?listener=listener_0&filter=zzzz");
    assert!(none.contains("\"matching\": 0"));
    assert_eq!(server.get("/ui/routes?listener=nope").0, 404);
}

#[test]
fn names_of_the_configuration_stay_data() {
    let mut server = TestServer::default();
    let name = "<script>alert(1)</script>";
    if let Some(cluster) = server.clusters.first_mut() {
        cluster.name = name.to_owned();
    }
    let (_, content_type, text) = server.get("/ui/clusters");
    assert_eq!(content_type, "application/json");
    // As protobuf's JSON has it, so that not even a browser that guesses sees a tag.
    assert!(!text.contains(name) && text.contains("\\u003cscript\\u003e"));
}
