//! Formats that a real Envoy 1.40 refuses, with its texts, and odd ones that it takes.

use crate::formatter::Format;

fn refusal(format: &str) -> String {
    Format::compile(format).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn bad_formats_are_refused_in_envoys_words() {
    for (format, text) in [
        (
            "%",
            "Incorrect configuration: %. Couldn't find valid command at position 0",
        ),
        (
            "%%%",
            "Incorrect configuration: %%%. Couldn't find valid command at position 2",
        ),
        (
            "%REQ(%",
            "Incorrect configuration: %REQ(%. Couldn't find valid command at position 0",
        ),
        ("%REQ()%", "REQ requires parameters"),
        ("%REQ%", "REQ requires parameters"),
        (
            "%PROTOCOL(X)%",
            "PROTOCOL does not take any parameters or length",
        ),
        (
            "%PROTOCOL:3%",
            "PROTOCOL does not take any parameters or length",
        ),
        ("%NOPE%", "Not supported field in StreamInfo: NOPE"),
        (
            "%REQ(a?b?c)%",
            "More than 1 alternative header specified in token: a?b?c",
        ),
        (
            "%REQ(a b)%",
            "Invalid header configuration. Format string contains invalid characters.",
        ),
        (
            "%RESPONSE_CODE_DETAILS(X):3%",
            "RESPONSE_CODE_DETAILS does not allow length to be specified.",
        ),
        (
            "%START_TIME(%Y%n)%",
            "Invalid header configuration. Format string contains newline.",
        ),
        (
            "%START_TIME(%Y):3%",
            "START_TIME does not allow length to be specified.",
        ),
        (
            "%COMMON_DURATION(a)%",
            "Invalid common duration configuration: a.",
        ),
        (
            "%COMMON_DURATION(a:b:c:d)%",
            "Invalid common duration configuration: a:b:c:d.",
        ),
        (
            "%COMMON_DURATION(a:b:s)%",
            "Invalid common duration precision: s.",
        ),
        ("%COMMON_DURATION%", "COMMON_DURATION requires parameters"),
        ("%DYNAMIC_METADATA%", "DYNAMIC_METADATA requires parameters"),
        (
            "%CLUSTER_METADATA(a:b):3%",
            "CLUSTER_METADATA does not allow length to be specified.",
        ),
        (
            "%FILTER_STATE%",
            "Invalid filter state configuration, key cannot be empty.",
        ),
        (
            "%FILTER_STATE(a:X)%",
            "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.",
        ),
        (
            "%FILTER_STATE(a:FIELD)%",
            "Invalid filter state serialize type, FIELD should be used with the field name.",
        ),
        (
            "%FILTER_STATE(a:PLAIN:x)%",
            "Invalid filter state serialize type, FIELD should be used with the field name.",
        ),
        (
            "%REQUESTED_SERVER_NAME(X)%",
            "Invalid REQUESTED_SERVER_NAME option: 'X', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed",
        ),
        (
            "%REQUESTED_SERVER_NAME(SNI_ONLY:X)%",
            "Invalid REQUESTED_SERVER_NAME option: 'X', only 'ORIG_OR_HOST'/'HOST'/'ORIG' are allowed",
        ),
        (
            "%PATH(X)%",
            "Invalid PATH option: 'X', only 'WQ'/'NQ' are allowed",
        ),
        (
            "%PATH(WQ:X)%",
            "Invalid PATH option: 'X', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed",
        ),
        (
            "%QUERY_PARAMS(X)%",
            "Invalid QUERY_PARAMS option: 'X', only 'ORIG'/'DECODED' are allowed",
        ),
        ("%QUERY_PARAM%", "QUERY_PARAM requires parameters"),
        (
            "%GRPC_STATUS(X)%",
            "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: X",
        ),
        ("%COALESCE()%", "COALESCE requires parameters"),
        (
            "%COALESCE({})%",
            "COALESCE: JSON configuration must contain 'operators' array",
        ),
        (
            "%COALESCE({\"operators\":1})%",
            "COALESCE: 'operators' must be an array: key 'operators' missing or not an array from lines 1-1",
        ),
        (
            "%COALESCE({\"operators\":[]})%",
            "COALESCE: 'operators' array must not be empty",
        ),
        (
            "%COALESCE({\"operators\":[1]})%",
            "COALESCE: failed to parse operator at index 0: operator entry must be either a string (command name) or an object with 'command' field",
        ),
        (
            "%COALESCE({\"operators\":[{}]})%",
            "COALESCE: failed to parse operator at index 0: operator object must have 'command' field: key 'command' missing or not a string from lines 1-1",
        ),
        (
            "%COALESCE({\"operators\":[\"NOPE\"]})%",
            "COALESCE: failed to parse operator at index 0: unknown command: 'NOPE'",
        ),
        (
            "%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":1}]})%",
            "COALESCE: failed to parse operator at index 0: 'param' field must be a string: key 'param' missing or not a string from lines 1-1",
        ),
        (
            "%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\"a\",\"max_length\":\"x\"}]})%",
            "COALESCE: failed to parse operator at index 0: 'max_length' field must be an integer: key 'max_length' missing or not an integer from lines 1-1",
        ),
        (
            "%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\"a\",\"max_length\":0}]})%",
            "COALESCE: failed to parse operator at index 0: 'max_length' must be a positive integer",
        ),
        (
            "%COALESCE({\"operators\":[{\"command\":\"REQ\"}]})%",
            "COALESCE: failed to parse operator at index 0: REQ requires parameters",
        ),
        ("%METADATA(X:a)%", "X is not supported type of metadata"),
        ("%METADATA%", " is not supported type of metadata"),
        (
            "%REQ(a):99999999999999999999999%",
            "Incorrect configuration: %REQ(a):99999999999999999999999%. Couldn't find valid command at position 0",
        ),
        (
            "abc %lower%",
            "Incorrect configuration: abc %lower%. Couldn't find valid command at position 4",
        ),
        (
            "%REQ(a)b)%",
            "Invalid header configuration. Format string contains invalid characters.",
        ),
        (
            "%HOSTNAME:3%",
            "HOSTNAME does not take any parameters or length",
        ),
        ("%ENVIRONMENT%", "ENVIRONMENT requires parameters"),
        (
            "%START_TIME(%-5n)%",
            "Invalid header configuration. Format string contains newline.",
        ),
        (
            "%DOWNSTREAM_PEER_CERT_V_START(%n)%",
            "Invalid header configuration. Format string contains newline.",
        ),
        (
            "%TRAILER(a)%:3%",
            "Incorrect configuration: %TRAILER(a)%:3%. Couldn't find valid command at position 14",
        ),
        (
            "%REQ(::)%",
            "Invalid header configuration. Format string contains invalid characters.",
        ),
        (
            "%REQ(a,b)%",
            "Invalid header configuration. Format string contains invalid characters.",
        ),
        (
            "%LOCAL_REPLY_BODY(x)%",
            "LOCAL_REPLY_BODY does not take any parameters or length",
        ),
        (
            "%UNIQUE_ID(x)%",
            "UNIQUE_ID does not take any parameters or length",
        ),
        (
            "%TRACE_ID(x)%",
            "TRACE_ID does not take any parameters or length",
        ),
    ] {
        assert_eq!(refusal(format), text, "{format}");
    }
}

