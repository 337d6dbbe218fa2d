//! Files that workers read while they serve, which must not make them wait.
//!
//! Only regular files are read: a pipe or a device may have nothing to read for as long as it likes. They are opened
//! without waiting, since already to open a pipe waits for who writes it. Limit: the caller's.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What is in a file of at most this many bytes, and what was known of it before it was read; what is larger is an
/// error.
///
/// # Errors
/// It cannot be read, is no regular file, or is larger.
pub fn read(path: impl AsRef<Path>, most_bytes: u64) -> Result<(Metadata, Vec<u8>)> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let content = read_to_end(file, most_bytes)?;
    Ok((metadata, content))
}

fn read_to_end(file: File, most_bytes: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(most_bytes.saturating_add(1))
        .read_to_end(&mut content)?;
    match u64::try_from(content.len()) {
        Ok(len) if len <= most_bytes => Ok(content),
        _ => Err(Error::new(ErrorKind::FileTooLarge, "too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_at_once_and_so_is_what_is_too_large() {
        let dir = std::env::temp_dir().join(format!("nuncio-regular-file-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        let (pipe, file) = (dir.join("pipe"), dir.join("file"));
        let mut mkfifo = std::process::Command::new("mkfifo");
        assert!(mkfifo.arg(&pipe).status().expect("mkfifo").success());
        let refusal = |path, most| read(path, most).expect_err("refused").kind();
        assert_eq!(refusal(&pipe, 9), ErrorKind::InvalidInput);
        assert_eq!(refusal(&dir, 9), ErrorKind::InvalidInput);
        std::fs::write(&file, "ten bytes!").expect("a file");
        assert_eq!(refusal(&file, 9), ErrorKind::FileTooLarge);
        let (metadata, content) = read(&file, 10).expect("read");
        assert_eq!((metadata.len(), content), (10, b"ten bytes!".to_vec()));
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
