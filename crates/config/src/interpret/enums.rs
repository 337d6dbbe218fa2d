//! The value of an enum that was meant: by a near name, by another word for it, or by the words that it shares.

use nuncio_api as api;

use super::suggest::nearest;

/// Words that people write for a value, in capitals, and the value: it counts where the enum has it.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("IPV4", "V4_ONLY"),
    ("IPV6", "V6_ONLY"),
    ("IPV4_ONLY", "V4_ONLY"),
    ("IPV6_ONLY", "V6_ONLY"),
    ("IPV4_PREFERRED", "V4_PREFERRED"),
    ("V4", "V4_ONLY"),
    ("V6", "V6_ONLY"),
    ("BOTH", "ALL"),
    ("RR", "ROUND_ROBIN"),
    ("LEAST_CONN", "LEAST_REQUEST"),
    ("LEASTCONN", "LEAST_REQUEST"),
    ("LEAST_CONNECTION", "LEAST_REQUEST"),
    ("LEAST_CONNECTIONS", "LEAST_REQUEST"),
    ("LR", "LEAST_REQUEST"),
    ("CONSISTENT_HASH", "RING_HASH"),
    ("HASH", "RING_HASH"),
    ("KETAMA", "RING_HASH"),
    ("DNS", "STRICT_DNS"),
    ("XDS", "EDS"),
    ("H1", "HTTP1"),
    ("H2", "HTTP2"),
    ("H2C", "HTTP2"),
    ("H3", "HTTP3"),
    ("QUIC", "HTTP3"),
    ("GRPC", "HTTP2"),
    ("HTTP", "HTTP1"),
    ("HTTP/1.1", "HTTP1"),
    ("HTTP1.1", "HTTP1"),
    ("301", "MOVED_PERMANENTLY"),
    ("302", "FOUND"),
    ("303", "SEE_OTHER"),
    ("307", "TEMPORARY_REDIRECT"),
    ("308", "PERMANENT_REDIRECT"),
    ("100", "HUNDRED"),
    ("PERCENT", "HUNDRED"),
    ("10000", "TEN_THOUSAND"),
    ("1000000", "MILLION"),
    ("TLSV1.0", "TLSv1_0"),
    ("TLSV1.1", "TLSv1_1"),
    ("TLSV1.2", "TLSv1_2"),
    ("TLSV1.3", "TLSv1_3"),
    ("TLS1.2", "TLSv1_2"),
    ("TLS1.3", "TLSv1_3"),
    ("TLS_1_2", "TLSv1_2"),
    ("TLS_1_3", "TLSv1_3"),
    ("1.2", "TLSv1_2"),
    ("1.3", "TLSv1_3"),
    ("IN", "INBOUND"),
    ("OUT", "OUTBOUND"),
    ("INGRESS", "INBOUND"),
    ("EGRESS", "OUTBOUND"),
    ("V2", "V3"),
    ("OVERWRITE", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ("REPLACE", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ("SET", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ("APPEND", "APPEND_IF_EXISTS_OR_ADD"),
    ("ADD", "APPEND_IF_EXISTS_OR_ADD"),
];

/// The value meant by a text or number.
pub(crate) fn meant(enumeration: api::Enum, written: &str) -> Option<&'static str> {
    if written.is_empty() || written.len() > 100 {
        return None;
    }
    let upper = written.trim().to_ascii_uppercase().replace(['-', ' '], "_");
    let by_word = OTHER_WORDS
        .iter()
        .filter(|(word, _)| *word == upper)
        .find_map(|(_, value)| enumeration.by_name(value));
    if let Some(value) = by_word {
        return Some(value.name());
    }
    let names = || enumeration.values().map(|value| value.name());
    let near = nearest_value(&upper, names());
    near.or_else(|| sharing_words(&upper, names()))
}

/// The name nearest to a text in capitals, or the only one that goes on before or behind it.
fn nearest_value<'c>(
    written: &str,
    names: impl Iterator<Item = &'c str> + Clone,
) -> Option<&'c str> {
    nearest(written, names.clone()).or_else(|| {
        let (before, behind) = (format!("_{written}"), format!("{written}_"));
        let mut goes_on = names.filter(|name| name.ends_with(&before) || name.starts_with(&behind));
        goes_on.next().filter(|_| goes_on.next().is_none())
    })
}

/// The name that shares the most words with the text, if one alone does, and half of the text's.
fn sharing_words<'c>(
    written: &str,
    names: impl Iterator<Item = &'c str> + Clone,
) -> Option<&'c str> {
    let words: Vec<&str> = written.split('_').filter(|word| word.len() > 1).collect();
    let shared = |name: &str| {
        let of_name: Vec<&str> = name.split('_').collect();
        words.iter().filter(|word| of_name.contains(word)).count()
    };
    let most = names.clone().map(shared).max()?;
    let mut best = names.filter(|name| shared(name) == most);
    let only = best.next().filter(|_| best.next().is_none());
    only.filter(|_| most > 0 && most * 2 >= words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, written: &str) -> Option<&'static str> {
        let name = format!("envoy.config.cluster.v3.Cluster.{name}");
        meant(
            api::enumeration(&name).expect("an enum of clusters"),
            written,
        )
    }

    #[test]
    fn near_names_are_near_and_far_ones_are_not() {
        assert_eq!(cluster("DiscoveryType", "STRICT_DNSS"), Some("STRICT_DNS"));
        assert_eq!(cluster("DiscoveryType", "strict-dns"), Some("STRICT_DNS"));
        assert_eq!(cluster("DiscoveryType", "BANANA"), None);
    }

    #[test]
    fn other_words_mean_the_value_that_the_enum_has() {
        assert_eq!(cluster("DnsLookupFamily", "IPv4"), Some("V4_ONLY"));
        assert_eq!(cluster("LbPolicy", "least_conn"), Some("LEAST_REQUEST"));
        assert_eq!(cluster("LbPolicy", "IPv4"), None);
    }

    #[test]
    fn a_value_that_shares_words_alone_is_meant() {
        assert_eq!(
            cluster("DiscoveryType", "ORIGINAL_DESTINATION"),
            Some("ORIGINAL_DST")
        );
        assert_eq!(cluster("DiscoveryType", "SOME_DNS"), None);
    }
}
