//! The syntax of `std::regex`, which Envoy reads the expressions of statistics' tags with: ECMAScript's as libc++ has it,
//! in libc++'s words.
//!
//! Only the syntax is checked, nothing is matched. Groups nested deeper than 200 are taken unread.

type Outcome<T> = Result<T, &'static str>;

const PARENTHESES: &str = "The expression contained mismatched ( and ).";
const BRACKETS: &str = "The expression contained mismatched [ and ].";
const BRACES: &str = "The expression contained mismatched { and }.";
const BAD_BRACE: &str = "The expression contained an invalid range in a {} expression.";
const BAD_REPEAT: &str = "One of *?+{ was not preceded by a valid regular expression.";
const ESCAPE: &str = "The expression contained an invalid escaped character, or a trailing escape.";
const BACK_REFERENCE: &str = "The expression contained an invalid back reference.";
const CLASS: &str = "The expression contained an invalid character class name.";
const COLLATION: &str = "The expression contained an invalid collating element name.";
const RANGE: &str =
    "The expression contained an invalid character range, such as [b-a] in most encodings.";
const NOT_ALL: &str = "The parser did not consume the entire regular expression.";

const CLASSES: [&str; 15] = [
    "alnum", "alpha", "blank", "cntrl", "d", "digit", "graph", "lower", "print", "punct", "s",
    "space", "upper", "w", "xdigit",
];
const DEEPEST: usize = 200;

/// Whether a text is an expression, or why not.
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    let mut reader = Reader {
        rest: pattern,
        groups: 0,
    };
    reader.alternatives(0)?;
    match reader.rest {
        "" => Ok(()),
        _ => Err(NOT_ALL),
    }
}

struct Reader<'p> {
    rest: &'p str,
    groups: usize,
}

