//! The UI's files, as they stand in `web/`.

use crate::admin::response::HTML;

/// A file.
pub(super) struct Asset {
    /// Its name below `/ui/`.
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=UTF-8";
const STYLE: &str = "text/css; charset=UTF-8";
const PICTURE: &str = "image/svg+xml";

/// The page that loads the others.
pub(super) const START_PAGE: Asset = Asset {
    name: "",
    content_type: HTML,
    text: include_str!("web/index.html"),
};

/// What the page loads.
pub(super) const FILES: &[Asset] = &[
    Asset {
        name: "icon.svg",
        content_type: PICTURE,
        text: include_str!("web/icon.svg"),
    },
    Asset {
        name: "style.css",
        content_type: STYLE,
        text: include_str!("web/style.css"),
    },
    script("boot.js", include_str!("web/boot.js")),
    script("main.js", include_str!("web/main.js")),
    script("api.js", include_str!("web/api.js")),
    script("dom.js", include_str!("web/dom.js")),
    script("rates.js", include_str!("web/rates.js")),
    script("spark.js", include_str!("web/spark.js")),
    script("wires.js", include_str!("web/wires.js")),
    script("cards.js", include_str!("web/cards.js")),
    script("traffic.js", include_str!("web/traffic.js")),
    script("config.js", include_str!("web/config.js")),
    script("explain.js", include_str!("web/explain.js")),
    script("logging.js", include_str!("web/logging.js")),
    script("commands.js", include_str!("web/commands.js")),
];

const fn script(name: &'static str, text: &'static str) -> Asset {
    Asset {
        name,
        content_type: SCRIPT,
        text,
    }
}
