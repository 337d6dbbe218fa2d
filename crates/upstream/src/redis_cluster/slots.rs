//! What a host says to `CLUSTER SLOTS`: ranges of slots, and who has them, the primary first.

use nuncio_codec::resp::Value;

use super::SLOT_COUNT;

/// Who has a range of slots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlotRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) primary: Node,
    pub(crate) replicas: Vec<Node>,
}

/// A host as it is named there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// An IP address, or a name.
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
}

/// All ranges; none if anything is not as it has to be.
pub(crate) fn read(answer: &Value) -> Option<Vec<SlotRange>> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let ranges: Option<Vec<_>> = parts.iter().map(range).collect();
    ranges.filter(|ranges| !ranges.is_empty())
}

fn range(part: &Value) -> Option<SlotRange> {
    let Value::Array(fields) = part else {
        return None;
    };
    let [
        Value::Integer(first),
        Value::Integer(last),
        primary,
        replicas @ ..,
    ] = fields.as_slice()
    else {
        return None;
    };
    let slot = |number: &i64| u16::try_from(*number).ok().filter(|it| *it < SLOT_COUNT);
    Some(SlotRange {
        first: slot(first)?,
        last: slot(last)?,
        primary: node(primary)?,
        replicas: replicas.iter().map(node).collect::<Option<_>>()?,
    })
}

fn node(value: &Value) -> Option<Node> {
    let Value::Array(fields) = value else {
        return None;
    };
    let [Value::Bulk(name), Value::Integer(port), ..] = fields.as_slice() else {
        return None;
    };
    let name = std::str::from_utf8(name).ok()?;
    Some(Node {
        name: Some(name).filter(|name| !name.is_empty())?.into(),
        port: u16::try_from(*port).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node_value(name: &str, port: i64) -> Value {
        Value::Array(vec![
            Value::bulk(name),
            Value::Integer(port),
            Value::bulk("id"),
        ])
    }

    fn answer(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        let mut fields = vec![Value::Integer(first), Value::Integer(last)];
        fields.extend(nodes);
        Value::Array(vec![Value::Array(fields)])
    }

    #[test]
    fn ranges_name_their_hosts() {
        let nodes = vec![node_value("10.0.0.1", 1), node_value("b", 2)];
        let ranges = read(&answer(0, 16383, nodes)).expect("it is whole");
        let [range] = ranges.as_slice() else {
            panic!("one range was said")
        };
        assert_eq!((range.first, range.last), (0, 16383));
        assert_eq!(&*range.primary.name, "10.0.0.1");
        assert_eq!(range.replicas.len(), 1);
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        let node = || node_value("a", 1);
        for wrong in [
            Value::Array(Vec::new()),
            Value::error("ERR"),
            answer(0, 1, Vec::new()),
            answer(0, 16384, vec![node()]),
            answer(-1, 1, vec![node()]),
            answer(0, 1, vec![Value::Null]),
            answer(0, 1, vec![node_value("", 1)]),
            answer(0, 1, vec![node_value("a", 65536)]),
            answer(0, 1, vec![node(), Value::Array(Vec::new())]),
        ] {
            assert_eq!(read(&wrong), None, "{wrong:?}");
        }
    }
}
