//! `injected_resource`: the pressure is what a file says, for tests.
//!
//! The file is read at the start and whenever another takes its place, as in Envoy; an edit in place is not seen.

use std::path::Path;

use nuncio_config::typed::{Ctx, FileStamp, Refused};

use super::{Monitor, proc_file};
use crate::overload::config::InjectedResource;

pub(super) struct Injected {
    path: Box<Path>,
    /// How the file looked when it was read.
    seen: FileStamp,
    last: Result<f64, String>,
}

/// Where there is no directory, no file can come.
pub(super) fn check(message: &InjectedResource, ctx: &mut Ctx) -> Result<(), Refused> {
    let path = &message.filename.value;
    let directory = Path::new(path).parent().filter(|it| *it != Path::new(""));
    if directory.is_none_or(Path::is_dir) {
        return Ok(());
    }
    let text = format!("unable to add filesystem watch for file {path}: No such file or directory");
    ctx.error(message.filename.span, text);
    Err(Refused)
}

impl Injected {
    pub(super) fn new(message: &InjectedResource) -> Self {
        let path = Path::new(&message.filename.value);
        Injected {
            path: path.into(),
            seen: FileStamp::of(path),
            last: read(path),
        }
    }
}

impl Monitor for Injected {
    fn pressure(&mut self) -> Result<f64, String> {
        let now = FileStamp::of(&self.path);
        if now.replaces(&self.seen) {
            self.seen = now;
            self.last = read(&self.path);
        }
        self.last.clone()
    }
}

fn read(path: &Path) -> Result<f64, String> {
    let text = proc_file::text(path)?;
    match text.trim_ascii().parse::<f64>() {
        Ok(pressure) if (0.0..=1.0).contains(&pressure) => Ok(pressure),
        Ok(_) => Err("pressure out of range".to_string()),
        Err(_) => Err("failed to parse injected resource pressure".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_again_when_another_takes_its_place() {
        let directory =
            std::env::temp_dir().join(format!("nuncio-injected-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory can be made");
        let path = directory.join("pressure");
        let replace = |text: &str| {
            let next = directory.join("next");
            fs::write(&next, text).expect("it can be written");
            fs::rename(&next, &path).expect("it can be moved");
        };
        let mut injected = Injected {
            path: path.as_path().into(),
            seen: FileStamp::of(&path),
            last: read(&path),
        };
        assert!(injected.pressure().is_err(), "there is no file");
        replace("0.5\n");
        assert_eq!(injected.pressure(), Ok(0.5));
        replace("1.1");
        assert_eq!(injected.pressure(), Err("pressure out of range".into()));
        replace("much");
        let why = injected.pressure().expect_err("it is no number");
        assert_eq!(why, "failed to parse injected resource pressure");
        replace("1");
        assert_eq!(injected.pressure(), Ok(1.0));
        fs::remove_dir_all(&directory).expect("it can be removed");
        assert_eq!(injected.pressure(), Ok(1.0), "what it said last counts");
    }
}
