//! Bytes that a config holds itself or points at: `envoy.config.core.v3.DataSource`, read once at load.
//!
//! Files are read whole; the limit on their size is the caller's. [`Ctx::files`] tells whoever runs the
//! configuration which ones to watch. `watched_directory` is refused but where the reader reads files again
//! ([`DataSource::read_quietly`]), and counts nothing where the reader asks once and says so itself
//! ([`DataSource::read_once`]).

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use crate::regular_file;

message! {
    /// Bytes from the config, a file or the environment.
    pub struct DataSource: "envoy.config.core.v3.DataSource" {
        pub(crate) oneof specifier: DataSourceSpecifier,
        pub(crate) watched_directory: Option<WatchedDirectory>,
    }
}

message! {
    /// A directory whose content is replaced by moves.
    pub struct WatchedDirectory: "envoy.config.core.v3.WatchedDirectory" {
        pub(crate) path: Spanned<String>,
        inert watch_modify = "what is written in place is read again in any case";
    }
}

one_of! {
    /// Where the bytes are.
    pub enum DataSourceSpecifier {
        filename => Filename(Spanned<String>),
        inline_bytes => InlineBytes(Vec<u8>),
        inline_string => InlineString(String),
        environment_variable => EnvironmentVariable(Spanned<String>),
    }
}

/// How what is wrong is said; Envoy has words of its own for some bytes.
pub struct Words {
    /// The file at this path can't be read.
    pub no_file: fn(&str) -> String,
    /// What it is, how many bytes there are, and how many there may be at most.
    pub too_large: fn(&DataSource, u64, usize) -> String,
}

const WORDS: Words = Words {
    no_file: |path| format!("Invalid path: {path}"),
    too_large: |_, _, limit_bytes| format!("the data is larger than {limit_bytes} bytes"),
};

impl DataSource {
    /// Whether it is a text in the configuration itself.
    pub fn is_inline_string(&self) -> bool {
        matches!(self.specifier, DataSourceSpecifier::InlineString(_))
    }

    /// The bytes; what can't be read, or is larger than `limit_bytes`, is reported.
    pub fn read(&self, limit_bytes: usize, ctx: &mut Ctx) -> Result<Vec<u8>, Refused> {
        self.read_or_say(limit_bytes, &WORDS, ctx)
    }

    /// The bytes for a reader who can do without, and who reads a file with a `watched_directory` again: none where
    /// they can't be read, are empty or more than `limit_bytes`, or where that directory is none. A file that such a
    /// reader has is not noted in [`Ctx::files`]: whoever runs the configuration need do nothing as it changes.
    pub fn read_quietly(&self, limit_bytes: usize, ctx: &mut Ctx) -> Option<Vec<u8>> {
        if self.watched_file().is_some() && !self.has_directory() {
            return None;
        }
        let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
        if let Some(path) = self.watched_file()
            && let Ok((_, bytes)) = regular_file::read(path, most)
            && !bytes.is_empty()
        {
            return Some(bytes);
        }
        let bytes = match &self.specifier {
            DataSourceSpecifier::InlineString(text) => text.clone().into_bytes(),
            DataSourceSpecifier::InlineBytes(bytes) => bytes.clone(),
            DataSourceSpecifier::Filename(path) => {
                ctx.read_file(&path.value, most.saturating_add(1)).ok()?
            }
            DataSourceSpecifier::EnvironmentVariable(name) => {
                std::env::var(&name.value).ok()?.into_bytes()
            }
        };
        (1..=limit_bytes).contains(&bytes.len()).then_some(bytes)
    }

    /// The bytes for a reader who can do without and asks for them once, whatever directory is watched; what is wrong
    /// is for that reader to tell.
    ///
    /// # Errors
    /// They cannot be read, or are more than `limit_bytes`.
    pub fn read_once(&self, limit_bytes: usize, ctx: &mut Ctx) -> Result<Vec<u8>, String> {
        let bytes = match &self.specifier {
            DataSourceSpecifier::InlineString(text) => text.clone().into_bytes(),
            DataSourceSpecifier::InlineBytes(bytes) => bytes.clone(),
            DataSourceSpecifier::Filename(path) => {
                let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
                let bytes = ctx.read_file(&path.value, most.saturating_add(1));
                bytes.map_err(|error| format!("{}: {error}", path.value))?
            }
            DataSourceSpecifier::EnvironmentVariable(name) => {
                let value = std::env::var(&name.value);
                value
                    .map_err(|_| format!("Environment variable doesn't exist: {}", name.value))?
                    .into_bytes()
            }
        };
        if bytes.len() > limit_bytes {
            return Err(format!("the data is larger than {limit_bytes} bytes"));
        }
        Ok(bytes)
    }

