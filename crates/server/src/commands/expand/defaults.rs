//! The defaults of the bootstrap and the listeners, as configurations would write them.

use nuncio_config::expand::{FieldDefault, When};

const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
const LISTENER: &str = "envoy.config.listener.v3.Listener";

/// The defaults.
pub(super) const DEFAULTS: &[FieldDefault] = &[
    FieldDefault::new(BOOTSTRAP, &["stats_flush_interval"], "5s"),
    FieldDefault::new(LISTENER, &["per_connection_buffer_limit_bytes"], "1048576"),
    FieldDefault::new(LISTENER, &["enable_reuse_port"], "true")
        .when(When::Without("internal_listener")),
];

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use nuncio_config::bootstrap::Input;
    use nuncio_contract::registry::Extensions;
    use nuncio_contract::stats::StatsStore;
    use nuncio_upstream::ClusterManager;

    use super::DEFAULTS;
    use crate::bootstrap::{SecretShelf, Surroundings, compile_input};

    /// What the code makes of a bootstrap and its listener.
    fn outcome(bootstrap: &str, listener: &str) -> String {
        let yaml = format!(
            "{bootstrap}\nstatic_resources:\n  listeners:\n  - name: a\n    {listener}\n    address: {{ socket_address: \
             {{ address: 127.0.0.1, port_value: 1 }} }}\n    filter_chains:\n    - filters:\n      - name: h\n        \
             typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.filters.network.\
             http_connection_manager.v3.HttpConnectionManager\n          stat_prefix: a\n          route_config: {{}}\n          \
             http_filters: [{{ name: r, typed_config: {{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.\
             router.v3.Router }} }}]\n"
        );
        let Ok(options) = crate::cli::read(&[], "", "") else {
            panic!("no arguments are good arguments");
        };
        let stats = StatsStore::default();
        let around = Surroundings {
            options: &options,
            extensions: &Extensions::default(),
            manager: &Arc::new(ClusterManager::new(stats.clone())),
            stats: &stats,
            runtime: &Rc::default(),
            secrets: SecretShelf::default(),
            channels: nuncio_config::typed::Channels::default(),
        };
        let input = Input {
            yaml: Some(yaml),
            ..Input::default()
        };
        let compiled = compile_input(&around, &input);
        let (compiled, _) =
            compiled.unwrap_or_else(|findings| panic!("{}", findings.first_error()));
        let [resource] = compiled.listeners.as_slice() else {
            panic!("one listener");
        };
        let listener = &resource.listener;
        format!(
            "{:?} {:?} {}",
            compiled.stats.flush_interval,
            listener.options,
            listener.chains[0]
                .http()
                .map_or(0, |http| http.manager.buffer_limit_bytes)
        )
    }

    #[test]
    fn the_defaults_that_are_shown_are_those_that_hold() {
        let others = ["7s", "7", "false"];
        for (default, other) in DEFAULTS.iter().zip(others) {
            let [field] = default.path else {
                panic!("a field of the message itself");
            };
            let with = |value: &str| {
                let written = format!("{field}: {value}");
                match default.message {
                    super::BOOTSTRAP => outcome(&written, ""),
                    _ => outcome("", &written),
                }
            };
            assert_eq!(with(default.value), outcome("", ""), "{field}");
            assert_ne!(with(other), outcome("", ""), "{field} has an effect");
        }
        assert_eq!(DEFAULTS.len(), others.len());
    }
}
