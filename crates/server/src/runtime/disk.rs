//! A layer on disk: a directory with a file for each value, the directories on the way to it being parts of its name.
//!
//! As Envoy reads it: lines that begin with `#` and empty lines do not count; the last line loses the white space at
//! its end, as does any that is the same. Limits: 10,000 values, 1 MiB each and 64 MiB together, 16 directories inside
//! of each other. What is neither a file nor a directory is passed over.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nuncio_config::runtime::RuntimeValue;

use super::config::DiskLayer;
use super::{Values, names};

const MOST_VALUES: usize = 10_000;
const MOST_BYTES: u64 = 1 << 20;
const MOST_BYTES_TOGETHER: u64 = 64 << 20;
const MOST_LEVELS: usize = 16;

/// A layer on disk.
pub(super) struct Disk {
    /// What is watched: usually a symbolic link that is swapped.
    pub(super) root: Box<Path>,
    directory: Box<Path>,
}

/// What a root is; a directory's own changes do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Looks(Option<(u64, u64, Option<PathBuf>)>);

impl Looks {
    pub(super) fn of(root: &Path) -> Self {
        let metadata = fs::symlink_metadata(root).ok();
        Looks(metadata.map(|file| (file.dev(), file.ino(), fs::read_link(root).ok())))
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Walk {
    values: Values,
    bytes: u64,
}

impl Disk {
    pub(super) fn new(message: &DiskLayer, service_cluster: &str) -> Self {
        let mut directory = format!("{}/{}", message.symlink_root, message.subdirectory);
        if message.append_service_cluster {
            directory = format!("{directory}/{service_cluster}");
        }
        Disk {
            root: Path::new(&message.symlink_root).into(),
            directory: Path::new(&directory).into(),
        }
    }

    /// Its values; none if there is no such directory.
    pub(super) fn load(&self) -> Result<Option<Values>, String> {
        if !self.directory.is_dir() {
            return Ok(None);
        }
        let mut walk = Walk::default();
        walk.directory(&self.directory, "", 1)?;
        Ok(Some(walk.values))
    }
}

impl Walk {
    fn directory(&mut self, path: &Path, prefix: &str, level: usize) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        if level > MOST_LEVELS {
            let path = path.display();
            return Err(format!(
                "{path} is inside of more than {MOST_LEVELS} directories"
            ));
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let name = match prefix {
                "" => name,
                prefix => format!("{prefix}.{name}"),
            };
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(file) if file.is_dir() => self.directory(&path, &name, level + 1)?,
                Ok(file) if file.is_file() => self.file(&path, name)?,
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: String) -> Result<(), String> {
        let shown = path.display();
        let mut bytes = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| format!("{shown}: {error}"))?;
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes += read;
        if read > MOST_BYTES || self.bytes > MOST_BYTES_TOGETHER {
            return Err(format!("{shown}: there is too much of it"));
        }
        if self.values.len() >= MOST_VALUES {
            return Err(format!("there are more than {MOST_VALUES} values"));
        }
        let text = without_comments(&String::from_utf8_lossy(&bytes));
        let value = RuntimeValue::of_text(&text).map_err(|why| format!("{shown}: {why}"))?;
        names::tell(&name, &value);
        self.values.insert(name, value);
        Ok(())
    }
}

pub(super) fn without_comments(text: &str) -> String {
    let lines = || text.split('\n').filter(|line| !line.is_empty());
    let last = lines().next_back();
    let mut value = String::with_capacity(text.len());
    for line in lines().filter(|line| !line.starts_with('#')) {
        if Some(line) == last {
            value.push_str(line.trim_ascii_end());
        } else {
            value.push_str(line);
            value.push('\n');
        }
    }
    value
}
