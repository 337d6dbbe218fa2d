//! Every mistake in a configuration is found, at its place, with Envoy's words and the way out.

use nuncio_testkit::proxy::Scratch;
use nuncio_tests::binary::nuncio;
use nuncio_tests::diagnostics::load;

#[test]
fn every_mistake_is_found_at_its_place_and_nothing_else() {
    let nuncio = nuncio();
    let scratch = Scratch::new().expect("a scratch directory");
    let cases = load().expect("the cases fit the base");
    assert!(cases.len() > 390, "the cases are there");
    let mut wrong = Vec::new();
    for case in &cases {
        let faults = case
            .faults(&nuncio, scratch.path())
            .expect("the binary runs");
        for fault in faults {
            wrong.push(format!("{}: {fault}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
