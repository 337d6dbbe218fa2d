//! The clusters of the services that credentials are fetched from, as Envoy names them.

use std::net::IpAddr;

use nuncio_config::typed::ManagedCluster;

use super::sources::INSTANCE_HOST;

/// The cluster of instances' metadata.
pub(crate) const INSTANCE_CLUSTER: &str = "ec2_instance_metadata_server_internal";
/// The cluster of containers' metadata.
pub(crate) const CONTAINER_CLUSTER: &str = "ecs_task_metadata_server_internal";
/// Where containers' metadata are when only their path is known.
pub(crate) const CONTAINER_HOST: &str = "169.254.170.2";
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// The cluster of instances' metadata.
pub(crate) fn of_instance() -> ManagedCluster {
    ManagedCluster {
        name: INSTANCE_CLUSTER.into(),
        host: INSTANCE_HOST.into(),
        port: HTTP_PORT,
        is_resolved: false,
        is_encrypted: false,
    }
}

/// The cluster at a URI, the host to be asked for and the path; none where the host is no address.
pub(crate) fn of_container(uri: &str) -> Option<(ManagedCluster, Box<str>, Box<str>)> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let end = rest.find('/').unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let path = if path.is_empty() { "/" } else { path };
    let (host, port) = split(place, HTTP_PORT);
    let _address: IpAddr = host.parse().ok()?;
    let cluster = ManagedCluster {
        name: CONTAINER_CLUSTER.into(),
        host: host.into(),
        port,
        is_resolved: false,
        is_encrypted: port == HTTPS_PORT,
    };
    Some((cluster, host.into(), path.into()))
}

/// The cluster of the token service of a region, or of the first of several, and the host to be asked for.
pub(crate) fn of_token_service(regions: &str) -> (ManagedCluster, Box<str>) {
    let first = regions.split(',').next().unwrap_or_default();
    let host = match first {
        first if first.contains('*') => "sts.amazonaws.com".to_owned(),
        "cn-north-1" | "cn-northwest-1" => format!("sts.{first}.amazonaws.com.cn"),
        first => format!("sts.{first}.amazonaws.com"),
    };
    let place = host.split('/').next().unwrap_or_default();
    let (name, port) = split(place, HTTPS_PORT);
    let cluster = ManagedCluster {
        name: format!("sts_token_service_internal-{regions}").into(),
        host: name.into(),
        port,
        is_resolved: true,
        is_encrypted: port == HTTPS_PORT,
    };
    (cluster, host.into())
}

fn split(place: &str, default: u16) -> (&str, u16) {
    if let Some((host, rest)) = place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
        return (host, port.unwrap_or(default));
    }
    let parsed = place.split_once(':');
    let parsed = parsed.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parsed.unwrap_or((place, default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_service_is_where_the_first_region_is() {
        let place = |regions: &str| {
            let (cluster, host) = of_token_service(regions);
            let encryption = if cluster.is_encrypted { " tls" } else { "" };
            format!(
                "{} {}:{}{encryption} {host}",
                cluster.name, cluster.host, cluster.port
            )
        };
        for (regions, shown) in [
            (
                "eu-west-1",
                "eu-west-1 sts.eu-west-1.amazonaws.com:443 tls sts.eu-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                "cn-north-1 sts.cn-north-1.amazonaws.com.cn:443 tls sts.cn-north-1.amazonaws.com.cn",
            ),
            ("a,b", "a,b sts.a.amazonaws.com:443 tls sts.a.amazonaws.com"),
            ("us-*", "us-* sts.amazonaws.com:443 tls sts.amazonaws.com"),
            (
                "x.test:1/",
                "x.test:1/ sts.x.test:1 sts.x.test:1/.amazonaws.com",
            ),
        ] {
            assert_eq!(
                place(regions),
                format!("sts_token_service_internal-{shown}")
            );
        }
    }

    #[test]
    fn metadata_of_containers_are_at_addresses() {
        let place = |uri: &str| {
            let (cluster, host, path) = of_container(uri)?;
            let encryption = if cluster.is_encrypted { " tls" } else { "" };
            Some(format!(
                "{}:{}{encryption} {host} {path}",
                cluster.host, cluster.port
            ))
        };
        for (uri, shown) in [
            (
                "http://127.0.0.1:81/a?b=c",
                Some("127.0.0.1:81 127.0.0.1 /a?b=c"),
            ),
            (
                "http://[fd00:ec2::23]/v1",
                Some("fd00:ec2::23:80 fd00:ec2::23 /v1"),
            ),
            ("169.254.170.2/x", Some("169.254.170.2:80 169.254.170.2 /x")),
            ("http://1.2.3.4", Some("1.2.3.4:80 1.2.3.4 /")),
            ("https://1.2.3.4:443/", Some("1.2.3.4:443 tls 1.2.3.4 /")),
            ("http://name/x", None),
        ] {
            assert_eq!(place(uri).as_deref(), shown, "{uri}");
        }
    }
}
