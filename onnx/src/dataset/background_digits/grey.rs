//! Grey images of 8-bit values, and how colour and size are reduced to them.

/// A grey image, row after row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// A rectangle of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first column.
    pub left: usize,
    /// Its first row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Grey {
    /// An image of `width` columns.
    ///
    /// # Panics
    /// Where `pixels` are not whole rows, or none.
    pub fn new(width: usize, pixels: Vec<u8>) -> Self {
        assert!(width > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(width));
        Self { width, height: pixels.len() / width, pixels }
    }

    /// The image of colours that stand together, red, green, blue.
    ///
    /// # Panics
    /// As [`Grey::new`].
    pub fn from_rgb(width: usize, colours: &[u8]) -> Self {
        Self::new(width, colours.as_chunks().0.iter().map(luma).collect())
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Row after row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All of it.
    pub fn whole(&self) -> Window {
        Window { left: 0, top: 0, width: self.width, height: self.height }
    }

    /// The image shrunk, where it is larger, until its long side is `long_side` pixels.
    pub fn limited(self, long_side: usize) -> Self {
        let longest = self.width.max(self.height);
        if longest <= long_side {
            return self;
        }
        let scaled = |side: usize| (2 * side * long_side + longest) / (2 * longest);
        let (width, height) = (scaled(self.width).max(1), scaled(self.height).max(1));
        Self::new(width, rounded(&self.shrunk(self.whole(), width, height)))
    }

    /// A window averaged down to `width` x `height` pixels: each is the mean, by area, of what it
    /// covers. In one dimension, from s to d pixels,
    ///
    /// ```text
    /// y_i = (d / s) sum_j x_j |[i s/d, (i + 1) s/d) ∩ [j, j + 1)|
    /// ```
    ///
    /// Numerics: the sums are of whole numbers and exact; one division rounds.
    ///
    /// # Panics
    /// Where the window leaves the image or is smaller than what is asked for.
    pub fn shrunk(&self, window: Window, width: usize, height: usize) -> Vec<f64> {
        let (columns, rows) = (shares(window.width, width), shares(window.height, height));
        let lines: Vec<Vec<u64>> = (window.top..window.top + window.height)
            .map(|row| {
                let start = row * self.width + window.left;
                let line = &self.pixels[start..start + window.width];
                let mean = |share: &Share| share.sum(|column| u64::from(line[column]));
                columns.iter().map(mean).collect()
            })
            .collect();
        let area = (window.width * window.height) as f64;
        let pixel = |row: &Share, column: usize| row.sum(|line| lines[line][column]) as f64 / area;
        rows.iter().flat_map(|row| (0..width).map(move |column| pixel(row, column))).collect()
    }
}

/// Luma of Rec. 601 from gamma-encoded colours, Y = 0.299 R + 0.587 G + 0.114 B, rounded.
///
/// Source: Recommendation ITU-R BT.601, section 2.5.1; what JFIF files store.
pub fn luma(&[red, green, blue]: &[u8; 3]) -> u8 {
    let thousandths = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((thousandths + 500) / 1000) as u8
}

/// Values of [0, 255] as bytes.
pub fn rounded(values: &[f64]) -> Vec<u8> {
    values.iter().map(|value| value.round() as u8).collect()
}

/// What one pixel of the smaller image covers of the larger one: pixels from `start` on, each with
/// the covered part of its length in units of 1 / (length of the smaller image).
struct Share {
    start: usize,
    parts: Vec<u64>,
}

impl Share {
    fn sum(&self, value: impl Fn(usize) -> u64) -> u64 {
        self.parts.iter().zip(self.start..).map(|(part, index)| part * value(index)).sum()
    }
}

fn shares(from: usize, to: usize) -> Vec<Share> {
    assert!(0 < to && to <= from, "{from} pixels cannot be shrunk to {to}");
    let share = |index: usize| {
        let (begin, end) = (index * from, (index + 1) * from);
        let covered = |pixel: usize| end.min((pixel + 1) * to) - begin.max(pixel * to);
        let parts = (begin / to..end.div_ceil(to)).map(|pixel| covered(pixel) as u64).collect();
        Share { start: begin / to, parts }
    };
    (0..to).map(share).collect()
}
