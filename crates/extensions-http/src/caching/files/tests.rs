//! Files of the cache, on a disk.

use std::fs;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use nuncio_contract::stats::StatsStore;

use super::super::pool::Job;
use super::super::store::{Body, Entry, Head};
use super::{FileSettings, FileStore, Mismatch};
use crate::tests::harness::response;

/// A folder of its own, which goes with the test.
struct Folder(Box<str>);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("nuncio-cache-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _old = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Folder(format!("{}/", path.display()).into())
    }

    fn settings(&self) -> FileSettings {
        FileSettings {
            path: self.0.clone(),
            manager: self.0.clone(),
            threads: 2,
            max_bytes: None,
            max_entry_bytes: None,
            max_count: None,
            subdivisions: 0,
            evict_fraction: 0.0,
            max_eviction_period: None,
            min_eviction_period: None,
            makes_path: false,
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&*self.0).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&*self.0);
    }
}

fn store(settings: FileSettings) -> Arc<FileStore> {
    FileStore::get(settings).unwrap_or_else(|mismatch| panic!("{mismatch:?}"))
}

fn wait<T>(mut job: Job<T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut job).poll(&mut cx) {
            Poll::Ready(value) => return value.expect("it was done"),
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

fn entry(body: &[u8]) -> Arc<Entry> {
    Arc::new(Entry {
        head: Head::of(&response(&[(":status", "200"), ("x-a", "1"), ("x-a", "2")])),
        body: Body::Memory(body.into()),
        trailers: Some(Arc::new(Head::of(&response(&[("x-t", "1")])))),
        came: SystemTime::UNIX_EPOCH + Duration::from_millis(1234),
    })
}

fn body(entry: &Entry) -> Vec<u8> {
    match &entry.body {
        Body::File(file) => file.read(&(0..entry.body.len())).expect("it can be read"),
        Body::Memory(_) => panic!("it is in a file"),
    }
}

#[test]
fn what_is_kept_is_there_again_after_a_restart() {
    let folder = Folder::new("restart");
    assert!(wait(store(folder.settings()).keep(
        b"a",
        entry(b"hello"),
        None
    )));
    let again = store(folder.settings());
    let found = wait(again.find(b"a")).expect("it is there");
    assert_eq!(body(&found), b"hello");
    assert_eq!(found.came, entry(b"").came);
    assert_eq!(found.head.0, entry(b"").head.0);
    let trailers = found.trailers.as_ref().expect("they are there");
    assert_eq!(trailers.0, [(b"x-t"[..].into(), b"1"[..].into())]);
    assert!(wait(again.find(b"b")).is_none());
    wait(again.forget(b"a"));
    assert!(wait(again.find(b"a")).is_none());
    assert_eq!(body(&found), b"hello", "whoever reads it has it still");
}

#[test]
fn what_was_kept_is_replaced_by_what_is_read_of_it() {
    let folder = Folder::new("replace");
    let store = store(folder.settings());
    assert!(wait(store.keep(b"a", entry(b"hello"), None)));
    let found = wait(store.find(b"a")).expect("it is there");
    assert!(wait(store.keep(b"a", Arc::new(found), None)));
    assert_eq!(
        body(&wait(store.find(b"a")).expect("it is there")),
        b"hello"
    );
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn what_is_renewed_takes_the_place_only_of_what_it_was_made_of() {
    let folder = Folder::new("renew");
    let store = store(folder.settings());
    let find = || wait(store.find(b"a")).map(Arc::new);
    assert!(wait(store.keep(b"a", entry(b"old"), None)));
    let old = find().expect("it is there");
    assert!(wait(store.renew(b"a", Arc::clone(&old), Arc::clone(&old))));
    assert!(wait(store.keep(b"a", entry(b"new"), None)));
    assert!(!wait(store.renew(b"a", Arc::clone(&old), Arc::clone(&old))));
    assert_eq!(body(&find().expect("it is there")), b"new");
    wait(store.forget(b"a"));
    assert!(!wait(store.renew(b"a", Arc::clone(&old), old)));
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_that_is_not_whole_or_of_another_key_is_none() {
    let folder = Folder::new("broken");
    let store = store(folder.settings());
    for at in [0, 8, 12, 20, 28, 36, 40, 60] {
        assert!(wait(store.keep(b"a", entry(b"hello"), None)));
        let name = format!("{}{}", folder.0, folder.names()[0]);
        let mut bytes = fs::read(&name).expect("a file");
        bytes[at] ^= 0x55;
        fs::write(&name, &bytes).expect("written");
        assert!(wait(store.find(b"a")).is_none(), "{at}");
    }
    assert!(wait(store.keep(b"a", entry(b"hello"), None)));
    let name = format!("{}{}", folder.0, folder.names()[0]);
    let bytes = fs::read(&name).expect("a file");
    for length in [0, 10, 36, 50, bytes.len() - 1] {
        fs::write(&name, &bytes[..length]).expect("written");
        assert!(wait(store.find(b"a")).is_none(), "{length}");
        assert!(folder.names().is_empty(), "it goes");
    }
}

#[test]
fn an_answer_that_is_too_large_takes_the_place_of_none() {
    let folder = Folder::new("large");
    let store = store(FileSettings {
        max_entry_bytes: Some(200),
        ..folder.settings()
    });
    assert!(wait(store.keep(b"a", entry(b"hello"), None)));
    assert!(!wait(store.keep(b"a", entry(&[b'x'; 200]), None)));
    assert!(wait(store.find(b"a")).is_none());
}

#[test]
fn the_folder_is_made_only_if_it_may_be() {
    let folder = Folder::new("missing");
    let deeper: Box<str> = format!("{}a/b/", folder.0).into();
    let settings = |makes_path| FileSettings {
        path: deeper.clone(),
        makes_path,
        ..folder.settings()
    };
    assert!(!wait(store(settings(false)).keep(
        b"a",
        entry(b"hello"),
        None
    )));
    assert!(folder.names().is_empty());
    assert!(wait(store(settings(true)).keep(
        b"a",
        entry(b"hello"),
        None
    )));
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let folder = Folder::new("evict");
    let store = store(FileSettings {
        max_count: Some(4),
        evict_fraction: 0.5,
        subdivisions: 3,
        ..folder.settings()
    });
    // Later than the changes of the files, of which the time cannot be set.
    let mut used = SystemTime::now() + Duration::from_secs(3600);
    for key in [b"a", b"b", b"c", b"d", b"e"] {
        assert!(wait(store.keep(key, entry(b"hello"), None)));
        let file = fs::File::open(store.path_of(key)).expect("a file");
        let times = fs::FileTimes::new().set_accessed(used);
        file.set_times(times).expect("times are set");
        used += Duration::from_secs(1);
    }
    store.sizes.evict();
    let kept = [b"a", b"b", b"c", b"d", b"e"].map(|key| wait(store.find(key)).is_some());
    assert_eq!(kept, [false, false, false, true, true]);
}

#[test]
fn the_store_looks_after_its_files_by_itself() {
    let folder = Folder::new("looks");
    let stats = StatsStore::default();
    let store = store(FileSettings {
        max_bytes: Some(400),
        ..folder.settings()
    });
    store.begin(&stats.root());
    for number in 0..20_u8 {
        assert!(wait(store.keep(&[number], entry(b"hello"), None)));
    }
    for _ in 0..1000 {
        if folder.names().len() <= 3 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} are left", folder.names().len());
}

#[test]
fn a_path_has_one_store() {
    let folder = Folder::new("one");
    let first = store(folder.settings());
    assert!(Arc::ptr_eq(&first, &store(folder.settings())));
    let other = FileSettings {
        max_count: Some(1),
        ..folder.settings()
    };
    assert_eq!(FileStore::get(other).err(), Some(Mismatch::Path));
}
