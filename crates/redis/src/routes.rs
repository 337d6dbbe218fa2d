//! Which cluster a key belongs to, by its prefix; the longest one counts.

use std::cmp::Reverse;
use std::sync::Arc;

use nuncio_config::sorting;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::formatter::{Format, FormatContext};
use nuncio_contract::matching::RuntimeFractionalPercent;

use crate::messages::{PrefixRoutes, RouteMessage};
use crate::targets::Targets;

/// What stands for the key in a format.
const KEY: &str = "%KEY%";
/// What stands for it while the rest is formatted, as in Envoy.
const KEPT_KEY: &str = "~REPLACED_KEY~";

/// All routes.
#[derive(Default)]
pub(crate) struct Routes {
    /// The longest prefix first.
    routes: Vec<Arc<Route>>,
    ignores_case: bool,
    catch_all: Option<Arc<Route>>,
}

/// A route.
pub(crate) struct Route {
    prefix: Vec<u8>,
    removes_prefix: bool,
    format: Option<Format>,
    /// The places of clusters in the config's list.
    target: usize,
    read_target: Option<usize>,
    mirrors: Vec<Mirror>,
}

struct Mirror {
    target: usize,
    share: Option<RuntimeFractionalPercent>,
    excludes_reads: bool,
}

impl Routes {
    pub(crate) fn compile(
        message: Option<&PrefixRoutes>,
        targets: &mut Targets<'_, '_>,
    ) -> Result<Self, Refused> {
        let Some(message) = message else {
            return Ok(Routes::default());
        };
        let mut routes: Vec<Arc<Route>> = Vec::new();
        for each in &message.routes {
            let mut route = Route::compile(each, targets)?;
            if message.case_insensitive {
                route.prefix.make_ascii_lowercase();
            }
            if routes.iter().any(|other| other.prefix == route.prefix) {
                let text = format!("prefix `{}` already exists.", each.prefix);
                targets.ctx().error(each.span(), text);
                return Err(Refused);
            }
            routes.push(Arc::new(route));
        }
        sorting::sort_by_key(&mut routes, |route| Reverse(route.prefix.len()));
        let catch_all = message.catch_all_route.as_ref();
        let catch_all = catch_all.map(|route| Route::compile(route, targets));
        Ok(Routes {
            routes,
            ignores_case: message.case_insensitive,
            catch_all: catch_all.transpose()?.map(Arc::new),
        })
    }

    /// The route of a key, and the key as hosts are told it.
    pub(crate) fn find(&self, key: &[u8], of: &FormatContext<'_>) -> Option<(&Route, Vec<u8>)> {
        let matches = |route: &&Arc<Route>| match key.get(..route.prefix.len()) {
            Some(start) if self.ignores_case => start.eq_ignore_ascii_case(&route.prefix),
            Some(start) => *start == *route.prefix,
            None => false,
        };
        let found = self.routes.iter().find(matches).or(self.catch_all.as_ref());
        let route = &**found?;
        Some((route, route.rename(key, of)))
    }
}

impl Route {
    fn compile(message: &RouteMessage, targets: &mut Targets<'_, '_>) -> Result<Self, Refused> {
        let read = message.read_command_policy.as_ref();
        let mirrors = message.request_mirror_policy.iter().map(|mirror| Mirror {
            target: targets.place(&mirror.cluster.value),
            share: mirror.runtime_fraction.clone(),
            excludes_reads: mirror.exclude_read_commands,
        });
        let mirrors = mirrors.collect();
        Ok(Route {
            prefix: message.prefix.clone().into_bytes(),
            removes_prefix: message.remove_prefix,
            format: key_format(&message.key_formatter, targets.ctx())?,
            target: targets.place(&message.cluster.value),
            read_target: read.map(|read| targets.place(&read.cluster.value)),
            mirrors,
        })
    }

    fn rename(&self, key: &[u8], of: &FormatContext<'_>) -> Vec<u8> {
        let key = match self.removes_prefix {
            true => key.get(self.prefix.len()..).unwrap_or_default(),
            false => key,
        };
        let Some(format) = &self.format else {
            return key.to_vec();
        };
        let mut formatted = Vec::new();
        format.format(of, &mut formatted);
        let renamed = replace(&formatted, KEPT_KEY.as_bytes(), key);
        match renamed.is_empty() {
            true => key.to_vec(),
            false => renamed,
        }
    }

    /// The cluster of a command.
    pub(crate) fn target(&self, is_read: bool) -> usize {
        match self.read_target {
            Some(target) if is_read => target,
            _ => self.target,
        }
    }

    /// The clusters that get the command as well.
    pub(crate) fn mirrors(
        &self,
        is_read: bool,
        random: &dyn Fn() -> u64,
    ) -> impl Iterator<Item = usize> {
        let chosen = move |mirror: &&Mirror| {
            let share = mirror.share.as_ref();
            !(mirror.excludes_reads && is_read) && share.is_none_or(|it| it.chooses(random()))
        };
        self.mirrors
            .iter()
            .filter(chosen)
            .map(|mirror| mirror.target)
    }
}

fn key_format(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<Format>, Refused> {
    if text.value.is_empty() {
        return Ok(None);
    }
    // What is missing is nothing here.
    let format = Format::compile_omitting(&text.value.replace(KEY, KEPT_KEY)).map_err(|error| {
        ctx.error(text.span, error.to_string());
        Refused
    });
    format.map(Some)
}

fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + with.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(what) {
            Some(behind) => {
                out.extend_from_slice(with);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out
}
