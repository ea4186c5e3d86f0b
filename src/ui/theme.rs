//! Colours, sizes and fonts: the look of the window in one place.
//!
//! Three greys for surfaces, one accent, amber for attention, red for errors and destructive acts.
//! No other colour in the chrome, so that nothing there can be taken for a structure. Text has a
//! contrast of at least 4.5:1 on every surface it stands on (tested below).

use crate::patient::signed;
use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, TextStyle, Vec2,
};
use std::sync::Arc;

/// The colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theme {
    /// Whether it is the dark one.
    pub dark: bool,
    /// Behind and between the views.
    pub base: Color32,
    /// Panels.
    pub surface: Color32,
    /// Fields, hovered rows, buttons.
    pub raised: Color32,
    /// What is pressed or selected.
    pub pressed: Color32,
    /// Hairlines between surfaces.
    pub line: Color32,
    /// What is ticked or slid: boxes, rings and rails stand out from panels.
    pub tick: Color32,
    /// Text.
    pub text: Color32,
    /// Text that explains.
    pub weak: Color32,
    /// Focus and the primary action.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Attention.
    pub amber: Color32,
    /// Errors and destructive acts.
    pub red: Color32,
}

const fn grey(hex: u32) -> Color32 {
    #[expect(clippy::cast_possible_truncation, reason = "the bytes of a hexadecimal colour")]
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark theme: for hours in a dim room.
pub const DARK: Theme = Theme {
    dark: true,
    base: grey(0x12_13_14),
    surface: grey(0x1b_1d_1f),
    raised: grey(0x26_29_2c),
    pressed: grey(0x33_37_3b),
    line: grey(0x2e_32_35),
    tick: grey(0x69_70_77),
    text: grey(0xe4_e6_e8),
    weak: grey(0xa0_a6_ac),
    accent: grey(0x6a_a9_e0),
    on_accent: grey(0x0c_16_20),
    amber: grey(0xe3_a8_48),
    red: grey(0xf0_80_78),
};

/// The light theme.
pub const LIGHT: Theme = Theme {
    dark: false,
    base: grey(0xdd_df_e1),
    surface: grey(0xf1_f2_f3),
    raised: grey(0xff_ff_ff),
    pressed: grey(0xd9_e2_ec),
    line: grey(0xcd_d1_d5),
    tick: grey(0x84_8b_92),
    text: grey(0x1d_20_23),
    weak: grey(0x54_5b_62),
    accent: grey(0x1c_64_a4),
    on_accent: grey(0xff_ff_ff),
    amber: grey(0x85_55_00),
    red: grey(0xb3_2a_22),
};

/// Overlay text in the views, which are black in both themes.
pub const OVERLAY_TEXT: Color32 = grey(0xe4_e6_e8);
/// Overlay text that explains.
pub const OVERLAY_WEAK: Color32 = grey(0xb4_ba_c0);
/// The background of every view.
pub const VIEW_BLACK: Color32 = Color32::BLACK;
/// The crosshair.
pub const CROSSHAIR: Color32 = grey(0x6a_a9_e0);
/// The ruler.
pub const RULER: Color32 = grey(0xff_e0_82);

/// One radius.
pub const RADIUS: CornerRadius = CornerRadius::same(4);
/// The text size of labels and controls, points.
pub const BODY: f32 = 13.0;
/// The text size of notes and view corners, points.
pub const SMALL: f32 = 11.5;

/// The semibold family.
#[must_use]
pub fn strong_family() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// A font of the semibold family.
#[must_use]
pub fn strong(size: f32) -> FontId {
    FontId::new(size, strong_family())
}

impl Theme {
    /// The theme now shown.
    #[must_use]
    pub fn of(ctx: &egui::Context) -> &'static Self {
        match ctx.theme() {
            egui::Theme::Dark => &DARK,
            egui::Theme::Light => &LIGHT,
        }
    }

    /// A hairline.
    #[must_use]
    pub fn hairline(&self) -> Stroke {
        Stroke::new(1.0, self.line)
    }

    /// The frame of a side panel.
    pub fn panel_frame(&self) -> egui::Frame {
        egui::Frame::new().fill(self.surface).inner_margin(Margin::symmetric(12, 8))
    }

    /// The frame of a card that lies over the window (search, about, keys).
    pub fn card_frame(&self) -> egui::Frame {
        egui::Frame::new()
            .fill(self.surface)
            .stroke(self.hairline())
            .corner_radius(CornerRadius::same(8))
            .inner_margin(Margin::same(20))
            .shadow(egui::Shadow {
                offset: [0, 8],
                blur: 32,
                spread: 0,
                color: Color32::from_black_alpha(if self.dark { 140 } else { 50 }),
            })
    }
}

