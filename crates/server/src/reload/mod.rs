//! Reloads: the configuration file read again, compared with what runs, and applied where it differs.
//!
//! Asked for by SIGHUP, `POST /reload`, or a change of the file with `--watch`; one runs at a time, and what
//! is asked meanwhile is answered by one more. The file is loaded, compiled and its new addresses are bound
//! before anything changes: a file with any mistake is refused whole. Certificates, keys and authorities that
//! running clusters and listeners name are read again whenever their files change, asked or not.
//!
//! Differs from Envoy, which has neither (SIGHUP does nothing there); see `docs/reload.md`.

mod fixed;
mod watch;

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::report::Style;
use nuncio_config::span::Span;
use nuncio_config::typed::FileStamp;
use nuncio_contract::stats::groups::ReloadStats;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::admin::state::{ReloadChanges, ReloadOutcome};
use crate::bootstrap::{self, Compiled, Findings, Surroundings};
use crate::cli::{ErrorFormat, Options};
use crate::log;
use crate::running::{Prepared, Running, retirement};
use crate::workers::Workers;
use crate::xds::Discovery;
use watch::{FileWatch, INTERVAL};

/// Somebody wants a reload, and may want to know what came of it.
pub(crate) type Request = Option<oneshot::Sender<ReloadOutcome>>;

/// Where reloads are asked for.
pub(crate) type Requests = UnboundedSender<Request>;

/// Does the reloads of the process.
pub(crate) struct Reloader<'a> {
    around: &'a Surroundings<'a>,
    running: Rc<Running>,
    discovery: Rc<Discovery<'a>>,
    workers: Workers,
    watch: FileWatch,
    /// The configuration file, and how it looked when it was last read.
    file: Option<ConfigFile>,
    /// Listed from the first event on, as Envoy has nothing of the kind.
    stats: OnceCell<Arc<ReloadStats>>,
}

/// The path of a configuration file, and how the file looked before it was read.
pub(crate) type ConfigFile = (Arc<str>, FileStamp);

/// The configuration file of the process and how it looks now; to be asked before it is read.
pub(crate) fn config_file(options: &Options) -> Option<ConfigFile> {
    let path = options.config_path.as_ref()?;
    Some((path.to_string_lossy().as_ref().into(), FileStamp::of(path)))
}

impl<'a> Reloader<'a> {
    /// For what runs; `file` as it looked before it was read.
    pub(crate) fn new(
        around: &'a Surroundings<'a>,
        (running, discovery): (Rc<Running>, Rc<Discovery<'a>>),
        workers: Workers,
        file: Option<ConfigFile>,
    ) -> Self {
        let mut reloader = Reloader {
            around,
            running,
            discovery,
            workers,
            watch: FileWatch::default(),
            file,
            stats: OnceCell::new(),
        };
        if around.options.watch && reloader.file.is_none() {
            log::warning("config", "--watch has no configuration file to watch");
        }
        reloader.watch_files();
        reloader
    }

    /// Does what is asked for, and looks after the files, for ever.
    pub(crate) async fn run(mut self, mut requests: UnboundedReceiver<Request>) {
        let running = Rc::clone(&self.running);
        let mut looks = tokio::time::interval(INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let watches = !self.watch.is_empty();
            tokio::select! {
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    self.answer(request, &mut requests).await;
                }
                _ = looks.tick(), if watches => self.look().await,
                () = running.names_other_files.notified() => self.watch_files(),
            }
        }
    }

    /// One reload for all who have asked for it by now.
    async fn answer(&mut self, first: Request, requests: &mut UnboundedReceiver<Request>) {
        let mut asking: Vec<_> = first.into_iter().collect();
        while let Ok(request) = requests.try_recv() {
            asking.extend(request);
        }
        let outcome = self.reload().await;
        for one in asking {
            let _whoever_asked_may_be_gone = one.send(outcome.clone());
        }
    }

    async fn look(&mut self) {
        let changed = self.watch.look(FileStamp::of);
        let is_config = |path: &Arc<str>| self.file.as_ref().is_some_and(|file| file.0 == *path);
        if changed.iter().any(is_config) {
            log::info("config", "the configuration file changed");
            if let ReloadOutcome::Applied { .. } = self.reload().await {
                return;
            }
        }
        if !changed.is_empty() {
            self.renew_certificates(&changed);
        }
    }

