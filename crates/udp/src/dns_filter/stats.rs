//! What the DNS filter counts.
//!
//! `record_name_overflow` never counts, as in Envoy.

use nuncio_contract::stat_group;
use nuncio_contract::stats::Counter;

use super::message::{A, AAAA, SRV};

stat_group! {
    /// Queries and answers of a DNS filter, at `dns_filter.<stat_prefix>.`.
    pub struct DnsFilterStats("") {
        counters {
            a_record_queries,
            aaaa_record_queries,
            cluster_a_record_answers,
            cluster_aaaa_record_answers,
            cluster_srv_record_answers,
            cluster_unsupported_answers,
            downstream_rx_errors,
            downstream_rx_invalid_queries,
            downstream_rx_queries,
            downstream_tx_responses,
            external_a_record_answers,
            external_a_record_queries,
            external_aaaa_record_answers,
            external_aaaa_record_queries,
            external_unsupported_answers,
            external_unsupported_queries,
            externally_resolved_queries,
            known_domain_queries,
            local_a_record_answers,
            local_aaaa_record_answers,
            local_srv_record_answers,
            local_unsupported_answers,
            queries_with_additional_rrs,
            queries_with_ans_or_authority_rrs,
            query_buffer_underflow,
            query_parsing_failure,
            record_name_overflow,
            srv_record_queries,
            unanswered_queries,
            unsupported_queries,
        }
        histograms {
            downstream_rx_bytes: Bytes,
            downstream_rx_query_latency: Milliseconds,
            downstream_tx_bytes: Bytes,
        }
    }
}

impl DnsFilterStats {
    /// Queries of a type.
    pub(super) fn queries(&self, kind: u16) -> &Counter {
        match kind {
            A => &self.a_record_queries,
            AAAA => &self.aaaa_record_queries,
            SRV => &self.srv_record_queries,
            _ => &self.unsupported_queries,
        }
    }

    /// Records of a type that clusters gave.
    pub(super) fn of_clusters(&self, kind: u16) -> &Counter {
        match kind {
            A => &self.cluster_a_record_answers,
            AAAA => &self.cluster_aaaa_record_answers,
            SRV => &self.cluster_srv_record_answers,
            _ => &self.cluster_unsupported_answers,
        }
    }

    /// Records of a type that the table gave.
    pub(super) fn of_table(&self, kind: u16) -> &Counter {
        match kind {
            A => &self.local_a_record_answers,
            AAAA => &self.local_aaaa_record_answers,
            SRV => &self.local_srv_record_answers,
            _ => &self.local_unsupported_answers,
        }
    }

    /// Queries of a type that others were to answer, and records that they gave.
    pub(super) fn of_others(&self, kind: u16) -> (&Counter, &Counter) {
        match kind {
            A => (
                &self.external_a_record_queries,
                &self.external_a_record_answers,
            ),
            AAAA => (
                &self.external_aaaa_record_queries,
                &self.external_aaaa_record_answers,
            ),
            _ => (
                &self.external_unsupported_queries,
                &self.external_unsupported_answers,
            ),
        }
    }
}
