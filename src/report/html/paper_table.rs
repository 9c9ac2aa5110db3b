//! One of the paper's tables.

use maud::{Markup, html};

use super::{anchor_of, scroll::scroll};
use crate::report::{
    results::Results,
    tables::{Block, Cell, Entry, Estimate, Table},
};

pub(super) fn section(results: &Results, table: &Table) -> Markup {
    let caption = format!("Table {}: {}", table.number, table.title);
    let content = html! {
        table class="paper" {
            caption { (caption) }
            (header(table))
            @for block in &table.blocks { (rows(results, block)) }
        }
    };
    html! {
        section id={ "table-" (table.number) } {
            h3 { (caption) }
            (scroll(&caption, &content))
            p class="note" { (table.note) }
            @if table.is_empty() {
                p class="note" { strong { "No model of this run has a number in this table." } }
            }
        }
    }
}

fn header(table: &Table) -> Markup {
    let has_second =
        table.columns.iter().any(|group| group.columns.iter().any(|title| !title.is_empty()));
    let depth = if has_second { 2 } else { 1 };
    html! {
        thead {
            tr {
                th scope="col" rowspan=(depth) { "Measure" }
                th scope="col" rowspan=(depth) { "Source" }
                @for group in &table.columns {
                    @if has_second {
                        th scope="colgroup" colspan=(group.columns.len()) class="group" { (group.title) }
                    } @else {
                        th scope="col" class="group" { (group.title) }
                    }
                }
            }
            @if has_second {
                tr {
                    @for group in &table.columns {
                        @for (place, title) in group.columns.iter().enumerate() {
                            th scope="col" class=[(place == 0).then_some("group")] { (title) }
                        }
                    }
                }
            }
        }
    }
}

fn rows(results: &Results, block: &Block) -> Markup {
    html! {
        tbody {
            tr class="ours" {
                th scope="rowgroup" rowspan="2" { (block.title) }
                th scope="row" { "this run" }
                @for cell in &block.cells { td { (ours(results, cell)) } }
            }
            tr class="theirs" {
                th scope="row" { "the paper" }
                @for cell in &block.cells { td { (cell.paper.as_deref().unwrap_or("–")) } }
            }
        }
    }
}

fn ours(results: &Results, cell: &Cell) -> Markup {
    html! {
        @if cell.ours.is_empty() { "–" }
        @for entry in &cell.ours { (shown(results, entry)) }
    }
}

fn shown(results: &Results, entry: &Entry) -> Markup {
    html! {
        div class="entry" {
            (estimate(&entry.value))
            @if let Some(bracket) = &entry.bracket {
                div { "(" (estimate(bracket)) ")" }
            }
            @if let Some(data) = &entry.measured_on { div class="interval" { "on " (data) } }
            @if let Some(anchor) = anchor_of(results, &entry.model) {
                a class="model" href={ "#" (anchor) } { (entry.model) }
            }
        }
    }
}

fn estimate(estimate: &Estimate) -> Markup {
    html! {
        span class="value" { (estimate.value) }
        @if let Some(interval) = &estimate.interval { " " span class="interval" { (interval) } }
    }
}
