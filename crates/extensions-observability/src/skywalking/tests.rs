//! What is said of traces in `sw8`.

use super::context::{read, write};

const VALUE: &str = "1-MDAwMQ==-MDAwMg==-3-c3Zj-aW5zdA==-L3A=-YWRkcg==";

#[test]
fn what_was_written_is_read() {
    let read = read(VALUE).expect("it can be read");
    assert_eq!(read.trace_id, "0001");
    assert_eq!(read.parent_segment_id, "0002");
    assert_eq!(read.parent_span_id, 3);
    assert_eq!(read.parent_service, "svc");
    assert_eq!(read.parent_instance, "inst");
    assert_eq!(read.parent_endpoint, "/p");
    assert_eq!(read.address_used_at_peer, "addr");
    assert_eq!(write(&read), VALUE);
}

#[test]
fn what_cannot_be_read_is_nothing() {
    let broken = [
        "",
        "1-MDAwMQ==-MDAwMg==-3-c3Zj",
        "1-a-b-x-c-d-e-f",
        "2-a-b-3-c-d-e-f",
    ];
    for value in broken {
        assert!(read(value).is_none(), "{value}");
    }
    let long = format!("{VALUE}-");
    assert!(read(&long).is_none());
}

#[test]
fn a_text_that_is_no_base64_is_empty() {
    let read = read("0-MDA*MQ==-MDAwMg==-3-c3Zj-aW5zdA==-L3A=-YWRkcg==").expect("it can be read");
    assert_eq!(read.trace_id, "");
    assert_eq!(read.parent_segment_id, "0002");
}
