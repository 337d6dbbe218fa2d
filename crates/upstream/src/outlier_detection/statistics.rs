//! How the rates of hosts compare: which of them stand out from the others.

/// The average of rates, and the threshold below which one stands out, in per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The mean; -1 if too few hosts had enough requests.
    pub average: f64,
    /// So many standard deviations below the mean; -1 as well.
    pub threshold: f64,
}

impl Comparison {
    /// Too few hosts had enough requests.
    pub const NONE: Self = Self {
        average: -1.0,
        threshold: -1.0,
    };

    /// Of these rates, with the factor of the standard deviation in thousandths.
    #[expect(
        clippy::cast_precision_loss,
        reason = "neither hosts nor factors come near 53 bits"
    )]
    pub(super) fn of(rates: &[f64], factor_thousandths: u64) -> Self {
        let count = rates.len() as f64;
        let average = rates.iter().sum::<f64>() / count;
        let squares = rates.iter().map(|rate| (rate - average).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        Self {
            average,
            threshold: average - factor_thousandths as f64 / 1000.0 * deviation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_host_among_five_is_below_the_threshold() {
        let found = Comparison::of(&[50.0, 100.0, 100.0, 100.0, 100.0], 1_900);
        assert!((found.average - 90.0).abs() < 1e-9);
        assert!((found.threshold - 52.0).abs() < 1e-9);
    }
}
