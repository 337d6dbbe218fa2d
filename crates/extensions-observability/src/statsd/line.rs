//! A stat as a line: `<prefix>.<name>:<value>|<type>`, with tags where the collector knows any.

use nuncio_contract::stat_sink::{Reading, Told};
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{Sample, Unit};

/// Where tags stand, and with them how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `name:1|c|#tag:value,tag:value`.
    AfterValue,
    /// `name;tag=value;tag=value:1|c`.
    AfterName,
}

/// Writes lines.
pub(crate) struct Lines {
    prefix: String,
    tags: Option<(Tags, TagExtractor)>,
    /// Whether microseconds are told as milliseconds rather than as so many of them.
    pub(crate) scales_units: bool,
}

impl Lines {
    /// Without tags names stay whole.
    pub(crate) fn new(prefix: &str, tags: Option<(Tags, TagExtractor)>) -> Self {
        let prefix = prefix.to_owned();
        Self {
            prefix,
            tags,
            scales_units: false,
        }
    }

    /// The line of a stat of a flush, without an end of line; histograms have none.
    pub(crate) fn reading(&self, told: &Told<'_>) -> Option<String> {
        match told.reading {
            Reading::Counter { more, .. } => Some(self.line(told, &more.to_string(), "|c")),
            Reading::Gauge(value) => Some(self.line(told, &value.to_string(), "|g")),
            Reading::Histogram { .. } => None,
        }
    }

    /// The line of a histogram's value: whatever it measures is told as milliseconds, as in Envoy.
    pub(crate) fn sample(&self, sample: &Sample) -> String {
        let told = Told::plain(&sample.name, &Reading::Gauge(0));
        match sample.unit {
            Unit::Percent => {
                #[expect(clippy::cast_precision_loss, reason = "as Envoy tells it")]
                let share = sample.value as f32 / 1_000_000.0;
                self.line(&told, &six_digits(f64::from(share)), "|h")
            }
            Unit::Microseconds if self.scales_units => {
                #[expect(clippy::cast_precision_loss, reason = "as Envoy tells it")]
                let milliseconds = sample.value as f64 / 1000.0;
                self.line(&told, &milliseconds.to_string(), "|ms")
            }
            _ => self.line(&told, &sample.value.to_string(), "|ms"),
        }
    }

    fn line(&self, told: &Told<'_>, value: &str, kind: &str) -> String {
        let prefix = self.prefix.as_str();
        let Some((position, extractor)) = &self.tags else {
            return [prefix, ".", told.name, ":", value, kind].concat();
        };
        let extracted = told.extract(extractor);
        let (start, assign, separator) = match position {
            Tags::AfterValue => ("|#", ":", ","),
            Tags::AfterName => (";", "=", ";"),
        };
        let mut tags = String::new();
        for tag in &extracted.tags {
            tags.push_str(if tags.is_empty() { start } else { separator });
            tags.push_str(&tag.name);
            tags.push_str(assign);
            tags.push_str(&tag.value);
        }
        let name = extracted.name.as_str();
        match position {
            Tags::AfterValue => [prefix, ".", name, ":", value, kind, &tags].concat(),
            Tags::AfterName => [prefix, ".", name, &tags, ":", value, kind].concat(),
        }
    }
}

/// A number to six significant digits, as C's `%g` writes it.
fn six_digits(value: f64) -> String {
    let scientific = format!("{value:.5e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match exponent.parse::<i32>() {
        Ok(exponent @ -4..=5) => {
            let decimals = usize::try_from(5 - exponent).unwrap_or(0);
            trim(&format!("{value:.decimals$}"))
        }
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trim(mantissa), exponent.unsigned_abs())
        }
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::six_digits;

    #[test]
    fn numbers_have_six_digits_and_no_more_than_they_need() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (0.123_456_789, "0.123457"),
            (0.000_012_5, "1.25e-05"),
            (123_456.7, "123457"),
            (1_234_567.0, "1.23457e+06"),
        ] {
            assert_eq!(six_digits(value), text);
        }
    }
}