    /// The file that holds the bytes, if it is to be read again when something in a directory moves.
    pub fn watched_file(&self) -> Option<&str> {
        self.watched_directory.as_ref()?;
        self.filename()
    }

    fn has_directory(&self) -> bool {
        let directory = self.watched_directory.as_ref();
        directory.is_some_and(|it| std::path::Path::new(&it.path.value).is_dir())
    }

    /// The same, with the reader's own words for what is wrong.
    pub fn read_or_say(
        &self,
        limit_bytes: usize,
        words: &Words,
        ctx: &mut Ctx,
    ) -> Result<Vec<u8>, Refused> {
        if let Some(watched) = &self.watched_directory {
            let what = "field `watched_directory` of `envoy.config.core.v3.DataSource`";
            ctx.unsupported(watched.span(), what);
        }
        let bytes = match &self.specifier {
            DataSourceSpecifier::InlineString(text) => text.clone().into_bytes(),
            DataSourceSpecifier::InlineBytes(bytes) => bytes.clone(),
            DataSourceSpecifier::Filename(path) => read_file(path, limit_bytes, words, ctx)?,
            DataSourceSpecifier::EnvironmentVariable(name) => match std::env::var(&name.value) {
                Ok(value) => value.into_bytes(),
                Err(_) => {
                    let text = format!("Environment variable doesn't exist: {}", name.value);
                    ctx.error(name.span, text);
                    return Err(Refused);
                }
            },
        };
        if bytes.len() > limit_bytes {
            ctx.error(
                self.span(),
                (words.too_large)(self, self.size_bytes(&bytes), limit_bytes),
            );
            return Err(Refused);
        }
        Ok(bytes)
    }

    /// How many bytes there are; of a file that is too large only the first were read.
    fn size_bytes(&self, read: &[u8]) -> u64 {
        let of_file = self
            .filename()
            .and_then(|path| std::fs::metadata(path).ok())
            .map(|file| file.len());
        of_file.unwrap_or_else(|| u64::try_from(read.len()).unwrap_or(u64::MAX))
    }

    /// The file that holds the bytes.
    pub fn filename(&self) -> Option<&str> {
        match &self.specifier {
            DataSourceSpecifier::Filename(path) => Some(&path.value),
            _ => None,
        }
    }

    /// The same as text; what is not UTF-8 is reported.
    pub fn read_text(&self, limit_bytes: usize, ctx: &mut Ctx) -> Result<String, Refused> {
        String::from_utf8(self.read(limit_bytes, ctx)?).map_err(|_| {
            ctx.error(self.span(), "the data is not UTF-8");
            Refused
        })
    }
}

fn read_file(
    path: &Spanned<String>,
    limit_bytes: usize,
    words: &Words,
    ctx: &mut Ctx,
) -> Result<Vec<u8>, Refused> {
    // One byte more than allowed is enough to see that there is too much.
    let most = u64::try_from(limit_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    ctx.read_file(&path.value, most).map_err(|error| {
        ctx.error(path.span, (words.no_file)(&path.value))
            .note(error.to_string());
        Refused
    })
}

#[cfg(test)]
mod tests {
    use nuncio_config::span::Span;

    use super::*;

    fn spanned(text: &str) -> Spanned<String> {
        Spanned {
            value: text.to_owned(),
            span: Span::NONE,
        }
    }

    #[test]
    fn a_file_that_its_reader_watches_is_not_watched_as_one_of_the_configuration() {
        let folder = std::env::temp_dir().join(format!("nuncio-quietly-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("file");
        let read = |is_watched: bool| {
            let source = DataSource {
                __span: Span::NONE,
                specifier: DataSourceSpecifier::Filename(spanned(&path.to_string_lossy())),
                watched_directory: is_watched.then(|| WatchedDirectory {
                    __span: Span::NONE,
                    path: spanned(&folder.to_string_lossy()),
                }),
            };
            let mut ctx = Ctx::new(false);
            let bytes = source.read_quietly(9, &mut ctx);
            (bytes.map(|bytes| bytes.len()), ctx.files.len())
        };
        assert_eq!((read(true), read(false)), ((None, 1), (None, 1)));
        std::fs::write(&path, "nine byte").expect("written");
        assert_eq!((read(true), read(false)), ((Some(9), 0), (Some(9), 1)));
        std::fs::write(&path, "ten bytes!").expect("written");
        assert_eq!((read(true), read(false)), ((None, 1), (None, 1)));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
