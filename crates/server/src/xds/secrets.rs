//! SDS: certificates, validation contexts, keys of session tickets and generic secrets that listeners and clusters have
//! by name. Those
//! that want the same one from the same source share the subscription; it ends with the last of them.
//!
//! Before a secret has come, who uses it refuses every handshake. When one comes, or a file that it names is another
//! than before, only the sockets that use it are made anew; connections that are open stay. What cannot be used by one
//! of them changes nothing.
//!
//! Differs from Envoy: a secret of another kind than the wanted one is rejected, where Envoy takes a validation context
//! for an empty one; files are looked at wherever they are, `watched_directory` or not.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::report::{self, Style};
use nuncio_config::resources::{Response, first_error, unpack};
use nuncio_config::runtime::RuntimeKeys;
use nuncio_config::sorting;
use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Message, Value, same};
use nuncio_config::typed::{Ctx, DeliveredSecrets, Refused, SecretWish, decode};
use nuncio_contract::config_source::ConfigSource;
use nuncio_contract::generic_secret::{GENERIC_SECRET, bytes_of};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::SecretStats;
use nuncio_net::tls::{check_secrets, inlined};
use tokio::sync::Notify;

use super::SECRET;
use super::delivery::{Delivery, Verdict};
use super::first::First;
use super::planes::ControlPlanes;
use super::secret_files::SecretFiles;
use super::subscription::{Subscription, Wanted};
use crate::admin::state::{DumpedConfig, DynamicSecret};
use crate::bootstrap::{SecretShelf, Surroundings};
use crate::listener::CompiledListener;
use crate::log;
use crate::resource::Version;
use crate::running::{NewSocket, Running, SecretUser, Waits};

/// In this order they are shown.
const KINDS: [&str; 4] = [
    "tls_certificate",
    "validation_context",
    "session_ticket_keys",
    GENERIC_SECRET,
];

/// A listener that may be gone.
type Later = std::sync::Weak<CompiledListener>;

/// All that is subscribed to.
pub(super) struct Secrets {
    planes: Rc<ControlPlanes>,
    allow_unsupported: bool,
    style: Style,
    runtime: RuntimeKeys,
    stats: StatsStore,
    shelf: SecretShelf,
    running: Weak<Running>,
    all: RefCell<Vec<Provided>>,
    /// Listeners that have subscribed, of which some do not run yet and others do not any more.
    listeners: RefCell<Vec<(Later, Version)>>,
    /// How often one has come.
    comings: Cell<u64>,
    changed: Rc<Notify>,
}

/// A secret that somebody uses.
struct Provided {
    wish: SecretWish,
    subscription: Subscription,
    stats: Arc<SecretStats>,
    begun: SystemTime,
    /// What came last and could be used.
    current: Option<Current>,
}

struct Current {
    version: Arc<str>,
    /// As it came.
    message: Arc<Message>,
    /// With what its files hold.
    inlined: Arc<Message>,
    files: SecretFiles,
    since: SystemTime,
}

