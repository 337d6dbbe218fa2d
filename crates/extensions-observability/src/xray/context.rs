//! The header `x-amzn-trace-id`: fields with a `;` between them, of which `root`, `parent` and `sampled` are known in any case.

/// What a client says of its trace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace_id: String,
    pub(super) parent_id: String,
    /// None if it does not say so.
    pub(super) is_sampled: Option<bool>,
}

/// As in Envoy what is there counts, whatever it looks like, all in lower case.
pub(super) fn read(value: &str) -> Context {
    let value = value.to_ascii_lowercase();
    let mut context = Context::default();
    for field in value.split(';') {
        match field.split_once('=') {
            Some(("root", id)) => id.clone_into(&mut context.trace_id),
            Some(("parent", id)) => id.clone_into(&mut context.parent_id),
            Some(("sampled", sampled)) => {
                context.is_sampled = match sampled {
                    "0" => Some(false),
                    "1" => Some(true),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    context
}

/// What a host is told of the trace.
pub(super) fn write(trace_id: &str, id: &str, is_sampled: bool) -> String {
    let sampled = u8::from(is_sampled);
    format!("Root={trace_id};Parent={id};Sampled={sampled}")
}
