//! Where the workers of a runtime are. Knows not how that was chosen.

use crate::runtime::Unavailable;

/// What workers of one runtime run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Process,
    /// Made from this image.
    Container(String),
    Nowhere(Unavailable),
}
