//! Rules as the API has them.

use super::*;
use crate::descriptor::{message, messages};

fn rules(message_name: &str, field: &str) -> Rules {
    let field = message(message_name)
        .and_then(|it| it.field(field))
        .expect("known");
    field.rules().expect("has rules")
}

#[test]
fn a_port_is_at_most_65535() {
    let Some(RuleSet::Number(port)) =
        rules("envoy.config.core.v3.SocketAddress", "port_value").set()
    else {
        panic!("no number rules")
    };
    assert_eq!(port.lte(), Some(Number::Unsigned(65535)));
    assert_eq!(port.gte(), None);
    assert_eq!(port.any_of().len(), 0);
}

#[test]
fn a_connect_timeout_is_above_zero() {
    let Some(RuleSet::Duration(timeout)) =
        rules("envoy.config.cluster.v3.Cluster", "connect_timeout").set()
    else {
        panic!("no duration rules")
    };
    assert_eq!(timeout.gt(), Some((0, 0)));
    assert!(!timeout.required());
}

#[test]
fn a_cluster_name_is_not_empty() {
    let Some(RuleSet::String(name)) = rules("envoy.config.cluster.v3.Cluster", "name").set() else {
        panic!("no string rules")
    };
    assert_eq!(name.min_len(), Some(1));
    assert_eq!(name.well_known(), None);
    assert!(name.strict());
}

#[test]
fn a_host_rewrite_is_a_header_value_but_not_strictly() {
    let set = rules("envoy.config.route.v3.RouteAction", "host_rewrite_literal").set();
    let Some(RuleSet::String(rewrite)) = set else {
        panic!("no string rules")
    };
    assert_eq!(rewrite.well_known(), Some(WellKnown::HttpHeaderValue));
    assert!(!rewrite.strict());
}

#[test]
fn elements_of_a_list_have_rules() {
    let Some(RuleSet::Repeated(domains)) =
        rules("envoy.config.route.v3.VirtualHost", "domains").set()
    else {
        panic!("no list rules")
    };
    assert_eq!(domains.min_items(), Some(1));
    let Some(RuleSet::String(domain)) = domains.items().and_then(Rules::set) else {
        panic!("no items rules")
    };
    assert_eq!(domain.well_known(), Some(WellKnown::HttpHeaderValue));
}

#[test]
fn a_required_message_says_so() {
    assert!(
        rules("envoy.config.route.v3.Route", "match")
            .message()
            .required
    );
    assert_eq!(rules("envoy.config.route.v3.Route", "match").set(), None);
}

#[test]
fn enum_rules_name_numbers() {
    let Some(RuleSet::Enum(kind)) = rules("envoy.config.cluster.v3.Cluster", "type").set() else {
        panic!("no enum rules")
    };
    assert!(kind.defined_only());
    assert_eq!(kind.constant(), None);
}

#[test]
fn rules_that_only_the_newest_envoy_has_are_there() {
    let Some(RuleSet::Repeated(checks)) =
        rules("envoy.config.cluster.v3.Cluster", "health_checks").set()
    else {
        panic!("no list rules")
    };
    assert_eq!(checks.max_items(), Some(8));
    let scopes = "envoy.extensions.filters.http.gcp_authn.v3.Audience.AccessToken";
    let Some(RuleSet::Repeated(scopes)) = rules(scopes, "scopes").set() else {
        panic!("no list rules")
    };
    let Some(RuleSet::String(scope)) = scopes.items().and_then(Rules::set) else {
        panic!("no items rules")
    };
    assert_eq!(
        (scope.min_len(), scope.pattern()),
        (Some(1), Some(r"^[^\s,]+$"))
    );
}

#[test]
fn every_rule_set_of_the_api_can_be_read() {
    let with_rules = messages()
        .flat_map(|it| it.fields())
        .filter_map(|field| field.rules());
    let read = with_rules.filter(|rules| {
        rules.set().is_some()
            || rules.message()
                != MessageRules {
                    skip: false,
                    required: false,
                }
    });
    assert!(read.count() > 1200);
}