impl Secrets {
    pub(super) fn new(
        around: &Surroundings<'_>,
        running: &Rc<Running>,
        (planes, changed): (&Rc<ControlPlanes>, &Rc<Notify>),
    ) -> Self {
        Secrets {
            planes: Rc::clone(planes),
            allow_unsupported: around.options.allow_unsupported,
            style: crate::style(around.options),
            runtime: around.runtime.keys.clone(),
            stats: around.stats.clone(),
            shelf: around.secrets.clone(),
            running: Rc::downgrade(running),
            all: RefCell::default(),
            listeners: RefCell::default(),
            comings: Cell::new(0),
            changed: Rc::clone(changed),
        }
    }

    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.all.borrow().is_empty()
    }

    /// How often a secret has come.
    pub(super) fn comings(&self) -> u64 {
        self.comings.get()
    }

    /// Subscribes to what somebody uses who is about to run, and nobody has yet. What is returned waits until all of it
    /// has come.
    pub(super) fn begin(&self, user: &SecretUser) -> Option<Waits> {
        if let SecretUser::Listener(listener, version) = user {
            let mut listeners = self.listeners.borrow_mut();
            listeners.retain(|(listener, _)| listener.strong_count() > 0);
            let is_it = |(known, _): &(Later, Version)| known.as_ptr() == Arc::as_ptr(listener);
            if listeners.iter().any(is_it) {
                return None;
            }
            listeners.push((Arc::downgrade(listener), version.clone()));
        }
        let wanted = user.wanted();
        for (place, wish) in wanted.iter().enumerate() {
            let is_seen = wanted.iter().take(place).any(|one| one == wish);
            if is_seen {
                continue;
            }
            match self.has_come(wish) {
                None => self.subscribe(wish, user),
                Some(true) => user.count(wish),
                Some(false) => {}
            }
        }
        let awaited = self.awaited(wanted);
        let waits = move || {
            let awaited: Vec<_> = awaited.iter().map(|first| first.wait()).collect();
            Box::pin(async move {
                for first in awaited {
                    first.await;
                }
            }) as LocalFuture<()>
        };
        self.are_awaited(wanted).then(|| Rc::new(waits) as Waits)
    }

    /// The first ones of these secrets that have not come yet.
    fn awaited(&self, wishes: &[SecretWish]) -> Vec<Rc<First>> {
        let all = self.all.borrow();
        let wanted = all.iter().filter(|one| wishes.contains(&one.wish));
        let first = wanted.map(|one| Rc::clone(one.subscription.first()));
        first.filter(|first| !first.is_done()).collect()
    }

    /// Whether some of these secrets have not come yet and are still waited for.
    pub(super) fn are_awaited(&self, wishes: &[SecretWish]) -> bool {
        !self.awaited(wishes).is_empty()
    }

    /// Completes when nobody waits for a secret any more that is subscribed to now.
    pub(super) fn first_of_all(&self) -> impl Future<Output = ()> + use<> {
        let all = self.all.borrow();
        let all: Vec<_> = all
            .iter()
            .map(|one| one.subscription.first().wait())
            .collect();
        async move {
            for first in all {
                first.await;
            }
        }
    }

    /// Whether a secret has come; none if nobody has subscribed to it.
    fn has_come(&self, wish: &SecretWish) -> Option<bool> {
        let all = self.all.borrow();
        let one = all.iter().find(|one| one.wish == *wish)?;
        Some(one.current.is_some())
    }

    fn subscribe(&self, wish: &SecretWish, user: &SecretUser) {
        let mut ctx = Ctx::new(true);
        let Ok(source) = decode::<ConfigSource>(&wish.source, &mut ctx) else {
            return;
        };
        let Ok(source) = source.source(&mut ctx) else {
            return;
        };
        let scope = self.stats.scope(&format!("sds.{}", wish.name));
        let stats = scope.worker_group();
        let wanted = Wanted::one(SECRET, &wish.name);
        let (subscription, delivery) = Subscription::begin(&self.planes, wanted, &source, scope);
        self.all.borrow_mut().push(Provided {
            wish: wish.clone(),
            subscription,
            stats,
            begun: SystemTime::now(),
            current: None,
        });
        if let Some(delivery) = delivery {
            self.deliver(wish, delivery, Some(user));
        }
        self.changed.notify_one();
    }

    /// Ends subscriptions that nobody needs any more.
    pub(super) fn drop_unused(&self) {
        if self.is_empty() {
            return;
        }
        let users = self.users();
        self.all.borrow_mut().retain(|one| {
            let mut wanted = users.iter().flat_map(SecretUser::wanted);
            wanted.any(|wish| *wish == one.wish)
        });
        let all = self.all.borrow();
        let delivered = all.iter().filter_map(|one| {
            let secret = Arc::clone(&one.current.as_ref()?.inlined);
            Some((one.wish.clone(), secret))
        });
        self.shelf.set(DeliveredSecrets::new(delivered));
        drop(all);
        self.show();
    }

    /// Gives all the secrets of now to those who run, as some may have come while a reload was under way.
    pub(super) fn refresh(&self) {
        let users = self.users();
        for user in &users {
            for wish in user.wanted() {
                if self.has_come(wish).is_none() {
                    self.subscribe(wish, user);
                }
                let secrets = self.shelf.now();
                let sockets = user.renewed(wish, &secrets, &self.runtime);
                let sockets = sockets.into_iter().flatten();
                sockets.for_each(NewSocket::take_its_place);
            }
        }
    }

    /// Takes what has come, and looks after the files of what is there.
    pub(super) fn look(&self) {
        let mut deliveries = Vec::new();
        let mut changed = Vec::new();
        for one in &mut *self.all.borrow_mut() {
            if let Some(delivery) = one.subscription.look() {
                deliveries.push((one.wish.clone(), delivery));
            }
            if let Some(current) = &mut one.current {
                let message = Arc::clone(&current.message);
                match current.files.changed() {
                    0 => {}
                    times => changed.push((one.wish.clone(), message, times)),
                }
            }
        }
        for (wish, message, times) in changed {
            self.read_again(&wish, &message, times);
        }
        for (wish, delivery) in deliveries {
            self.deliver(&wish, delivery, None);
        }
    }

    /// All who run and use secrets, or are about to.
    fn users(&self) -> Vec<SecretUser> {
        let Some(running) = self.running.upgrade() else {
            return Vec::new();
        };
        let (clusters, listeners) = (running.clusters.borrow(), running.listeners.borrow());
        let clusters = clusters.secret_users();
        let mut users: Vec<_> = clusters.chain(listeners.secret_users()).collect();
        for (listener, version) in &*self.listeners.borrow() {
            let is_it = |user: &SecretUser| matches!(user, SecretUser::Listener(one, _) if Arc::as_ptr(one) == listener.as_ptr());
            if let Some(listener) = listener.upgrade()
                && !users.iter().any(is_it)
            {
                users.push(SecretUser::Listener(listener, version.clone()));
            }
        }
        users
    }

    fn deliver(&self, wish: &SecretWish, delivery: Delivery, first: Option<&SecretUser>) {
        let verdict = match &delivery {
            Ok(response) => self.apply(wish, response, first),
            Err(_) => Ok(()),
        };
        let all = self.all.borrow();
        if let Some(one) = all.iter().find(|one| one.wish == *wish) {
            match &delivery {
                Ok(response) => one.subscription.answer(&response.version, &verdict),
                Err(failure) => one.subscription.fail(failure, self.style),
            }
        }
        drop(all);
        self.show();
    }

    fn apply(&self, wish: &SecretWish, response: &Response, first: Option<&SecretUser>) -> Verdict {
        let mut found = response.warnings.clone();
        let read = read(wish, response, &mut found);
        if !found.is_empty() {
            eprint!("{}", report::render(&found, &response.sources, self.style));
        }
        let Some(message) = read? else {
            return Ok(());
        };
        let is_the_same = |one: &Provided| {
            let current = one.current.as_ref().filter(|_| one.wish == *wish);
            current.is_some_and(|current| same(&current.message, &message))
        };
        if self.all.borrow().iter().any(is_the_same) {
            return Ok(());
        }
        let own = response.versions.first();
        let version = own.unwrap_or(&response.version);
        self.put(wish, &message, Some(version), first)
    }

    /// Has all who use a secret use another one from now on, or none of them.
    fn put(
        &self,
        wish: &SecretWish,
        message: &Arc<Message>,
        version: Option<&str>,
        first: Option<&SecretUser>,
    ) -> Verdict {
        let mut ctx = Ctx::new(self.allow_unsupported);
        let inlined = inlined(message, &mut ctx);
        let files = SecretFiles::new(std::mem::take(&mut ctx.files));
        let inlined = inlined.map_err(|_| first_error(&ctx.diagnostics))?;
        let sound = check_secrets(std::slice::from_ref(&inlined), &mut ctx);
        if sound.is_err() || ctx.diagnostics.has_errors() {
            return Err(first_error(&ctx.diagnostics));
        }
        let bytes = generic(wish, &inlined, &mut ctx)?;
        let secrets = self.shelf.now().with(wish, &inlined);
        let mut sockets = Vec::new();
        let users = self.users();
        let first = first.filter(|first| !users.iter().any(|user| user.is(first)));
        for user in users.iter().chain(first) {
            if user.wanted().contains(wish) {
                sockets.extend(user.renewed(wish, &secrets, &self.runtime)?);
            }
        }
        self.shelf.set(secrets);
        if let Some(bytes) = bytes {
            self.shelf.places.fill(wish, &bytes);
        }
        sockets.into_iter().for_each(NewSocket::take_its_place);
        self.comings.set(self.comings.get() + 1);
        let mut all = self.all.borrow_mut();
        if let Some(one) = all.iter_mut().find(|one| one.wish == *wish) {
            let former = one.current.take();
            let former = former.map(|former| former.version);
            one.current = Some(Current {
                version: version.map(Arc::from).or(former).unwrap_or_default(),
                message: Arc::clone(message),
                inlined,
                files,
                since: SystemTime::now(),
            });
        }
        Ok(())
    }

    /// Files that a secret names are others than before; a failure counts so many `times`.
    fn read_again(&self, wish: &SecretWish, message: &Arc<Message>, times: u64) {
        let Err(reason) = self.put(wish, message, None, None) else {
            return self.show();
        };
        let text = format!("Failed to reload certificates: {reason}");
        log::warning("misc", &text);
        let all = self.all.borrow();
        if let Some(one) = all.iter().find(|one| one.wish == *wish) {
            one.stats.key_rotation_failed.add(times);
        }
    }

    /// Has `/config_dump` show what there is.
    fn show(&self) {
        let all = self.all.borrow();
        let mut shown: Vec<_> = all.iter().collect();
        let place = |one: &&Provided| KINDS.iter().position(|kind| *kind == one.wish.kind);
        sorting::sort_by_key(&mut shown, place);
        let shown = shown.into_iter().map(Provided::shown).collect();
        if let Some(running) = self.running.upgrade() {
            *running.secrets.borrow_mut() = shown;
        }
    }
}

