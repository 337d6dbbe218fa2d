//! The grammar of RFC 8586: a list of ids with parameters. An id is a token or something in brackets that may be an IPv6
//! address, and perhaps a port. As in Envoy, elements may be empty, digits of addresses are taken in any case, and a
//! port may have no digits.

/// A text, and how much of it has been read.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// What stands where something else was expected.
type Step = Result<(), String>;

/// Whether a text is one id and nothing else; why not. A text that only begins with one has no reason, as in Envoy.
pub(super) fn check_id(text: &[u8]) -> Step {
    let mut reader = Reader { text, at: 0 };
    reader.id()?;
    match reader.peek() {
        None => Ok(()),
        Some(_) => Err(String::new()),
    }
}

/// How often an id stands in a header; none where the header is malformed.
pub(super) fn count(header: &[u8], id: &[u8]) -> Option<usize> {
    let mut reader = Reader {
        text: header,
        at: 0,
    };
    let mut found = 0;
    reader.skip_space();
    while let Some(byte) = reader.peek() {
        if byte == b',' {
            reader.at += 1;
        } else {
            let start = reader.at;
            reader.id().ok()?;
            found += usize::from(header.get(start..reader.at) == Some(id));
            reader.parameters().ok()?;
            match reader.peek() {
                None => break,
                Some(b',') => reader.at += 1,
                Some(_) => return None,
            }
        }
        reader.skip_space();
    }
    Some(found)
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&belongs) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Takes a byte that must be there.
    fn take(&mut self, byte: u8, what: &str) -> Step {
        let at = self.at;
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(found) => Err(format!(
                "expected {what} at position {at}; found '{}'",
                char::from(found)
            )),
            None => Err(format!(
                "expected {what} at position {at} found end-of-input"
            )),
        }
    }

    fn id(&mut self) -> Step {
        if self.peek() == Some(b'[') {
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            self.take(b']', "closing ']' of IPv6 literal")?;
        } else {
            self.token()?;
        }
        if self.peek() == Some(b':') {
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        Ok(())
    }

    fn token(&mut self) -> Step {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        match self.peek() {
            _ if self.at > start => Ok(()),
            Some(found) => Err(format!(
                "expected token starting at position {start}; found '{}'",
                char::from(found)
            )),
            None => Err(format!(
                "expected token starting at position {start}; found end of input"
            )),
        }
    }

    fn parameters(&mut self) -> Step {
        self.skip_space();
        while self.peek() == Some(b';') {
            self.at += 1;
            self.skip_space();
            self.token()?;
            self.take(b'=', "'='")?;
            match self.peek() {
                Some(b'"') => self.quoted()?,
                _ => self.token()?,
            }
            self.skip_space();
        }
        Ok(())
    }

    fn quoted(&mut self) -> Step {
        self.at += 1;
        loop {
            let text = |byte: u8| matches!(byte, b'\t' | b' '..=b'~') || byte >= 0x80;
            self.skip_while(|byte| text(byte) && !matches!(byte, b'"' | b'\\'));
            if self.peek() != Some(b'\\') {
                return self.take(b'"', "closing quote");
            }
            self.at += 1;
            if !self.peek().is_some_and(text) {
                return Err("expected escapable character".to_owned());
            }
            self.at += 1;
        }
    }
}
