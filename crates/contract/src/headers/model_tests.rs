//! The map against a model: plain lists of names and values.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Names of all sorts: joined, not joined, pseudo, custom, and one that is another in a request.
const NAMES: [&str; 10] = [
    ":path",
    ":authority",
    "host",
    "via",
    "cookie",
    "x-forwarded-for",
    "set-cookie",
    "x-custom",
    "x-other",
    ":odd",
];

#[derive(Debug, Clone)]
enum Op {
    Append(usize, Vec<u8>),
    FromWire(usize, Vec<u8>),
    Line(usize, Vec<u8>),
    Join(usize, Vec<u8>),
    Set(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveAll(Vec<usize>),
    RemovePrefix(&'static [u8]),
    RemoveValue(Vec<u8>),
    /// Many headers of a name, so that slots do not suffice and entries are swept.
    Fill(usize, usize),
    Clone,
    Clear,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(b'a'..=b'c', 0..4),
        1 => Just(vec![b'z'; 5000]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), value()).prop_map(|(name, value)| Op::Append(name, value)),
        2 => (name.clone(), value()).prop_map(|(name, value)| Op::FromWire(name, value)),
        2 => (name.clone(), value()).prop_map(|(name, value)| Op::Line(name, value)),
        2 => (name.clone(), value()).prop_map(|(name, value)| Op::Join(name, value)),
        4 => (name.clone(), value()).prop_map(|(name, value)| Op::Set(name, value)),
        2 => (name.clone(), value()).prop_map(|(name, value)| Op::Replace(name, value)),
        3 => name.clone().prop_map(Op::Remove),
        1 => vec(name.clone(), 0..4).prop_map(Op::RemoveAll),
        1 => prop_oneof![Just(&b"x-"[..]), Just(&b":"[..])].prop_map(Op::RemovePrefix),
        1 => value().prop_map(Op::RemoveValue),
        1 => (name, 0..300_usize).prop_map(|(name, count)| Op::Fill(name, count)),
        1 => Just(Op::Clone),
        1 => Just(Op::Clear),
    ]
}

/// Pseudo-headers and the others, in order.
#[derive(Debug, Default)]
struct Model {
    kind: MapKind,
    pseudo: Vec<(String, Vec<u8>)>,
    others: Vec<(String, Vec<u8>)>,
}

impl Model {
    fn resolved(&self, name: &str) -> String {
        let is_authority = name == "host" && self.kind == MapKind::Request;
        if is_authority { ":authority" } else { name }.to_owned()
    }

    fn list(&mut self, name: &str) -> &mut Vec<(String, Vec<u8>)> {
        if name.starts_with(':') {
            &mut self.pseudo
        } else {
            &mut self.others
        }
    }

    fn joins(&self, name: &str) -> bool {
        Known::find(name.as_bytes()).is_some_and(|known| known.is_joined_in(self.kind))
    }

    fn first(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        let mut list = self.list(name).iter_mut();
        list.find(|header| header.0 == name)
            .map(|header| &mut header.1)
    }

    fn join(&mut self, name: &str, delimiter: &[u8], value: &[u8]) -> bool {
        let Some(first) = self.first(name) else {
            return false;
        };
        if first.is_empty() {
            *first = value.to_vec();
        } else if !value.is_empty() {
            first.extend_from_slice(delimiter);
            first.extend_from_slice(value);
        }
        true
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        let name = self.resolved(name);
        if !self.joins(&name) || !self.join(&name, b",", value) {
            self.list(&name).push((name.clone(), value.to_vec()));
        }
    }

    fn append_joined(&mut self, name: &str, value: &[u8]) {
        let name = self.resolved(name);
        let delimiter: &[u8] = if name == "cookie" { b"; " } else { b"," };
        if !self.join(&name, delimiter, value) {
            self.append(&name, value);
        }
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        let name = self.resolved(name);
        match self.first(&name) {
            None => self.append(&name, value),
            Some(first) => {
                *first = value.to_vec();
                let mut seen = false;
                self.list(&name)
                    .retain(|header| header.0 != name || !std::mem::replace(&mut seen, true));
            }
        }
    }

    fn remove_if(&mut self, condemned: impl Fn(&str, &[u8]) -> bool) -> usize {
        let before = self.pseudo.len() + self.others.len();
        for list in [&mut self.pseudo, &mut self.others] {
            list.retain(|(name, value)| !condemned(name, value));
        }
        before - self.pseudo.len() - self.others.len()
    }

    fn remove(&mut self, name: &str) -> usize {
        let name = self.resolved(name);
        self.remove_if(|other, _| other == name)
    }
}

fn key(name: &str) -> HeaderName {
    HeaderName::parse_with_pseudo(name).expect("a name")
}

