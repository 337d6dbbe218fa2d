//! Reads templates, whose grammar is in `google/api/http.proto`.

/// A segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// These characters.
    Literal(Box<str>),
    /// `*`: one segment.
    Any,
    /// `**`: all segments that are left.
    Rest,
}

/// A variable: segments whose text is the value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The field, by its names from the message outwards.
    pub path: Vec<Box<str>>,
    /// The first of its segments.
    pub begin: usize,
    /// The one behind its last.
    pub end: usize,
}

/// A template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Its segments.
    pub segments: Vec<Segment>,
    /// What is behind a colon at the end.
    pub verb: Box<str>,
    /// Its variables.
    pub variables: Vec<Variable>,
}

struct Reader<'a> {
    rest: &'a str,
    template: Template,
    is_in_variable: bool,
}

impl Template {
    /// Reads a template; none if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "/" {
            return Some(Template::default());
        }
        let mut reader = Reader {
            rest: text.strip_prefix('/')?,
            template: Template::default(),
            is_in_variable: false,
        };
        reader.segments()?;
        if let Some(verb) = reader.rest.strip_prefix(':') {
            if verb.is_empty() || verb.contains(['/', '{', '}', '*']) {
                return None;
            }
            reader.template.verb = verb.into();
            reader.rest = "";
        }
        let template = reader.template;
        let rest = template
            .segments
            .iter()
            .position(|one| *one == Segment::Rest);
        let rest_is_last = rest.is_none_or(|at| at + 1 == template.segments.len());
        (reader.rest.is_empty() && rest_is_last).then_some(template)
    }
}

impl Reader<'_> {
    fn takes(&mut self, what: &str) -> bool {
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn segments(&mut self) -> Option<()> {
        loop {
            self.segment()?;
            if !self.takes("/") {
                return Some(());
            }
        }
    }

    fn segment(&mut self) -> Option<()> {
        if self.takes("**") {
            self.template.segments.push(Segment::Rest);
        } else if self.takes("*") {
            self.template.segments.push(Segment::Any);
        } else if self.takes("{") {
            self.variable()?;
        } else {
            let literal = self.word(&['/', ':', '{', '}', '*', '='])?;
            self.template.segments.push(Segment::Literal(literal));
        }
        Some(())
    }

    fn word(&mut self, ends: &[char]) -> Option<Box<str>> {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| word.into())
    }

    fn variable(&mut self) -> Option<()> {
        if std::mem::replace(&mut self.is_in_variable, true) {
            return None;
        }
        let name = self.word(&['/', ':', '{', '}', '*', '='])?;
        let path: Vec<Box<str>> = name.split('.').map(Into::into).collect();
        if path.iter().any(|name| name.is_empty()) {
            return None;
        }
        let begin = self.template.segments.len();
        match self.takes("=") {
            true => self.segments()?,
            false => self.template.segments.push(Segment::Any),
        }
        self.is_in_variable = false;
        let end = self.template.segments.len();
        self.template.variables.push(Variable { path, begin, end });
        self.takes("}").then_some(())
    }
}
