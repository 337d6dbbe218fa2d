//! Filters of listeners and of chains whose configurations come from elsewhere (`config_discovery`): each connection runs
//! the filter of the moment when it began, and is closed where there is none yet, which is counted.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::discovered::{Discovered, ExtensionConfigSource};
use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkStatus,
};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::ListenerConfigStats;

/// The place of a network filter's configuration.
pub(crate) struct DiscoveredNetworkFilter {
    pub(crate) place: Discovered<dyn NetworkFilterConfig>,
    /// Whether it ends its chain.
    pub(crate) is_last: bool,
    scope: Scope,
}

/// The place of a listener filter's configuration.
pub(crate) struct DiscoveredListenerFilter {
    pub(crate) place: Discovered<dyn ListenerFilterConfig>,
    scope: Scope,
}

/// What a worker makes of the configuration after so many changes.
type Made<F> = RefCell<(u64, Option<Rc<F>>)>;

fn of_now<C: ?Sized, F: ?Sized>(
    place: &Discovered<C>,
    made: &Made<F>,
    make: impl FnOnce(Arc<C>) -> Box<F>,
) -> Option<Rc<F>> {
    let changes = place.changes();
    let mut made = made.borrow_mut();
    if made.0 != changes {
        let config = place.current();
        *made = (changes, config.map(|config| Rc::from(make(config))));
    }
    made.1.clone()
}

impl DiscoveredNetworkFilter {
    /// The place of a filter in a chain of the listener that counts in `scope`.
    pub(super) fn compile(
        name: &Spanned<String>,
        source: &ExtensionConfigSource,
        (is_last, scope): (bool, Scope),
        extensions: &Extensions,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let parse = |any: &Any, ctx: &mut Ctx| match extensions.network_filter(any.type_name()) {
            Some(room) => (room.parse)(any, ctx),
            None => {
                let what = format!("the network filter `{}`", any.type_name());
                Err(ctx.unsupported_here(any.span, what))
            }
        };
        let place = Discovered::new(&name.value, source, parse, ctx)?;
        let has_room = |one: &str| extensions.network_filter(one).is_some();
        place.check_types(name.span, has_room, ctx)?;
        Ok(DiscoveredNetworkFilter {
            place,
            is_last,
            scope,
        })
    }
}

/// The filter in a chain.
pub(super) struct NetworkFilterOfNow(pub(super) Arc<DiscoveredNetworkFilter>);

impl NetworkFilterConfig for NetworkFilterOfNow {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(NetworkFactory {
            filter: Arc::clone(&self.0),
            root: root.clone(),
            made: RefCell::default(),
        })
    }

    fn is_terminal(&self) -> bool {
        self.0.is_last
    }
}

struct NetworkFactory {
    filter: Arc<DiscoveredNetworkFilter>,
    root: Scope,
    made: Made<dyn NetworkFilterFactory>,
}

impl NetworkFilterFactory for NetworkFactory {
    /// The filter that is made may be another one than that of the moment when this was asked.
    fn wants_data(&self) -> bool {
        true
    }

    fn sees_answers(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        let make = |config: Arc<dyn NetworkFilterConfig>| config.for_worker(&self.root);
        match of_now(&self.filter.place, &self.made, make) {
            Some(factory) => factory.create(),
            None => Box::new(NoNetworkFilter(self.filter.scope.clone())),
        }
    }
}

/// There is no configuration.
struct NoNetworkFilter(Scope);

impl NetworkFilter for NoNetworkFilter {
    fn on_new_connection(&mut self, _context: &mut NetworkContext<'_>) -> NetworkStatus {
        let stats: Arc<ListenerConfigStats> = self.0.worker_group();
        stats.network_extension_config_missing.inc();
        NetworkStatus::Close(NetworkClose::now(""))
    }
}

impl DiscoveredListenerFilter {
    /// The place of a filter of the listener that counts in `scope`.
    pub(super) fn compile(
        name: &Spanned<String>,
        source: &ExtensionConfigSource,
        scope: Scope,
        extensions: &Extensions,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let parse = |any: &Any, ctx: &mut Ctx| match extensions.listener_filter(any.type_name()) {
            Some(room) => (room.parse)(any, ctx),
            None => {
                let what = format!("the listener filter `{}`", any.type_name());
                Err(ctx.unsupported_here(any.span, what))
            }
        };
        let place = Discovered::new(&name.value, source, parse, ctx)?;
        let has_room = |one: &str| extensions.listener_filter(one).is_some();
        place.check_types(name.span, has_room, ctx)?;
        Ok(DiscoveredListenerFilter { place, scope })
    }
}

/// The filter of a listener.
pub(super) struct ListenerFilterOfNow(pub(super) Arc<DiscoveredListenerFilter>);

impl ListenerFilterConfig for ListenerFilterOfNow {
    fn for_worker(&self, root: &Scope) -> Box<dyn ListenerFilterFactory> {
        Box::new(ListenerFactory {
            filter: Arc::clone(&self.0),
            root: root.clone(),
            made: RefCell::default(),
        })
    }
}

struct ListenerFactory {
    filter: Arc<DiscoveredListenerFilter>,
    root: Scope,
    made: Made<dyn ListenerFilterFactory>,
}

impl ListenerFilterFactory for ListenerFactory {
    fn create(&self) -> Box<dyn ListenerFilter> {
        let make = |config: Arc<dyn ListenerFilterConfig>| config.for_worker(&self.root);
        match of_now(&self.filter.place, &self.made, make) {
            Some(factory) => factory.create(),
            None => Box::new(NoListenerFilter(self.filter.scope.clone())),
        }
    }

    fn most_bytes(&self) -> usize {
        // Of the filter that was made last.
        let made = self.made.borrow();
        made.1.as_ref().map_or(0, |factory| factory.most_bytes())
    }
}

/// There is no configuration.
struct NoListenerFilter(Scope);

impl ListenerFilter for NoListenerFilter {
    fn on_accept(&mut self, _context: &mut ListenerContext<'_>) -> ListenerStatus {
        let stats: Arc<ListenerConfigStats> = self.0.worker_group();
        stats.extension_config_missing.inc();
        ListenerStatus::Close
    }
}
