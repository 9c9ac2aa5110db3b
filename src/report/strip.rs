//! Images in a row.

use super::{
    axis::Axis,
    figure::{MARGINS, PADDING, PANEL, SPACING},
    picture::Placed,
    thumbnail::Thumbnail,
};

/// Images above a column of panels, each above its place on their axis.
#[derive(Debug, Clone)]
pub struct Strip {
    /// Above the images, its line breaks kept.
    pub caption: String,
    /// The axis of the panels below.
    pub x: Axis,
    /// Places in order, and what is seen there.
    pub images: Vec<(f64, Thumbnail)>,
}

impl Strip {
    /// Middle of the column's panels, without their margins.
    pub(super) fn middle(column: usize) -> f64 {
        Self::left(column) + (PANEL.0 - MARGINS.0 - MARGINS.1) / 2.0
    }

    /// The lower end of the axis.
    fn left(column: usize) -> f64 {
        PADDING + column as f64 * (PANEL.0 + SPACING) + MARGINS.0
    }

    fn place(&self, column: usize, x: f64) -> f64 {
        let share = (x - self.x.low) / (self.x.high - self.x.low);
        Self::left(column) + share * (PANEL.0 - MARGINS.0 - MARGINS.1)
    }

    /// The largest whole factor at which images side by side do not overlap, and none is wider than
    /// both margins.
    fn zoom(&self) -> u32 {
        let widest = self.images.iter().map(|(_, image)| image.width()).max().unwrap_or(1);
        let gaps =
            self.images.windows(2).map(|two| self.place(0, two[1].0) - self.place(0, two[0].0));
        let room = gaps.fold(2.0 * MARGINS.1.min(MARGINS.0) + PADDING, f64::min);
        ((room / f64::from(widest)) as u32).max(1)
    }

    /// The images with their upper edges at `top`.
    pub(super) fn placed(&self, column: usize, top: u32) -> Vec<Placed> {
        let zoom = self.zoom();
        let place = |(x, thumbnail): &(f64, Thumbnail)| Placed {
            left: (self.place(column, *x) - f64::from(zoom * thumbnail.width()) / 2.0).round()
                as u32,
            top,
            zoom,
            thumbnail: thumbnail.clone(),
        };
        self.images.iter().map(place).collect()
    }
}