#[test]
fn odd_formats_that_envoy_takes_are_taken() {
    for format in [
        "%PROTOCOL()%",
        "%REQ(a?)%",
        "%REQ(?a)%",
        "%RESPONSE_CODE_DETAILS(X)%",
        "%START_TIME(%)%",
        "%COMMON_DURATION(a:b)%",
        "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(x)%",
        "%START_TIME(%E9n)%",
        "%STREAM_INFO_REQ(a)%",
        "%REQ(:path)%",
        "%COALESCE({\"operators\":[\"PROTOCOL\"]}):0%",
        "%UPSTREAM_METADATA(a)%",
        "%DYNAMIC_METADATA(a:):3%",
    ] {
        assert_eq!(refusal(format), "", "{format}");
    }
}

#[test]
fn commands_that_nothing_fills_yet_are_refused_as_such() {
    assert_eq!(
        refusal("%XFCC_VALUE(URI)%"),
        "%XFCC_VALUE% is not supported by Nuncio yet"
    );
}

#[test]
fn a_command_of_a_formatter_extension_is_unknown_without_it() {
    assert_eq!(
        refusal("%REQ_WITHOUT_QUERY(:PATH)%"),
        "Not supported field in StreamInfo: REQ_WITHOUT_QUERY"
    );
}
