//! The zone of a host, as its answer to `INFO` tells it: Valkey does, Redis does not.

use nuncio_codec::resp::Value;

const FIELD: &str = "availability_zone:";
const MAX_BYTES: usize = 255;

/// The zone, if it is told.
pub(crate) fn read(answer: &Value) -> Option<Box<str>> {
    let Value::Bulk(text) = answer else {
        return None;
    };
    let text = std::str::from_utf8(text).ok()?;
    let zone = text.lines().find_map(|line| line.strip_prefix(FIELD))?;
    let zone = Some(zone.trim()).filter(|zone| !zone.is_empty() && zone.len() <= MAX_BYTES);
    zone.map(Box::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_stands_in_a_line_of_its_own() {
        let zone = |text: &str| read(&Value::bulk(text));
        let whole = "# Server\r\navailability_zone: eu-1a \r\nx:y\r\n";
        assert_eq!(zone(whole).as_deref(), Some("eu-1a"));
        assert_eq!(zone("# Server\r\navailability_zone:\r\n"), None);
        assert_eq!(zone("x:availability_zone:y\r\n"), None);
        assert_eq!(read(&Value::error("availability_zone:a")), None);
    }
}
