//! What calls prove (`call_credentials`): tokens, and secrets that are in files.
//!
//! A file is read anew for each call, as in Envoy, since those who hand tokens out replace them. A call whose
//! file cannot be read, is larger than [`MOST_SECRET_BYTES`] or holds what no header can, fails. Only regular files are
//! read.

use nuncio_config::typed::{Ctx, Refused};

use super::messages::{CallCredentialKind, FileBasedMetadata, GoogleGrpc, Plugin, PluginConfig};
use super::{DEFAULT_FACTORY, FILE_FACTORY, MOST_BYTES, header};
use crate::headers::{HeaderMap, HeaderName};
use crate::regular_file;

/// The largest file whose secret a call proves.
const MOST_SECRET_BYTES: u64 = 64 << 10;

/// One header of calls.
#[derive(Debug)]
pub(super) struct Proof {
    name: HeaderName,
    /// What is known already of the value; the rest is in the file.
    known: Vec<u8>,
    file: Option<Box<str>>,
}

impl Proof {
    /// Puts it into a head; false if it cannot be had.
    pub(super) fn set(&self, head: &mut HeaderMap) -> bool {
        let Some(path) = &self.file else {
            head.append(&self.name, &self.known);
            return true;
        };
        let Ok((_, secret)) = regular_file::read(&**path, MOST_SECRET_BYTES) else {
            return false;
        };
        if !is_clean(&secret) {
            return false;
        }
        head.append(&self.name, &[self.known.as_slice(), &secret].concat());
        true
    }
}

/// Whether gRPC takes it as the value of a header.
fn is_clean(value: &[u8]) -> bool {
    value.iter().all(|byte| (0x20..0x7f).contains(byte))
}

impl GoogleGrpc {
    /// What its calls prove.
    pub(super) fn proofs(&self, ctx: &mut Ctx) -> Result<Vec<Proof>, Refused> {
        let factory = &self.credentials_factory_name;
        if !["", DEFAULT_FACTORY, FILE_FACTORY].contains(&factory.value.as_str()) {
            let what = format_args!("credentials' factory `{}`", factory.value);
            return Err(ctx.unsupported_here(factory.span, what));
        }
        let mut all = Vec::new();
        for credential in &self.call_credentials {
            all.push(match &credential.credential_specifier {
                CallCredentialKind::Token(token) => Proof {
                    name: header("authorization", token.span, ctx)?,
                    known: format!("Bearer {}", token.value).into_bytes(),
                    file: None,
                },
                CallCredentialKind::Plugin(plugin) => plugin.compile(ctx)?,
            });
        }
        Ok(all)
    }
}

impl Plugin {
    fn compile(&self, ctx: &mut Ctx) -> Result<Proof, Refused> {
        let Some(PluginConfig::Typed(config)) = &self.config_type else {
            let what = format_args!("plugin `{}` without a configuration", self.name.value);
            return Err(ctx.unsupported_here(self.name.span, what));
        };
        if self.name.value != FILE_FACTORY {
            let what = format_args!("credentials' plugin `{}`", self.name.value);
            return Err(ctx.unsupported_here(self.name.span, what));
        }
        let config: FileBasedMetadata = config.decode(ctx)?;
        let name = match config.header_key.value.as_str() {
            "" => "authorization",
            name => name,
        };
        let name = header(name, config.header_key.span, ctx)?;
        let mut known = config.header_prefix.clone().into_bytes();
        let source = config.secret_data.as_ref();
        let file = source.and_then(|source| source.filename());
        if let Some(source) = source.filter(|_| file.is_none()) {
            known.extend(source.read(MOST_BYTES, ctx)?);
        }
        if !is_clean(&known) {
            let text = "the secret has bytes that no header can have";
            ctx.error(config.span(), text);
            return Err(Refused);
        }
        let file = file.map(Into::into);
        Ok(Proof { name, known, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_its_file_holds_at_that_time() {
        let dir = std::env::temp_dir().join(format!("nuncio-proof-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let path = dir.join("token");
        let proof = Proof {
            name: HeaderName::parse("authorization").expect("a name"),
            known: b"Bearer ".to_vec(),
            file: path.to_str().map(Into::into),
        };
        let told = |secret: &str| {
            std::fs::write(&path, secret).expect("a file");
            let mut head = HeaderMap::request();
            proof.set(&mut head).then(|| {
                let value = head.get(&proof.name).expect("a value");
                String::from_utf8_lossy(value).into_owned()
            })
        };
        assert_eq!(told("first").as_deref(), Some("Bearer first"));
        assert_eq!(told("second").as_deref(), Some("Bearer second"));
        assert_eq!(told("a\nb"), None);
        assert_eq!(told(&"x".repeat((64 << 10) + 1)), None);
        assert!(told(&"x".repeat(64 << 10)).is_some());
        std::fs::remove_dir_all(&dir).expect("the folder");
        assert!(!proof.set(&mut HeaderMap::request()));
    }
}
