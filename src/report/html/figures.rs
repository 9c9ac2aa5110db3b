//! Figures, inlined.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{Markup, html};

use crate::report::{labels, results::FigureFile};

/// From this width on, in pixels, a figure gets the whole page's width.
const WIDE: u32 = 800;

/// Every figure of a model.
pub(super) fn gallery(model: &str, figures: &[FigureFile]) -> Markup {
    html! {
        div class="gallery" {
            @for file in figures { (figure(model, file)) }
        }
    }
}

fn figure(model: &str, file: &FigureFile) -> Markup {
    let caption = file.title.clone().unwrap_or_else(|| labels::figure(&file.name));
    let description = file.description.clone().unwrap_or_else(|| format!("{caption} ({model})"));
    let source = format!("data:{};base64,{}", file.media_type, BASE64_STANDARD.encode(&file.bytes));
    let is_wide = file.size.is_some_and(|(width, _)| width > WIDE);
    html! {
        figure class=[is_wide.then_some("wide")] {
            div class="scroll" role="region" tabindex="0" aria-label=(caption) {
                img src=(source) alt=(description) width=[file.size.map(|size| size.0)]
                    height=[file.size.map(|size| size.1)];
            }
            figcaption { (caption) }
        }
    }
}
