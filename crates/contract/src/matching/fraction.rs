//! Percentages: `envoy.type.v3.FractionalPercent` and its form with a runtime key.
//! No runtime layer is loaded yet, so a runtime key always yields its default value.

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
        inert runtime_key = "without a runtime layer the default value holds, as in Envoy";
    }
}

impl FractionalPercent {
    /// Whether an event whose random number is `random` is among the chosen ones.
    pub fn chooses(&self, random: u64) -> bool {
        random % self.divisor() < u64::from(self.numerator)
    }

    fn divisor(&self) -> u64 {
        match self.denominator {
            Denominator::Hundred => 100,
            Denominator::TenThousand => 10_000,
            Denominator::Million => 1_000_000,
        }
    }
}

impl std::fmt::Display for FractionalPercent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.numerator, self.divisor())
    }
}

impl RuntimeFractionalPercent {
    /// Whether an event whose random number is `random` is among the chosen ones.
    pub fn chooses(&self, random: u64) -> bool {
        self.default_value.chooses(random)
    }

    /// In words, why such an event is not among the chosen ones; none if it is.
    pub fn why_not(&self, random: u64) -> Option<String> {
        let drawn = random % self.default_value.divisor();
        (!self.chooses(random)).then(|| {
            format!(
                "the runtime fraction is {}, and this request drew {drawn}",
                self.default_value
            )
        })
    }
}

impl std::fmt::Display for RuntimeFractionalPercent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.default_value.fmt(f)
    }
}

impl FractionalPercent {
    /// The same fraction with its numerator lowered to `limit`, for clients that may ask for less.
    #[must_use]
    pub fn lowered_to(&self, limit: u32) -> Self {
        FractionalPercent {
            numerator: self.numerator.min(limit),
            ..self.clone()
        }
    }
}