/// Sets fonts, both themes, spacing, and how fields write numbers: with the minus sign that texts have.
/// They read a hyphen as well. Once for each [`egui::Context`].
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for (which, theme) in [(egui::Theme::Dark, &DARK), (egui::Theme::Light, &LIGHT)] {
        ctx.style_mut_of(which, |style| {
            style.visuals = visuals(theme);
            style.number_formatter = egui::style::NumberFormatter::new(|value, decimals| {
                signed(&egui::emath::format_with_decimals_in_range(value, decimals))
            });
            spacing(style);
        });
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    };
    add("regular", include_bytes!("../../assets/fonts/DelineoSans-Regular.ttf"));
    add("semibold", include_bytes!("../../assets/fonts/DelineoSans-SemiBold.ttf"));
    add("icons", super::icons::font_bytes());
    // The icon font maps a-z to blank glyphs (its ligatures), so it never comes first.
    let stock = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let family = |first: &str| {
        [first.to_owned(), "icons".to_owned()].into_iter().chain(stock.iter().cloned()).collect::<Vec<_>>()
    };
    fonts.families.insert(FontFamily::Proportional, family("regular"));
    fonts.families.insert(strong_family(), family("semibold"));
    fonts
}

fn spacing(style: &mut egui::Style) {
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SMALL)),
        (TextStyle::Body, FontId::proportional(BODY)),
        (TextStyle::Button, FontId::proportional(BODY)),
        (TextStyle::Monospace, FontId::monospace(BODY)),
        (TextStyle::Heading, strong(15.0)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(8.0, 4.0);
    spacing.button_padding = Vec2::new(8.0, 4.0);
    spacing.interact_size = Vec2::new(28.0, 24.0);
    spacing.menu_margin = Margin::same(4);
    spacing.window_margin = Margin::same(16);
    spacing.tooltip_width = 320.0;
    spacing.combo_height = 320.0;
    spacing.scroll = egui::style::ScrollStyle {
        bar_width: 8.0,
        // Room beside the content, or the bar lies over numbers at the right.
        floating_allocated_width: 8.0,
        ..egui::style::ScrollStyle::floating()
    };
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.45;
    style.animation_time = 0.1;
}

