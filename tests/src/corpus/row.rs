//! One file's verdicts and whether they agree.

use super::Finding;

/// What Envoy 1.40 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envoy {
    /// It takes the file.
    Accepts,
    /// It refuses it, with these words.
    Refuses(String),
}

/// What Nuncio says.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether the file was taken.
    pub accepted: bool,
    /// Everything that was found.
    pub findings: Vec<Finding>,
}

/// A file with all verdicts.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its path in the corpus.
    pub file: String,
    /// Envoy's verdict.
    pub envoy: Envoy,
    /// Nuncio's.
    pub plain: Verdict,
    /// Nuncio's with `--allow-unsupported`.
    pub lenient: Verdict,
}

/// How the verdicts on a file compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Both take it or both refuse it.
    Agrees,
    /// Envoy takes it; Nuncio refuses it for nothing but what it does not support yet.
    Unsupported,
    /// Both refuse it, Nuncio for nothing but what it does not support yet.
    RefusedAnyway,
    /// One takes it and the other does not.
    Disagrees,
}

impl Verdict {
    /// The errors that are about the configuration itself.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        let errors = self.findings.iter().filter(|finding| finding.is_error);
        errors.filter(|finding| finding.unsupported().is_none())
    }

    /// What is not supported.
    pub fn unsupported(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().filter_map(Finding::unsupported)
    }

    /// A refusal must say why.
    fn is_explained(&self) -> bool {
        self.accepted || self.findings.iter().any(|finding| finding.is_error)
    }
}

impl Row {
    /// How the verdicts on the file as it is compare.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let only_unsupported = self.plain.faults().next().is_none();
        match (&self.envoy, self.plain.accepted) {
            _ if !self.plain.is_explained() => Agreement::Disagrees,
            (Envoy::Accepts, true) => Agreement::Agrees,
            (Envoy::Accepts, false) if only_unsupported => Agreement::Unsupported,
            (Envoy::Refuses(_), false) if only_unsupported => Agreement::RefusedAnyway,
            (Envoy::Refuses(_), false) => Agreement::Agrees,
            (Envoy::Accepts, false) | (Envoy::Refuses(_), true) => Agreement::Disagrees,
        }
    }

    /// Whether the verdict with `--allow-unsupported` is Envoy's.
    #[must_use]
    pub fn agrees_leniently(&self) -> bool {
        self.lenient.is_explained() && self.lenient.accepted == matches!(self.envoy, Envoy::Accepts)
    }
}