impl Provided {
    fn shown(&self) -> DynamicSecret {
        match &self.current {
            Some(current) => DynamicSecret {
                version: Some(Arc::clone(&current.version)),
                config: DumpedConfig {
                    // As in Envoy, the files of generic secrets are told by their names.
                    message: Arc::clone(match self.wish.kind {
                        GENERIC_SECRET => &current.message,
                        _ => &current.inlined,
                    }),
                    last_updated: current.since,
                },
            },
            None => DynamicSecret {
                version: None,
                config: DumpedConfig {
                    message: Arc::new(named(&self.wish.name)),
                    last_updated: self.begun,
                },
            },
        }
    }
}

/// The bytes of a generic secret; none of another one.
fn generic(
    wish: &SecretWish,
    message: &Message,
    ctx: &mut Ctx,
) -> Result<Option<Arc<[u8]>>, String> {
    let held = message.find(&[GENERIC_SECRET]).and_then(Value::as_message);
    let held = held.filter(|_| wish.kind == GENERIC_SECRET);
    let bytes = held.map(|held| bytes_of(held, ctx)).transpose();
    bytes.map_err(|Refused| first_error(&ctx.diagnostics))
}

/// The one secret of an update; none if it only takes one back, which stays as in Envoy.
fn read(
    wish: &SecretWish,
    response: &Response,
    found: &mut Diagnostics,
) -> Result<Option<Arc<Message>>, String> {
    let removed = response.removed.as_deref().unwrap_or_default();
    let name = &wish.name;
    let rejected = |text: String| {
        let told = format!("sds: secret '{name}' config rejected: {text}");
        log::warning("misc", &told);
        text
    };
    let mut messages = Vec::with_capacity(response.resources.len());
    for any in &response.resources {
        match unpack(SECRET, any, found) {
            Some(message) => messages.push(message),
            None => return Err(first_error(found)),
        }
    }
    let message = match messages.as_slice() {
        [] if removed.len() == 1 => return Ok(None),
        [] if removed.is_empty() => {
            let text = format!("Missing SDS resources for {name} in onConfigUpdate()");
            return Err(rejected(text));
        }
        [message] if removed.len() <= 1 => message,
        more => {
            let text = format!(
                "Unexpected SDS secrets length for {name}, number of added resources {}, number of removed \
                 resources {}. Expected sum is 1",
                more.len(),
                removed.len()
            );
            return Err(rejected(text));
        }
    };
    let given = message.find(&["name"]).and_then(Value::as_str);
    let given = given.unwrap_or_default();
    if *given != **name {
        let text = format!("Unexpected SDS secret (expecting {name}): {given}");
        return Err(rejected(text));
    }
    if message.get_by_name(wish.kind).is_none() {
        let text = format!("the secret {name} holds no {}", wish.kind);
        return Err(rejected(text));
    }
    Ok(Some(Arc::clone(message)))
}

/// A secret that has not come.
fn named(name: &str) -> Message {
    let Some(descriptor) = nuncio_api::message(SECRET) else {
        unreachable!("the API has it");
    };
    let number = descriptor.field("name").map(|field| field.number());
    let name = number.map(|number| {
        let name = Value::String(name.into());
        Entry::new(number, Span::NONE, Span::NONE, name)
    });
    Message::with_entries(descriptor, Span::NONE, name.into_iter().collect())
}
