//! Model cards on screen: the part of Markdown that they use, parsed once and drawn with the
//! window's own fonts and colours.
//!
//! Headings, paragraphs, lists (bulleted, numbered), tables, rules, block quotes and fenced code;
//! inside a line **strong**, `code`, emphasis and links, of which only the words are shown. Anything
//! else is text.

use super::theme::{self, Theme};
use egui::text::{LayoutJob, TextFormat};
use egui::{FontId, RichText, Ui, vec2};

/// A piece of a line, all of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The words.
    pub text: String,
    /// How they stand out.
    pub kind: SpanKind,
}

/// How words stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Not at all.
    Plain,
    /// Semibold.
    Strong,
    /// In the fixed-width font.
    Code,
}

/// A line of spans.
pub type Line = Vec<Span>;

/// A block of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading of a level, 1 the greatest.
    Heading(usize, Line),
    /// A paragraph.
    Paragraph(Line),
    /// A list's item: its mark ("•" or "2.") and how deep it is.
    Item(String, usize, Line),
    /// A table; the first row is its head.
    Table(Vec<Vec<Line>>),
    /// Text as it is.
    Code(String),
    /// A line across.
    Rule,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Its blocks in order.
    pub blocks: Vec<Block>,
}

impl Document {
    /// Reads a text. Every text is a document.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut blocks = Vec::new();
        let mut open = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let trimmed = line.trim();
            let depth = (line.len() - line.trim_start().len()) / 2;
            if trimmed.starts_with("```") {
                flush(&mut open, &mut blocks);
                let code: Vec<&str> =
                    lines.by_ref().take_while(|line| !line.trim().starts_with("```")).collect();
                blocks.push(Block::Code(code.join("\n")));
            } else if trimmed.is_empty() {
                flush(&mut open, &mut blocks);
            } else if let Some((level, title)) = heading(trimmed) {
                flush(&mut open, &mut blocks);
                blocks.push(Block::Heading(level, spans(title)));
            } else if is_rule(trimmed) {
                flush(&mut open, &mut blocks);
                blocks.push(Block::Rule);
            } else if trimmed.starts_with('|') {
                flush(&mut open, &mut blocks);
                let mut rows = vec![trimmed];
                while let Some(row) = lines.next_if(|line| line.trim().starts_with('|')) {
                    rows.push(row.trim());
                }
                blocks.push(table(&rows));
            } else if let Some((mark, rest)) = item(trimmed) {
                flush(&mut open, &mut blocks);
                let mut words = rest.to_owned();
                // What is indented goes on with the item.
                while let Some(more) = lines.next_if(|line| {
                    line.starts_with("  ") && !line.trim().is_empty() && item(line.trim()).is_none()
                }) {
                    words.push(' ');
                    words.push_str(more.trim());
                }
                blocks.push(Block::Item(mark, depth, spans(&words)));
            } else {
                if !open.is_empty() {
                    open.push(' ');
                }
                open.push_str(trimmed.trim_start_matches('>').trim_start());
            }
        }
        flush(&mut open, &mut blocks);
        Self { blocks }
    }
}

impl Document {
    /// Its chapters: the headings of the second level, each with its place in [`Self::blocks`].
    #[must_use]
    pub fn chapters(&self) -> Vec<(usize, String)> {
        let blocks = self.blocks.iter().enumerate();
        let title = |(index, block): (usize, &Block)| match block {
            Block::Heading(2, line) => Some((index, words(line))),
            _ => None,
        };
        blocks.filter_map(title).collect()
    }
}

/// The words of a line, however they stand out.
fn words(line: &Line) -> String {
    line.iter().map(|span| span.text.as_str()).collect()
}

