//! The upgrade on whole files.
