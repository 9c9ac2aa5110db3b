//! Figures: one look for all of them.

mod figure;

pub use figure::{
    Axis, Band, Curve, Dash, Figure, Key, Marks, Panel, Rule, colour, family_colours,
};
