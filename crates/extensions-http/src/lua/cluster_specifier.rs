//! `envoy.router.cluster_specifier_plugin.lua`: a script chooses the cluster of each request by its headers.
//!
//! Its function `envoy_on_route` gives the cluster's name; the default cluster counts where it fails or gives none. A
//! thread has a state of Lua for each script. Trust and libraries are those of the filter. Left out: `getCluster()`,
//! which fails. Envoy's documentation: HTTP cluster specifier, Lua.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_contract::application_log::{self, Severity};
use nuncio_contract::cluster_specifier::{ClusterSpecifier, ClusterSpecifierRoom};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::StreamInfo;

use super::config::{Code, MAX_SCRIPT_BYTES, bare_slot};
use super::native::LOGGER;
use super::vm::{Chosen, Script};
use crate::level_stats::Kept;

/// The room.
pub static ROOM: ClusterSpecifierRoom = ClusterSpecifierRoom {
    name: "envoy.router.cluster_specifier_plugin.lua",
    message: "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig",
    parse,
    support: |table| LuaConfig::support(table),
};

const NO_FUNCTION: &str =
    "envoy_on_route() function not found. Lua will not hook cluster specifier.";

message! {
    /// The plugin's config.
    struct LuaConfig: "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig" {
        source_code: DataSource,
        default_cluster: String,
    }
}

/// The plugin, compiled.
struct Plugin {
    code: Arc<Code>,
    default_cluster: Box<str>,
}

thread_local! {
    /// The thread's scripts.
    static SCRIPTS: RefCell<Kept<Arc<Code>, Option<Rc<Script>>>> = RefCell::default();
}

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ClusterSpecifier>, Refused> {
    let message: LuaConfig = any.decode(ctx)?;
    let bytes = message.source_code.read(MAX_SCRIPT_BYTES, ctx)?;
    let why = match Script::load(&bytes, bare_slot()) {
        Ok(script) if script.chooses() => {
            return Ok(Arc::new(Plugin {
                code: Arc::new(Code(bytes)),
                default_cluster: message.default_cluster.into(),
            }));
        }
        Ok(_) => NO_FUNCTION.to_owned(),
        Err(why) => format!("script load error: {why}"),
    };
    ctx.error(message.source_code.span(), why);
    Err(Refused)
}

impl Plugin {
    fn script(&self) -> Option<Rc<Script>> {
        let load = || Script::load(&self.code.0, bare_slot()).ok().map(Rc::new);
        SCRIPTS.with(|scripts| scripts.borrow_mut().get(&self.code, load).clone())
    }
}

impl ClusterSpecifier for Plugin {
    fn choose(&self, request: &HeaderMap, _info: &StreamInfo) -> Vec<u8> {
        let why = match self.script().map(|script| script.choose(request)) {
            Some(Chosen::Name(name)) => return name,
            Some(Chosen::Nothing) => "return value is not string".to_owned(),
            Some(Chosen::Failed(why)) => why,
            None => String::new(),
        };
        let text = format!("script log: {why}, use default cluster");
        application_log::write(Severity::Error, LOGGER, &text);
        self.default_cluster.as_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use nuncio_contract::headers::{HeaderName, Known};

    use super::*;

    fn nobody() -> StreamInfo {
        StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now())
    }

    fn chosen(script: &str, header: &str) -> String {
        let plugin = Plugin {
            code: Arc::new(Code(script.as_bytes().to_vec())),
            default_cluster: "default".into(),
        };
        let mut request = HeaderMap::request();
        request.set(Known::Path, b"/");
        let name = HeaderName::parse("to").expect("a name");
        request.append(&name, header.as_bytes());
        String::from_utf8(plugin.choose(&request, &nobody())).expect("text")
    }

    #[test]
    fn a_script_chooses_or_the_default_counts() {
        let of_header = "function envoy_on_route(r) return r:headers():get(\"to\") end";
        assert_eq!(chosen(of_header, "a"), "a");
        for (script, name) in [
            ("function envoy_on_route(r) return 5 end", "5"),
            ("function envoy_on_route(r) return \"\" end", ""),
            ("function envoy_on_route(r) return \"a\", \"b\" end", "b"),
            ("function envoy_on_route(r) coroutine.yield() end", ""),
            ("function envoy_on_route(r) return {} end", "default"),
            ("function envoy_on_route(r) return end", "default"),
            ("function envoy_on_route(r) error(\"x\") end", "default"),
            (
                "function envoy_on_route(r) r:headers():add(\"a\", \"b\") return \"a\" end",
                "default",
            ),
        ] {
            assert_eq!(chosen(script, "x"), name, "{script}");
        }
    }

    #[test]
    fn what_is_kept_of_a_request_is_of_no_use_to_the_next() {
        let script = "function envoy_on_route(r) local k = kept kept = r:headers() \
                      if k then return k:get(\"to\") end return \"first\" end";
        let plugin = Plugin {
            code: Arc::new(Code(script.as_bytes().to_vec())),
            default_cluster: "default".into(),
        };
        let request = HeaderMap::request();
        assert_eq!(plugin.choose(&request, &nobody()), b"first");
        assert_eq!(plugin.choose(&request, &nobody()), b"default");
    }
}
