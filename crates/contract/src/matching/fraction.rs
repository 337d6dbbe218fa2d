//! Percentages: `envoy.type.v3.FractionalPercent` and its form with a runtime key; and switches with one.

use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_config::{enumeration, message};

enumeration! {
    /// What a numerator is divided by.
    pub enum Denominator: "envoy.type.v3.FractionalPercent.DenominatorType" {
        HUNDRED => Hundred,
        TEN_THOUSAND => TenThousand,
        MILLION => Million,
    }
}

message! {
    /// A fraction of all events.
    pub struct FractionalPercent: "envoy.type.v3.FractionalPercent" {
        pub(crate) numerator: u32,
        pub(crate) denominator: Denominator,
    }
}

message! {
    /// A fraction that a runtime key may override.
    pub struct RuntimeFractionalPercent: "envoy.config.core.v3.RuntimeFractionalPercent" {
        pub(crate) default_value: FractionalPercent,
        pub(crate) runtime_key: RuntimeKey,
    }
}

message! {
    /// A switch that a runtime key may override.
    pub struct RuntimeFeatureFlag: "envoy.config.core.v3.RuntimeFeatureFlag" {
        pub(crate) default_value: bool,
        pub(crate) runtime_key: RuntimeKey,
    }
}

impl RuntimeFeatureFlag {
    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.runtime_key.boolean(self.default_value)
    }
}

impl FractionalPercent {
    /// Its value.
    pub fn share(&self) -> Fraction {
        Fraction {
            numerator: self.numerator,
            divisor: match self.denominator {
                Denominator::Hundred => 100,
                Denominator::TenThousand => 10_000,
                Denominator::Million => 1_000_000,
            },
        }
    }
}

impl RuntimeFractionalPercent {
    /// The fraction in force.
    pub fn share(&self) -> Fraction {
        self.runtime_key.fraction(self.default_value.share())
    }

    /// Whether an event whose random number is `random` is among the chosen ones.
    pub fn chooses(&self, random: u64) -> bool {
        self.share().chooses(random)
    }

    /// In words, why such an event is not among the chosen ones; none if it is.
    pub fn why_not(&self, random: u64) -> Option<String> {
        let share = self.share();
        let drawn = random % u64::from(share.divisor);
        (!share.chooses(random))
            .then(|| format!("the runtime fraction is {share}, and this request drew {drawn}"))
    }
}

impl std::fmt::Display for RuntimeFractionalPercent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.share().fmt(f)
    }
}