    async fn reload(&mut self) -> ReloadOutcome {
        if self.running.is_handing_over() {
            let text = "another process takes over from this one, which does not reload any more";
            log::warning("config", text);
            return ReloadOutcome::Refused(format!("{text}\n"));
        }
        let file = config_file(self.around.options);
        if file.is_none() {
            log::warning("config", "there is no configuration file to reload");
            return ReloadOutcome::Refused(
                "there is no configuration file to reload\n".to_string(),
            );
        }
        self.file = file;
        let reserved = self.around.manager.reserved();
        let outcome = match self.prepare() {
            Ok((compiled, listeners)) => self.publish(compiled, listeners).await,
            Err(findings) => {
                self.around.manager.forget_since(reserved);
                self.refuse(&findings)
            }
        };
        self.watch_files();
        outcome
    }

    /// All that can fail.
    fn prepare(&self) -> Result<(Compiled, Prepared), Findings> {
        let (mut compiled, mut findings) = bootstrap::compile(self.around)?;
        let fixed = fixed::changed(&self.running.tree(), &compiled.tree);
        if !fixed.is_empty() {
            for (span, name) in fixed {
                let text = format!(
                    "`{name}` is another than the one that runs, and only listeners, clusters and secrets \
                     can change without a restart"
                );
                findings.refuse(span, text);
            }
            return Err(findings);
        }
        let mut listeners = std::mem::take(&mut compiled.listeners);
        self.discovery.attach_all(listeners.iter_mut());
        let prepared = self.running.listeners.borrow().prepare(listeners);
        match prepared {
            Ok(prepared) => {
                crate::tell(self.around.options, &findings);
                Ok((compiled, prepared))
            }
            Err(errors) => {
                for error in errors {
                    findings.refuse(Span::NONE, error);
                }
                Err(findings)
            }
        }
    }

    async fn publish(&self, compiled: Compiled, listeners: Prepared) -> ReloadOutcome {
        self.running.open_channels(&self.around.channels);
        let of_listeners = listeners.changes.clone();
        let of_clusters = self
            .running
            .publish(
                (compiled.tree, compiled.lines),
                compiled.clusters,
                listeners,
                &self.workers,
                retirement(self.around.options),
            )
            .await;
        self.discovery.listeners_changed();
        self.discovery.refresh_routes();
        self.discovery.refresh_others();
        self.stats().success.inc();
        log::info(
            "config",
            &format!(
                "reloaded: clusters {}; listeners {}",
                in_words(&of_clusters),
                in_words(&of_listeners)
            ),
        );
        ReloadOutcome::Applied {
            clusters: of_clusters,
            listeners: of_listeners,
        }
    }

    fn refuse(&self, findings: &Findings) -> ReloadOutcome {
        self.stats().failure.inc();
        eprint!("{}", findings.render(crate::style(self.around.options)));
        let first = findings.first_error();
        log::warning(
            "config",
            &format!("reload refused, what ran before still runs: {first}"),
        );
        ReloadOutcome::Refused(findings.render(match self.around.options.error_format {
            ErrorFormat::Json => Style::Json,
            ErrorFormat::Text => Style::Plain,
        }))
    }

    fn renew_certificates(&self, changed: &[Arc<str>]) {
        let secrets = self.around.secrets.now();
        for renewal in self.running.renew_certificates(changed, &secrets) {
            let (kind, name) = (renewal.kind, &renewal.name);
            match renewal.result {
                Ok(()) => {
                    self.stats().certificates_renewed.inc();
                    let text = format!("{kind} '{name}': certificates were read again");
                    log::info("config", &text);
                }
                Err(why) => {
                    self.stats().certificates_failed.inc();
                    let text = format!("{kind} '{name}' keeps its old certificates: {why}");
                    log::warning("config", &text);
                }
            }
        }
    }

    fn watch_files(&mut self) {
        let clusters = self.running.clusters.borrow();
        let listeners = self.running.listeners.borrow();
        let config = self.file.iter().filter(|_| self.around.options.watch);
        let config = config.map(|(path, stamp)| (path, *stamp));
        let named = clusters.files().chain(listeners.tls_files());
        let named = named.map(|file| (&file.path, file.stamp));
        self.watch.set(config.chain(named));
    }

    fn stats(&self) -> &ReloadStats {
        self.stats
            .get_or_init(|| self.around.stats.root().worker_group())
    }
}

fn in_words(changes: &ReloadChanges) -> String {
    format!(
        "{} added, {} updated, {} removed, {} unchanged",
        changes.added.len(),
        changes.updated.len(),
        changes.removed.len(),
        changes.unchanged
    )
}
