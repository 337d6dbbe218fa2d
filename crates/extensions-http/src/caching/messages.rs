//! The messages of stores in files, which are the same for both filters but for their names.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use super::files::{FileSettings, FileStore, Mismatch};

message! {
    /// Who works on files.
    pub(crate) struct AsyncFileManagerConfig: "envoy.extensions.common.async_files.v3.AsyncFileManagerConfig" {
        id: String,
        oneof manager_type: ManagerType,
    }
}

one_of! {
    /// The kinds of that.
    pub(crate) enum ManagerType {
        thread_pool => ThreadPool(ThreadPool),
    }
}

message! {
    /// Threads.
    pub(crate) struct ThreadPool: "envoy.extensions.common.async_files.v3.AsyncFileManagerConfig.ThreadPool" {
        thread_count: u32,
    }
}

macro_rules! file_store {
    ($(#[$doc:meta])* $name:ident: $message:literal, $short:literal) => {
        message! {
            $(#[$doc])*
            pub(crate) struct $name: $message {
                manager_config: Option<AsyncFileManagerConfig>,
                cache_path: String,
                max_cache_size_bytes: Option<u64>,
                max_individual_cache_entry_size_bytes: Option<u64>,
                max_cache_entry_count: Option<u64>,
                cache_subdivisions: u32,
                evict_fraction: f32,
                max_eviction_period: Option<Duration>,
                min_eviction_period: Option<Duration>,
                create_cache_path: bool,
            }
        }

        impl $name {
            /// The store.
            pub(crate) fn store(
                &self,
                span: Span,
                ctx: &mut Ctx,
            ) -> Result<Arc<FileStore>, Refused> {
                let manager = self.manager_config.as_ref().ok_or(Refused)?;
                if !(0.0..=1.0).contains(&self.evict_fraction) {
                    ctx.error(span, "evict_fraction must be between 0 and 1");
                    return Err(Refused);
                }
                let settings = FileSettings {
                    path: [self.cache_path.trim_end_matches('/'), "/"].concat().into(),
                    manager: manager.id.as_str().into(),
                    threads: manager.threads(),
                    max_bytes: self.max_cache_size_bytes,
                    max_entry_bytes: self.max_individual_cache_entry_size_bytes,
                    max_count: self.max_cache_entry_count,
                    subdivisions: self.cache_subdivisions,
                    evict_fraction: f64::from(self.evict_fraction),
                    max_eviction_period: self.max_eviction_period,
                    min_eviction_period: self.min_eviction_period,
                    makes_path: self.create_cache_path,
                };
                FileStore::get(settings).map_err(|mismatch| {
                    ctx.error(span, mismatch.why($short));
                    Refused
                })
            }
        }
    };
}

file_store! {
    /// A store in files.
    FileSystemHttpCacheConfig:
    "envoy.extensions.http.cache.file_system_http_cache.v3.FileSystemHttpCacheConfig",
    "FileSystemHttpCacheConfig"
}

file_store! {
    /// The same, of the second version.
    FileSystemHttpCacheV2Config:
    "envoy.extensions.http.cache_v2.file_system_http_cache.v3.FileSystemHttpCacheV2Config",
    "FileSystemHttpCacheV2Config"
}

impl AsyncFileManagerConfig {
    fn threads(&self) -> usize {
        let ManagerType::ThreadPool(pool) = &self.manager_type;
        match pool.thread_count {
            0 => available_parallelism().map_or(1, std::num::NonZero::get),
            count => usize::try_from(count).unwrap_or(1),
        }
    }
}

impl Mismatch {
    fn why(self, message: &str) -> String {
        match self {
            Mismatch::Path => {
                format!("Couldn't initialize cache: mismatched {message} with same path")
            }
            Mismatch::Manager => "AsyncFileManager mismatched config".to_owned(),
        }
    }
}
