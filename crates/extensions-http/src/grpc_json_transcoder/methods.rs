//! The methods that are called by JSON, and the paths that lead to them.

use nuncio_transcoding::MAX_DEPTH;
use nuncio_transcoding::descriptor::{Field, HttpRule, Kind, MessageId, Method, Pool};
use nuncio_transcoding::request::bindings::{Binding, Step};
use nuncio_transcoding::template::{Found, Table, TableOptions, Template};

const HTTP_BODY: &str = "google.api.HttpBody";

/// A field in a message, by its names and numbers from the message outwards.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) names: Vec<Box<str>>,
    pub(super) numbers: Vec<u32>,
}

/// A method at a path.
#[derive(Debug)]
pub(super) struct Entry {
    /// `/service/method`.
    pub(super) path: Box<str>,
    pub(super) input: MessageId,
    pub(super) output: MessageId,
    pub(super) client_streams: bool,
    pub(super) server_streams: bool,
    /// Where the body goes.
    pub(super) body: Place,
    /// Whether that is an `HttpBody`, which takes a body as it is.
    pub(super) takes_http_body: bool,
    /// Where the answer's `HttpBody` is, if it is one.
    pub(super) http_body: Option<Place>,
    /// The fields of the template's variables.
    variables: Vec<Vec<Box<str>>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Methods {
    table: Table,
    entries: Vec<Entry>,
}

impl Methods {
    pub(super) fn compile(
        pool: &Pool,
        services: &[String],
        options: TableOptions,
        maps_all: bool,
    ) -> Result<Self, String> {
        let mut methods = Methods {
            table: Table::new(options),
            entries: Vec::new(),
        };
        for name in services {
            let service = pool.service(name);
            let service = service
                .ok_or_else(|| format!("Could not find '{name}' in the proto descriptor"))?;
            for method in &service.methods {
                methods.add(pool, name, method, maps_all)?;
            }
        }
        Ok(methods)
    }

    /// Whether nothing is transcoded.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add(
        &mut self,
        pool: &Pool,
        service: &str,
        method: &Method,
        maps_all: bool,
    ) -> Result<(), String> {
        let path = format!("/{service}/{}", method.name);
        let rule = match &method.http {
            Some(rule) => rule.clone(),
            None if maps_all => HttpRule {
                method: "POST".to_owned(),
                path: path.clone(),
                body: "*".to_owned(),
                ..HttpRule::default()
            },
            None => return Ok(()),
        };
        let full_name = format!("{service}.{}", method.name);
        let refuse = |words: String| format!("Cannot register '{full_name}': {words}");
        for rule in std::iter::once(&rule).chain(&rule.additional) {
            if rule.method.is_empty() {
                continue;
            }
            let entry = Entry::compile(pool, method, &path, rule, &full_name).map_err(refuse)?;
            let template = Template::parse(&rule.path)
                .ok_or_else(|| format!("Cannot register '{full_name}' to path matcher"))?;
            let variables = template.variables.iter();
            let variables = variables.map(|variable| variable.path.clone()).collect();
            // One that has the path of another is there, but is never found.
            self.table.insert(&rule.method, template);
            self.entries.push(Entry { variables, ..entry });
        }
        Ok(())
    }

    /// The method for a request, and the texts of its template's variables.
    pub(super) fn find(&self, method: &str, path: &[u8]) -> Option<(&Entry, Vec<Vec<u8>>)> {
        let Found { entry, values } = self.table.find(method, path)?;
        Some((self.entries.get(entry)?, values))
    }
}

impl Entry {
    fn compile(
        pool: &Pool,
        method: &Method,
        path: &str,
        rule: &HttpRule,
        full_name: &str,
    ) -> Result<Self, String> {
        let body = match &*rule.body {
            "" | "*" => Place::default(),
            field => place(pool, method.input, field)?.0,
        };
        let body_message = message_at(pool, method.input, &body);
        let (answer, answer_message) = match &*rule.response_body {
            "" | "*" => (Place::default(), Some(method.output)),
            field => place(pool, method.output, field)?,
        };
        let is_http_body = |message: Option<MessageId>| {
            message.is_some_and(|message| *pool.message(message).name == *HTTP_BODY)
        };
        let http_body = is_http_body(answer_message).then_some(answer);
        if http_body.is_none() && !rule.response_body.is_empty() {
            return Err(format!(
                "Setting \"response_body\" is not supported yet for non-HttpBody fields: {full_name}"
            ));
        }
        Ok(Entry {
            path: path.into(),
            input: method.input,
            output: method.output,
            client_streams: method.client_streams,
            server_streams: method.server_streams,
            takes_http_body: is_http_body(body_message),
            body,
            http_body,
            variables: Vec::new(),
        })
    }

    /// The values of the template's variables, for their fields.
    pub(super) fn bind(&self, pool: &Pool, values: Vec<Vec<u8>>) -> Result<Vec<Binding>, String> {
        let pairs = self.variables.iter().zip(values);
        pairs
            .map(|(path, value)| {
                let path = path.iter().map(|name| &**name);
                Ok(Binding {
                    path: steps(pool, self.input, path)?,
                    value,
                })
            })
            .collect()
    }
}

fn fields<'p, 'n>(
    pool: &'p Pool,
    root: MessageId,
    names: impl Iterator<Item = &'n str>,
) -> Result<Vec<&'p Field>, String> {
    let mut found = Vec::new();
    let mut message = Some(root);
    let mut name_of = &pool.message(root).name;
    for name in names {
        // Messages nest as deep as the path is long, and types that hold themselves have paths of any length.
        if found.len() == MAX_DEPTH {
            return Err(format!(
                "The path of a field has more than {MAX_DEPTH} names."
            ));
        }
        let field = message.and_then(|message| pool.message(message).field_named(name));
        let field = field
            .ok_or_else(|| format!("Could not find field \"{name}\" in the type \"{name_of}\"."))?;
        message = match field.kind {
            Kind::Message(id) => Some(id),
            _ => None,
        };
        name_of = message.map_or(&field.name, |message| &pool.message(message).name);
        found.push(field);
    }
    Ok(found)
}

/// The steps to a field by its names.
pub(super) fn steps<'n>(
    pool: &Pool,
    root: MessageId,
    names: impl Iterator<Item = &'n str>,
) -> Result<Vec<Step>, String> {
    let step = |field: &Field| Step {
        name: field.name.clone(),
        is_repeated: field.is_repeated,
    };
    Ok(fields(pool, root, names)?.into_iter().map(step).collect())
}

fn place(pool: &Pool, root: MessageId, path: &str) -> Result<(Place, Option<MessageId>), String> {
    let fields = fields(pool, root, path.split('.'))?;
    let message = fields.last().and_then(|field| match field.kind {
        Kind::Message(id) => Some(id),
        _ => None,
    });
    let place = Place {
        names: fields.iter().map(|field| field.name.clone()).collect(),
        numbers: fields.iter().map(|field| field.number).collect(),
    };
    Ok((place, message))
}

fn message_at(pool: &Pool, root: MessageId, place: &Place) -> Option<MessageId> {
    place.numbers.iter().try_fold(root, |message, number| {
        match pool.message(message).field(*number)?.kind {
            Kind::Message(id) => Some(id),
            _ => None,
        }
    })
}
