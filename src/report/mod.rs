//! Figures: one look for all of them.

pub mod contact_sheet;
mod figure;

pub use figure::{
    Axis, Band, Curve, Dash, Figure, Key, Marks, Panel, Rule, colour, family_colours,
};