impl<'p> Reader<'p> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let first = self.peek()?;
        self.rest = self.rest.strip_prefix(first)?;
        Some(first)
    }

    fn take(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn alternatives(&mut self, depth: usize) -> Outcome<()> {
        if depth > DEEPEST {
            self.rest = "";
            return Ok(());
        }
        loop {
            while self.term(depth)? {}
            if !self.take("|") {
                return Ok(());
            }
        }
    }

    /// One thing and how often; whether there was one.
    fn term(&mut self, depth: usize) -> Outcome<bool> {
        if ["^", "$", "\\b", "\\B"].iter().any(|mark| self.take(mark)) {
            return Ok(true);
        }
        if self.take("(?=") || self.take("(?!") {
            self.group(depth)?;
            return Ok(true);
        }
        match self.peek() {
            None | Some(')' | '|' | ']' | '}') => return Ok(false),
            Some('*' | '+' | '?' | '{') => return Err(BAD_REPEAT),
            Some('(') => {
                self.groups += usize::from(!self.rest.starts_with("(?:"));
                if !self.take("(?:") {
                    self.next();
                }
                self.group(depth)?;
            }
            Some('[') => {
                self.next();
                self.bracket()?;
            }
            Some('\\') => {
                self.next();
                self.escape()?;
            }
            Some(_) => drop(self.next()),
        }
        self.quantifier()?;
        Ok(true)
    }

    fn group(&mut self, depth: usize) -> Outcome<()> {
        self.alternatives(depth + 1)?;
        match self.take(")") || depth >= DEEPEST {
            true => Ok(()),
            false => Err(PARENTHESES),
        }
    }

    fn quantifier(&mut self) -> Outcome<()> {
        if self.take("{") {
            let least = self.number().ok_or(BAD_BRACE)?;
            if self.take(",") {
                let most = self.number();
                if most.is_some_and(|most| most < least) {
                    return Err(BAD_BRACE);
                }
            }
            if !self.take("}") {
                let is_word = self.peek().is_some();
                return Err(if is_word { BAD_BRACE } else { BRACES });
            }
        } else if !["*", "+", "?"].iter().any(|mark| self.take(mark)) {
            return Ok(());
        }
        self.take("?");
        Ok(())
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        (digits > 0).then(|| number.parse().unwrap_or(u64::MAX))
    }

    /// What follows a backslash outside of brackets.
    fn escape(&mut self) -> Outcome<()> {
        if matches!(self.peek(), Some('1'..='9')) {
            let group = self.number().and_then(|group| usize::try_from(group).ok());
            return match group {
                Some(group) if group <= self.groups => Ok(()),
                _ => Err(BACK_REFERENCE),
            };
        }
        self.character().map(|_| ())
    }

    /// The character that an escape means; none if it means a class of them.
    fn character(&mut self) -> Outcome<Option<char>> {
        let hex = |reader: &mut Self, digits: usize| {
            let (code, rest) = reader.rest.split_at_checked(digits).ok_or(ESCAPE)?;
            let code = Some(code).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
            reader.rest = rest;
            let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
            Ok(Some(code.and_then(char::from_u32).ok_or(ESCAPE)?))
        };
        match self.next().ok_or(ESCAPE)? {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Ok(None),
            '0' => Ok(Some('\0')),
            'f' => Ok(Some('\x0c')),
            'n' => Ok(Some('\n')),
            'r' => Ok(Some('\r')),
            't' => Ok(Some('\t')),
            'v' => Ok(Some('\x0b')),
            'c' => match self.next() {
                Some(letter) if letter.is_ascii_alphabetic() => Ok(Some(letter)),
                _ => Err(ESCAPE),
            },
            'x' => hex(self, 2),
            'u' => hex(self, 4),
            other if other.is_ascii_alphanumeric() => Err(ESCAPE),
            other => Ok(Some(other)),
        }
    }

    /// What follows `[`, to its `]`.
    fn bracket(&mut self) -> Outcome<()> {
        self.take("^");
        while !self.take("]") {
            let first = self.item()?;
            if self.rest.starts_with("-]") || !self.take("-") {
                continue;
            }
            let last = self.item()?;
            match (first, last) {
                (Some(first), Some(last)) if first <= last => {}
                _ => return Err(RANGE),
            }
        }
        Ok(())
    }

    /// A character in brackets; none if it is a class.
    fn item(&mut self) -> Outcome<Option<char>> {
        if self.take("[:") {
            let name = self.up_to(":]")?;
            return if CLASSES.contains(&name) {
                Ok(None)
            } else {
                Err(CLASS)
            };
        }
        let end = match self.rest.get(..2) {
            Some("[.") => ".]",
            Some("[=") => "=]",
            _ => {
                return match self.next().ok_or(BRACKETS)? {
                    '\\' if self.take("b") => Ok(Some('\x08')),
                    '\\' => self.character(),
                    plain => Ok(Some(plain)),
                };
            }
        };
        self.rest = self.rest.get(2..).unwrap_or("");
        let mut name = self.up_to(end)?.chars();
        match (name.next(), name.next()) {
            (Some(one), None) => Ok(Some(one)),
            _ => Err(COLLATION),
        }
    }

    fn up_to(&mut self, end: &str) -> Outcome<&'p str> {
        let (name, rest) = self.rest.split_once(end).ok_or(BRACKETS)?;
        self.rest = rest;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libcxx_takes_is_taken() {
        for pattern in [
            "a+?", "(?=a)b", "(?!a)", "(?:a)", "(a)\\1", "[[.x.]]", "\\d+", "\\cA", "\\x41", "|",
            "()", "\\bx", "[]", "[^]", "\\_", "\\-", "\\.", "\\0", "", "a{1,2}", "a{2,}?",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_libcxx_refuses_is_refused_in_its_words() {
        let cases: &[(&str, &[&str])] = &[
            (PARENTHESES, &["((", "(a"]),
            (NOT_ALL, &["a)", "a]", "a}", "}"]),
            (BRACKETS, &["[a", "[z"]),
            (BRACES, &["a{1"]),
            (BAD_BRACE, &["a{", "a{2,1}", "a{x}", "a{,3}"]),
            (
                BAD_REPEAT,
                &[
                    "{1}",
                    "*a",
                    "a**",
                    "a++",
                    "(?<a>b)",
                    "(?i)a",
                    "^*",
                    "(*a)",
                    "a|*",
                    "a{1,2}{3}",
                    "(?",
                ],
            ),
            (
                ESCAPE,
                &["\\", "\\q", "\\c", "\\x4", "\\u12", "\\p{L}", "[\\q]"],
            ),
            (BACK_REFERENCE, &["\\1", "\\8"]),
            (CLASS, &["[[:foo:]]"]),
            (COLLATION, &["[[.foo.]]"]),
            (RANGE, &["[b-a]", "[\\d-z]", "[a-\\d]"]),
        ];
        for (words, patterns) in cases {
            for pattern in *patterns {
                assert_eq!(check(pattern), Err(*words), "{pattern}");
            }
        }
    }
}