fn flush(open: &mut String, blocks: &mut Vec<Block>) {
    if !open.is_empty() {
        blocks.push(Block::Paragraph(spans(&std::mem::take(open))));
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line[level..].strip_prefix(' ')?;
    (1..=6).contains(&level).then_some((level, title.trim()))
}

fn is_rule(line: &str) -> bool {
    line.len() >= 3 && ["-", "*", "_"].iter().any(|mark| line.replace(mark, "").trim().is_empty())
}

fn item(line: &str) -> Option<(String, &str)> {
    if let Some(rest) = ["- ", "* ", "+ "].iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some(("•".to_owned(), rest.trim()));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line[digits..].strip_prefix(". ").filter(|_| (1..=3).contains(&digits))?;
    Some((format!("{}.", &line[..digits]), rest.trim()))
}

fn table(rows: &[&str]) -> Block {
    let is_divider = |row: &str| row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) && row.contains('-');
    let cells = |row: &&str| row.trim_matches('|').split('|').map(|cell| spans(cell.trim())).collect();
    Block::Table(rows.iter().filter(|row| !is_divider(row)).map(cells).collect())
}

/// The spans of a line.
fn spans(text: &str) -> Line {
    let mut line = Line::new();
    let mut push = |text: &str, kind: SpanKind| {
        if !text.is_empty() {
            line.push(Span { text: text.to_owned(), kind });
        }
    };
    let mut rest = text;
    let mut plain = String::new();
    while let Some(first) = rest.chars().next() {
        let closed = |mark: &str| {
            let inside = rest.strip_prefix(mark)?;
            let end = inside.find(mark).filter(|end| *end > 0)?;
            Some((&inside[..end], &inside[end + mark.len()..]))
        };
        let link = || {
            let (words, after) = rest.strip_prefix('[')?.split_once("](")?;
            let (_, after) = after.split_once(')')?;
            (!words.contains('[')).then_some((words, after))
        };
        let found = if let Some((words, after)) = closed("**") {
            Some((words, after, SpanKind::Strong))
        } else if let Some((words, after)) = closed("`") {
            Some((words, after, SpanKind::Code))
        } else if let Some((words, after)) = link() {
            Some((words, after, SpanKind::Plain))
        } else if let Some((words, after)) = closed("*").filter(|(words, _)| !words.starts_with(' ')) {
            Some((words, after, SpanKind::Plain))
        } else {
            None
        };
        if let Some((words, after, kind)) = found {
            push(&std::mem::take(&mut plain), SpanKind::Plain);
            push(words, kind);
            rest = after;
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    push(&plain, SpanKind::Plain);
    line
}

/// Draws a document in the width there is; scrolls to the block `wanted`.
pub fn document_ui(ui: &mut Ui, document: &Document, wanted: Option<usize>) {
    let theme = Theme::of(ui.ctx());
    ui.spacing_mut().item_spacing.y = 4.0;
    for (index, block) in document.blocks.iter().enumerate() {
        match block {
            Block::Heading(level, line) => {
                let size = match level {
                    1 => 18.0,
                    2 => 15.0,
                    _ => theme::BODY,
                };
                if index > 0 {
                    ui.add_space(12.0);
                }
                let title = RichText::new(words(line)).font(theme::strong(size));
                let response = ui.add(egui::Label::new(title).wrap());
                if wanted == Some(index) {
                    response.scroll_to_me(Some(egui::Align::TOP));
                }
            }
            Block::Paragraph(line) => {
                ui.add(egui::Label::new(job(ui, line, theme::BODY)).wrap().selectable(true));
                ui.add_space(4.0);
            }
            Block::Item(mark, depth, line) => {
                ui.horizontal_top(|ui| {
                    #[expect(clippy::cast_precision_loss, reason = "a few levels")]
                    ui.add_space(8.0 + 16.0 * (*depth).min(4) as f32);
                    ui.label(RichText::new(mark).color(theme.weak));
                    ui.add(egui::Label::new(job(ui, line, theme::BODY)).wrap().selectable(true));
                });
            }
            Block::Table(rows) => table_ui(ui, rows, index),
            Block::Code(text) => {
                ui.add(egui::Label::new(RichText::new(text).monospace()).wrap());
            }
            Block::Rule => {
                ui.separator();
            }
        }
    }
}

fn job(ui: &Ui, line: &Line, size: f32) -> LayoutJob {
    let theme = Theme::of(ui.ctx());
    let mut job = LayoutJob::default();
    for span in line {
        let font_id = match span.kind {
            SpanKind::Plain => FontId::proportional(size),
            SpanKind::Strong => theme::strong(size),
            SpanKind::Code => FontId::monospace(size - 1.0),
        };
        job.append(&span.text, 0.0, TextFormat { font_id, color: theme.text, ..TextFormat::default() });
    }
    job
}

/// A table whose columns are as wide as they need; what does not fit scrolls to the side.
fn table_ui(ui: &mut Ui, rows: &[Vec<Line>], index: usize) {
    ui.add_space(4.0);
    egui::ScrollArea::horizontal().id_salt(("table", index)).auto_shrink([false, true]).show(ui, |ui| {
        let grid =
            egui::Grid::new(("table", index)).striped(true).spacing(vec2(16.0, 4.0)).min_col_width(0.0);
        grid.show(ui, |ui| {
            for (row, cells) in rows.iter().enumerate() {
                for cell in cells {
                    let strong = row == 0 || cell.iter().any(|span| span.kind == SpanKind::Strong);
                    let font =
                        if strong { theme::strong(theme::SMALL) } else { FontId::proportional(theme::SMALL) };
                    ui.add(egui::Label::new(RichText::new(words(cell)).font(font)).extend());
                }
                ui.end_row();
            }
        });
        // Room for the bar.
        ui.add_space(8.0);
    });
    ui.add_space(4.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Line {
        vec![Span { text: text.to_owned(), kind: SpanKind::Plain }]
    }

    #[test]
    fn the_parts_of_a_card_are_told_apart() {
        let text = "# Title (`id` 1.0)\n\nOne\ntwo **three**.\n\n- first\n  goes on\n- second\n1. third\n\n| a | b |\n|---|:-:|\n| 1 | **2** |\n\n---\n```\nlet x;\n```";
        let blocks = Document::parse(text).blocks;
        assert!(
            matches!(&blocks[0], Block::Heading(1, line) if line.len() == 3 && line[1].kind == SpanKind::Code)
        );
        assert!(
            matches!(&blocks[1], Block::Paragraph(line) if line[0].text == "One two " && line[1].kind == SpanKind::Strong)
        );
        assert_eq!(blocks[2], Block::Item("•".into(), 0, plain("first goes on")));
        assert_eq!(blocks[4], Block::Item("1.".into(), 0, plain("third")));
        let Block::Table(rows) = &blocks[5] else { panic!("{:?}", blocks[5]) };
        assert_eq!((rows.len(), rows[0].len()), (2, 2), "the divider is no row");
        assert_eq!(rows[1][1][0], Span { text: "2".into(), kind: SpanKind::Strong });
        assert_eq!(blocks[6..], [Block::Rule, Block::Code("let x;".into())]);
    }

    #[test]
    fn the_chapters_of_a_card_are_its_headings_of_the_second_level() {
        let document = Document::parse("# Title\n\nOne.\n\n## Results of `m`\n\n### Each\n\n## Limits\n");
        assert_eq!(document.chapters(), [(2, "Results of m".to_owned()), (4, "Limits".to_owned())]);
    }

    #[test]
    fn marks_that_do_not_close_are_text_and_links_are_their_words() {
        assert_eq!(spans("2 * 3 * 4 ** 5"), plain("2 * 3 * 4 ** 5"));
        assert_eq!(spans("a `b"), plain("a `b"));
        let words: String =
            spans("see [the card](card.md), *now*").into_iter().map(|span| span.text).collect();
        assert_eq!(words, "see the card, now");
        assert!(Document::parse("").blocks.is_empty());
        assert_eq!(Document::parse("#hash").blocks, [Block::Paragraph(plain("#hash"))]);
    }

    #[test]
    fn shipped_cards_are_read_whole() {
        for card in
            [include_str!("../../models/head-neck/card.md"), include_str!("../../models/sample-body/card.md")]
        {
            let blocks = Document::parse(card).blocks;
            assert!(matches!(blocks[0], Block::Heading(1, _)));
            assert!(blocks.iter().any(|block| matches!(block, Block::Table(rows) if rows.len() > 5)));
            let stray =
                |line: &Line| line.iter().any(|span| span.text.contains("**") || span.text.contains('|'));
            for block in &blocks {
                assert!(!matches!(block, Block::Paragraph(line) if stray(line)), "{block:?}");
            }
        }
    }
}