fn apply(op: &Op, map: &mut HeaderMap, model: &mut Model) {
    match op {
        Op::Append(name, value) => {
            map.append(&key(NAMES[*name]), value);
            model.append(NAMES[*name], value);
        }
        Op::FromWire(name, value) => {
            map.append_from_wire(NAMES[*name].to_uppercase().as_bytes(), value);
            model.append(NAMES[*name], value);
        }
        Op::Line(name, _) if NAMES[*name].starts_with(':') => {}
        Op::Line(name, value) => {
            let name = NAMES[*name];
            let line = [name.to_uppercase().as_bytes(), b": ", value, b"\r\n"].concat();
            map.append_line(Known::find(name.as_bytes()), &line, name.len());
            model.append(name, value);
        }
        Op::Join(name, value) => {
            map.append_joined(&key(NAMES[*name]), value);
            model.append_joined(NAMES[*name], value);
        }
        Op::Set(name, value) => {
            map.set(&key(NAMES[*name]), value);
            model.set(NAMES[*name], value);
        }
        Op::Replace(name, value) => {
            map.replace(&key(NAMES[*name]), value);
            model.remove(NAMES[*name]);
            model.append(NAMES[*name], value);
        }
        Op::Remove(name) => {
            let removed = map.remove(&key(NAMES[*name]));
            assert_eq!(removed, model.remove(NAMES[*name]));
        }
        Op::RemoveAll(names) => {
            let names = names.iter().map(|name| NAMES[*name]);
            let known = names.filter_map(|name| Known::find(name.as_bytes()));
            let known: Vec<_> = known.collect();
            let removed: usize = known.iter().map(|known| model.remove(known.as_str())).sum();
            assert_eq!(map.remove_all(&KnownSet::of(&known)), removed);
        }
        Op::RemovePrefix(prefix) => {
            let removed = model.remove_if(|name, _| name.as_bytes().starts_with(prefix));
            assert_eq!(map.remove_prefix(prefix), removed);
        }
        Op::RemoveValue(value) => {
            let removed = model.remove_if(|_, other| other == value);
            assert_eq!(map.remove_if(|header| header.value == value), removed);
        }
        Op::Fill(name, count) => {
            for at in 0..*count {
                let value = [b'0' + u8::try_from(at % 10).expect("a digit")];
                map.append(&key(NAMES[*name]), &value);
                model.append(NAMES[*name], &value);
            }
        }
        Op::Clone => *map = map.clone(),
        Op::Clear => {
            map.clear();
            (model.pseudo, model.others) = Default::default();
        }
    }
}

fn check(map: &HeaderMap, model: &mut Model) {
    let pair = |(name, value): &(String, Vec<u8>)| (name.as_bytes().to_vec(), value.clone());
    let all: Vec<_> = model.pseudo.iter().chain(&model.others).map(pair).collect();
    let listed = map.iter();
    let listed: Vec<_> = listed
        .map(|header| (header.name.to_vec(), header.value.to_vec()))
        .collect();
    assert_eq!(listed, all);
    assert_eq!((map.len(), map.is_empty()), (all.len(), all.is_empty()));
    let bytes = all.iter().map(|(name, value)| name.len() + value.len());
    assert_eq!(map.byte_size(), bytes.sum::<usize>());
    assert!(!map.is_overfull());
    let lines = model.others.iter().flat_map(|(name, value)| {
        let line = [name.as_bytes(), b": ", value, b"\r\n"];
        line.concat()
    });
    let mut written = Vec::new();
    map.write_lines(&mut written);
    assert_eq!(written, lines.collect::<Vec<_>>());
    for name in NAMES {
        let resolved = model.resolved(name);
        let first = model.first(&resolved).map(|value| value.clone());
        assert_eq!(map.get(&key(name)), first.as_deref(), "{name}");
        let headers = model.pseudo.iter().chain(&model.others);
        let values = headers.filter(|header| header.0 == resolved);
        let name = key(name);
        assert!(map.get_all_named(&name).eq(values.map(|header| &*header.1)));
    }
}

proptest! {
    #[test]
    fn the_map_does_what_plain_lists_do(
        is_request in any::<bool>(),
        ops in vec(op(), 0..40),
    ) {
        let kind = if is_request { MapKind::Request } else { MapKind::Response };
        let mut map = HeaderMap::new(kind);
        let mut model = Model { kind, ..Model::default() };
        for op in &ops {
            apply(op, &mut map, &mut model);
            check(&map, &mut model);
        }
    }
}

/// Setting a value may sweep, whereupon later headers of the name stand elsewhere.
#[test]
fn a_value_that_is_set_replaces_all_of_its_name_though_entries_are_swept_meanwhile() {
    let mut map = HeaderMap::request();
    for _ in 0..30 {
        map.append(&key("x-other"), &[b'o'; 1000]);
    }
    for value in [b"1", b"2", b"3"] {
        map.append(&key("x-custom"), value);
    }
    map.remove(&key("x-other"));
    map.set(&key("x-custom"), b"longer");
    let values: Vec<_> = map
        .get_all_named(&key("x-custom"))
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(values, [b"longer".to_vec()]);
    assert_eq!(map.len(), 1);
}