fn visuals(theme: &Theme) -> egui::Visuals {
    let mut visuals = if theme.dark { egui::Visuals::dark() } else { egui::Visuals::light() };
    visuals.panel_fill = theme.surface;
    visuals.window_fill = theme.surface;
    visuals.window_stroke = theme.hairline();
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.extreme_bg_color = if theme.dark { theme.base } else { theme.raised };
    visuals.text_edit_bg_color = Some(visuals.extreme_bg_color);
    visuals.faint_bg_color = theme.raised;
    visuals.code_bg_color = theme.raised;
    visuals.warn_fg_color = theme.amber;
    visuals.error_fg_color = theme.red;
    visuals.hyperlink_color = theme.accent;
    visuals.weak_text_color = Some(theme.weak);
    visuals.selection.bg_fill = theme.accent.gamma_multiply(if theme.dark { 0.35 } else { 0.25 });
    visuals.selection.stroke = Stroke::new(1.0, theme.accent);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.popup_shadow =
        egui::Shadow { offset: [0, 4], blur: 16, spread: 0, color: Color32::from_black_alpha(90) };
    let widget = |fill: Color32, stroke: Stroke, text: Color32| egui::style::WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: stroke,
        corner_radius: RADIUS,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let edge = if theme.dark { Stroke::NONE } else { theme.hairline() };
    visuals.widgets.noninteractive = widget(theme.surface, theme.hairline(), theme.text);
    visuals.widgets.inactive = widget(theme.raised, edge, theme.text);
    visuals.widgets.hovered = widget(theme.pressed, edge, theme.text);
    visuals.widgets.active = widget(theme.pressed, Stroke::new(1.5, theme.accent), theme.text);
    visuals.widgets.open = widget(theme.pressed, edge, theme.text);
    // Buttons have the weak fill, boxes and rings to tick this one.
    visuals.widgets.inactive.bg_fill = theme.tick;
    visuals.widgets.hovered.bg_fill = theme.tick;
    visuals.widgets.active.bg_fill = theme.tick;
    visuals
}

/// The contrast ratio of two opaque colours (WCAG 2.1), 1..=21.
#[must_use]
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |color: Color32| {
        let rgba = egui::Rgba::from(color);
        0.2126 * rgba.r() + 0.7152 * rgba.g() + 0.0722 * rgba.b()
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_on_white_has_the_greatest_contrast() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 0.01);
    }

    #[test]
    fn text_is_readable_on_every_surface() {
        for theme in [DARK, LIGHT] {
            for ground in [theme.base, theme.surface, theme.raised, theme.pressed] {
                for ink in [theme.text, theme.weak] {
                    let ratio = contrast(ink, ground);
                    assert!(ratio >= 4.5, "{ink:?} on {ground:?}: {ratio:.2}");
                }
            }
            for ink in [theme.accent, theme.amber, theme.red] {
                let ratio = contrast(ink, theme.surface);
                assert!(ratio >= 4.5, "{ink:?} on panels: {ratio:.2}");
            }
            assert!(contrast(theme.on_accent, theme.accent) >= 4.5);
            // What can be ticked is seen before it is, and its tick in it.
            assert!(contrast(theme.tick, theme.surface) >= 3.0);
            assert!(contrast(theme.text, theme.tick) >= 3.0);
        }
    }

    #[test]
    fn fields_write_a_true_minus_and_read_that_and_a_hyphen() {
        use egui::{Event, Key, Modifiers};
        let ctx = egui::Context::default();
        install(&ctx);
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            let style = ctx.style_of(theme);
            let write = |value: f64| style.number_formatter.format(value, 0..=2);
            assert_eq!([write(-160.0), write(-0.25), write(41.5)], ["\u{2212}160", "\u{2212}0.25", "41.5"]);
            assert_eq!([write(-0.0), write(-0.0001)], ["0", "0.00"]);
        }
        let mut value = -160.0_f64;
        for (typed, wanted) in [("\u{2212}250", -250.0), ("-75.5", -75.5), ("30", 30.0)] {
            let mut frame = |events: Vec<Event>, asks: bool| {
                let input = egui::RawInput { events, ..egui::RawInput::default() };
                let output = ctx.run_ui(input, |ui| {
                    if asks {
                        let id = ui.next_auto_id();
                        ui.memory_mut(|memory| memory.request_focus(id));
                    }
                    ui.add(egui::DragValue::new(&mut value));
                });
                output.drop_without_applying_deltas();
            };
            frame(Vec::new(), true);
            frame(vec![Event::Text(typed.to_owned())], false);
            let enter = |pressed| Event::Key {
                key: Key::Enter,
                physical_key: None,
                pressed,
                repeat: false,
                modifiers: Modifiers::NONE,
            };
            frame(vec![enter(true), enter(false)], false);
            frame(Vec::new(), false);
            assert!((value - wanted).abs() < 1e-9, "{typed} gives {value}");
        }
    }
}
