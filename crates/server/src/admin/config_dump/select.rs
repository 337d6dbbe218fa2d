//! What a request picks out of the sections.

use super::mask::Mask;
use super::model::{Resource, Section};

/// An element of the answer's `configs`.
pub(super) enum Config {
    Section(Section),
    Resource(Resource),
}

/// Why nothing is shown: a status and a text.
pub(super) type Refusal = (u16, String);

/// The sections that `mask` leaves something of.
pub(super) fn sections(sections: Vec<Section>, mask: Option<&str>) -> Result<Vec<Config>, Refusal> {
    let Some(text) = mask else {
        return Ok(sections.into_iter().map(Config::Section).collect());
    };
    let mask = Mask::parse(text);
    let kept: Vec<Config> = sections
        .into_iter()
        .filter_map(|section| mask.apply_to_section(section))
        .map(Config::Section)
        .collect();
    if kept.is_empty() {
        return Err((
            400,
            format!("FieldMask {text} could not be successfully applied to any configs."),
        ));
    }
    Ok(kept)
}

/// The resources of one list, with what `mask` leaves of each.
pub(super) fn resources(
    sections: Vec<Section>,
    name: &str,
    mask: Option<&str>,
) -> Result<Vec<Config>, Refusal> {
    if sections
        .iter()
        .any(|section| section.kind.fields.contains(&name))
    {
        return Err((
            400,
            format!("{name} is not a repeated field. Use ?mask={name} to get only this field"),
        ));
    }
    let Some(section) = sections
        .into_iter()
        .find(|section| section.kind.lists.contains(&name))
    else {
        return Err((404, format!("{name} not found in config dump")));
    };
    let resources = section
        .lists
        .into_iter()
        .find(|list| list.0 == name)
        .map(|list| list.1)
        .unwrap_or_default();
    let Some(text) = mask else {
        return Ok(resources.into_iter().map(Config::Resource).collect());
    };
    let mask = Mask::parse(text);
    let paths: String = text
        .split(',')
        .filter(|path| !path.is_empty())
        .map(|path| format!("paths: \"{path}\"\n"))
        .collect();
    let trimmed: Option<Vec<Config>> = resources
        .into_iter()
        .map(|resource| mask.apply_to_resource(resource).map(Config::Resource))
        .collect();
    trimmed.ok_or_else(|| {
        (
            400,
            format!("FieldMask {paths} could not be successfully used."),
        )
    })
}
