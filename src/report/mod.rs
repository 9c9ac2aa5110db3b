//! Figures: one look for all of them.

mod axis;
pub mod contact_sheet;
mod figure;
pub mod figures;
mod heading;
mod picture;
mod raster;
mod sheet;
mod strip;
mod thumbnail;

pub use axis::Axis;
pub use figure::{
    Band, Curve, Dash, Figure, Key, Marker, Marks, Panel, Rule, Sample, colour, family_colours,
};
pub use raster::PNG_SCALE;
pub use sheet::Sheet;
pub use strip::Strip;
pub use thumbnail::Thumbnail;
