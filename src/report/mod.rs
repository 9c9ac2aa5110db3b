//! What people look at: figures, one look for all of them, and the page of a run.

mod axis;
pub mod contact_sheet;
mod figure;
pub mod figures;
pub mod findings;
mod heading;
pub mod health;
pub mod html;
pub mod labels;
pub mod markdown;
pub mod paper_tables;
pub mod parquet;
mod picture;
mod raster;
pub mod results;
pub mod run_record;
mod sheet;
mod strip;
pub mod tables;
mod thumbnail;

pub use axis::Axis;
pub use figure::{
    Band, Curve, Dash, Figure, Key, Marker, Marks, Panel, Rule, Sample, colour, family_colours,
};
pub use raster::PNG_SCALE;
pub use sheet::Sheet;
pub use strip::Strip;
pub use thumbnail::Thumbnail;
