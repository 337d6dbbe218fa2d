//! As much of PEM and DER as it takes to find the public key of a certificate.

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The first certificate of a text.
pub(super) fn from_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let digits: Vec<u8> = body
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    nuncio_config::base64::decode_padded(&digits)
}

/// The `SubjectPublicKeyInfo` of a certificate.
pub(super) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (outer, _) = element(certificate, Some(SEQUENCE))?;
    let (mut fields, _) =
        element(outer.content, Some(SEQUENCE)).map(|(signed, rest)| (signed.content, rest))?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields, None)?.1;
    }
    // Serial number, algorithm, issuer, validity and subject.
    for _ in 0..5 {
        fields = element(fields, None)?.1;
    }
    element(fields, Some(SEQUENCE)).map(|(key, _)| key.whole)
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element, and what is behind it.
fn element(bytes: &[u8], tag: Option<u8>) -> Option<(Element<'_>, &[u8])> {
    let first = *bytes.first()?;
    if tag.is_some_and(|tag| tag != first) {
        return None;
    }
    let short = usize::from(*bytes.get(1)?);
    let (head, len) = match short.checked_sub(0x80) {
        None => (2, short),
        Some(count @ 1..=4) => {
            let digits = bytes.get(2..2 + count)?;
            let len = digits
                .iter()
                .fold(0_usize, |len, digit| len << 8 | usize::from(*digit));
            (2 + count, len)
        }
        Some(_) => return None,
    };
    let end = head.checked_add(len)?;
    let (whole, rest) = bytes.split_at_checked(end)?;
    let content = whole.get(head..)?;
    Some((Element { whole, content }, rest))
}
