//! `cgroup_memory`: the memory of the control group as a share of its limit, or of `max_memory_bytes` if that is less.
//! Without any limit there is no pressure. Version 2 of control groups is looked for before version 1.

use std::path::{Path, PathBuf};

use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused};

use super::{Monitor, proc_file};
use crate::overload::config::CgroupMemory;

/// Where the numbers are: of version 2, then of version 1.
const PLACES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.max"),
    (
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ),
];

const NONE_FOUND: &str = "No supported cgroup memory implementation found";

pub(super) struct Cgroup {
    files: Option<(PathBuf, PathBuf)>,
    most_bytes: Option<u64>,
}

fn files(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut places = PLACES.iter().map(|(usage, limit)| {
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        (below(usage), below(limit))
    });
    places.find(|(usage, limit)| usage.exists() && limit.exists())
}

pub(super) fn check(span: Span, ctx: &mut Ctx) -> Result<(), Refused> {
    if files(Path::new("/")).is_some() {
        return Ok(());
    }
    ctx.error(span, NONE_FOUND);
    Err(Refused)
}

impl Cgroup {
    pub(super) fn new(message: &CgroupMemory) -> Self {
        Cgroup {
            files: files(Path::new("/")),
            most_bytes: Some(message.max_memory_bytes).filter(|most| *most > 0),
        }
    }
}

impl Monitor for Cgroup {
    fn pressure(&mut self) -> Result<f64, String> {
        let (usage, limit) = self.files.as_ref().ok_or(NONE_FOUND)?;
        let used = proc_file::number(usage)?;
        let limit = limit_of(&proc_file::text(limit)?)?;
        let most = [limit, self.most_bytes].into_iter().flatten().min();
        Ok(most.map_or(0.0, |most| super::share(used, most)))
    }
}

/// The limit of a group; none if it has none.
fn limit_of(text: &str) -> Result<Option<u64>, String> {
    match text.trim_ascii() {
        "max" | "-1" => Ok(None),
        number => match number.parse() {
            Ok(u64::MAX) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(format!("no limit of memory: {number}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn group(name: &str, files_of: &[(&str, &str)]) -> (PathBuf, Option<(PathBuf, PathBuf)>) {
        let root =
            std::env::temp_dir().join(format!("nuncio-cgroup-{name}-{}", std::process::id()));
        for (path, text) in files_of {
            let path = root.join(path.trim_start_matches('/'));
            let directory = path.parent().expect("it has a directory");
            fs::create_dir_all(directory).expect("a directory can be made");
            fs::write(&path, text).expect("it can be written");
        }
        let found = files(&root);
        (root, found)
    }

    fn pressure(files: Option<(PathBuf, PathBuf)>, most_bytes: Option<u64>) -> Result<f64, String> {
        Cgroup { files, most_bytes }.pressure()
    }

    #[test]
    fn the_lesser_limit_counts_and_none_means_no_pressure() {
        let [(usage, limit), _] = PLACES;
        let (root, files) = group("v2", &[(usage, "500\n"), (limit, "1000\n")]);
        assert_eq!(pressure(files.clone(), None), Ok(0.5));
        assert_eq!(pressure(files.clone(), Some(400)), Ok(1.25));
        assert_eq!(pressure(files.clone(), Some(4000)), Ok(0.5));
        let (_, limit) = files.clone().expect("it was found");
        fs::write(limit, "max\n").expect("it can be written");
        assert_eq!(pressure(files.clone(), None), Ok(0.0));
        assert_eq!(pressure(files, Some(1000)), Ok(0.5));
        fs::remove_dir_all(root).expect("it can be removed");
    }

    #[test]
    fn version_one_is_known_too_and_without_any_nothing_is_told() {
        let [_, (usage, limit)] = PLACES;
        let (root, files) = group("v1", &[(usage, "30"), (limit, "40")]);
        assert_eq!(pressure(files, None), Ok(0.75));
        fs::remove_dir_all(root).expect("it can be removed");
        assert_eq!(pressure(None, None), Err(NONE_FOUND.to_string()));
    }

    #[test]
    fn what_is_no_limit_is_a_failure() {
        assert!(limit_of("much").is_err());
        assert_eq!(limit_of("-1"), Ok(None));
    }
}
