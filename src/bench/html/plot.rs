//! Charts as SVG: an area with two axes, and what is drawn in it. Colours come from the page's style, so that one drawing
//! serves light and dark.

use std::fmt::Write as _;

use super::super::units::nanos;

/// Width of every chart, in the units of its own coordinate system.
pub const WIDTH: f64 = 980.0;

/// Text made safe for a page.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// One axis.
#[derive(Clone, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Where lines and labels stand.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Linear from 0 (or `low`) to a little above `high`, with about `count` ticks.
    pub fn linear(low: f64, high: f64, count: usize, label: impl Fn(f64) -> String) -> Self {
        let span = (high - low).max(1e-9);
        let rough = span / count as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|&s| s >= rough).unwrap_or(rough);
        let first = (low / step).ceil() as i64;
        let ticks = (first..).map(|i| i as f64 * step).take_while(|&at| at <= high + step * 1e-6);
        Axis { low, high, log: false, ticks: ticks.map(|at| (at, label(at))).collect() }
    }

    /// Logarithmic; `low` above 0.
    pub fn log(low: f64, high: f64, label: impl Fn(f64) -> String) -> Self {
        let (low, high) = (low.max(1e-12), high.max(low * 1.05));
        let decades = (high / low).log10();
        let steps: &[f64] = match decades {
            d if d <= 0.7 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
            d if d <= 2.4 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let first = low.log10().floor() as i32;
        let last = high.log10().ceil() as i32;
        let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        let ticks = all.filter(|&at| at >= low * 0.999 && at <= high * 1.001).map(|at| (at, label(at))).collect();
        Axis { low, high, log: true, ticks }
    }

    /// A logarithmic axis for times in ns that holds all `values`, with some air.
    pub fn times(values: impl Iterator<Item = f64> + Clone) -> Self {
        let values = values.filter(|v| *v > 0.0);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(0.0, f64::max);
        let (low, high) = if low.is_finite() { (low, high) } else { (1e3, 1e6) };
        Axis::log(low / 1.25, high * 1.3, short_time)
    }

    /// The percentile axis: logarithmic in 1/(1-p), up to `quantile`.
    pub fn percentiles(quantile: f64) -> Self {
        let high = nines(quantile).clamp(1.0, 7.0);
        let names =
            ["0%", "50%", "75%", "90%", "95%", "99%", "99.5%", "99.9%", "99.99%", "99.999%", "99.9999%", "99.99999%"];
        let at = [0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999].map(nines);
        let crowded = |name: &str| high > 4.5 && ["75%", "95%", "99.5%"].contains(&name);
        let ticks = at.into_iter().zip(names).filter(|(at, name)| *at <= high + 1e-9 && !crowded(name));
        Axis { low: 0.0, high, log: false, ticks: ticks.map(|(at, name)| (at, name.to_string())).collect() }
    }

    fn share(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// log10(1 / (1 - quantile)).
pub fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-12).log10()
}

/// A time without needless digits.
pub fn short_time(ns: f64) -> String {
    let text = nanos(ns.round() as u64);
    let Some((number, unit)) = text.split_once(' ') else { return text };
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}")
}

/// A drawing area.
pub struct Plot {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    left: f64,
    right: f64,
    top: f64,
    height: f64,
    body: String,
}

/// Room for the labels of the vertical axis.
const LEFT: f64 = 66.0;
/// Room at the right, where the last label reaches over.
const RIGHT: f64 = 34.0;

impl Plot {
    /// An area of `height` whose upper edge is at `top`; its grid is drawn at once.
    pub fn new(x: Axis, y: Axis, top: f64, height: f64) -> Self {
        Plot::between(x, y, (LEFT, WIDTH - RIGHT), top, height)
    }

    /// The same between two horizontal positions.
    pub fn between(x: Axis, y: Axis, (left, right): (f64, f64), top: f64, height: f64) -> Self {
        let mut plot = Plot { x, y, left, right, top, height, body: String::new() };
        for (value, label) in plot.y.ticks.clone() {
            let y = plot.place_y(value);
            plot.line("grid", plot.left, y, plot.right, y);
            plot.text(plot.left - 8.0, y + 4.0, "end", "", &label);
        }
        for (value, _) in plot.x.ticks.clone() {
            let x = plot.place_x(value);
            plot.line("grid", x, plot.top, x, plot.top + plot.height);
        }
        plot
    }

    /// Labels under the horizontal axis, and its title.
    pub fn label_x(&mut self, title: &str) {
        let bottom = self.top + self.height;
        self.line("axis", self.left, bottom, self.right, bottom);
        for (value, label) in self.x.ticks.clone() {
            self.text(self.place_x(value), bottom + 17.0, "middle", "", &label);
        }
        if !title.is_empty() {
            self.text((self.left + self.right) / 2.0, bottom + 36.0, "middle", "", title);
        }
    }

    /// A title over the area.
    pub fn title(&mut self, text: &str) {
        self.text(self.left, self.top - 9.0, "start", "strong", text);
    }

    /// The horizontal place of a value.
    pub fn place_x(&self, value: f64) -> f64 {
        self.left + self.x.share(value) * (self.right - self.left)
    }

    /// The vertical place of a value.
    pub fn place_y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.y.share(value)) * self.height
    }

    /// A straight line in the drawing's own units.
    pub fn line(&mut self, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ = write!(self.body, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
    }

    /// A text in the drawing's own units.
    pub fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
            escape(text)
        );
    }

    /// A curve through points; a gap wherever a value is missing.
    pub fn curve(&mut self, color: usize, class: &str, points: impl Iterator<Item = (f64, Option<f64>)>) {
        let (mut path, mut drawing) = (String::new(), false);
        for (x, y) in points {
            let Some(y) = y else {
                drawing = false;
                continue;
            };
            let _ = write!(path, "{}{:.1} {:.1}", if drawing { "L" } else { "M" }, self.place_x(x), self.place_y(y));
            drawing = true;
        }
        let _ = write!(self.body, r#"<path class="curve {class}" style="stroke:var(--c{})" d="{path}"/>"#, color % 8);
    }

    /// A dot; hollow ones stand for figures that must not be trusted.
    pub fn dot(&mut self, color: usize, x: f64, y: f64, radius: f64, hollow: bool, opacity: f64) {
        let fill = if hollow { "var(--card)".to_string() } else { format!("var(--c{})", color % 8) };
        let _ = write!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" style="fill:{fill};stroke:var(--c{});stroke-width:1.6;opacity:{opacity}"/>"#,
            color % 8
        );
    }

    /// A horizontal interval with end marks, in the drawing's own units.
    pub fn interval(&mut self, color: usize, from: f64, to: f64, y: f64) {
        for (x1, y1, x2, y2) in [(from, y, to, y), (from, y - 4.0, from, y + 4.0), (to, y - 4.0, to, y + 4.0)] {
            let _ = write!(
                self.body,
                r#"<line style="stroke:var(--c{});stroke-width:2" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#,
                color % 8
            );
        }
    }

    /// A shaded stretch of the horizontal axis over the whole height.
    pub fn shade(&mut self, class: &str, from: f64, to: f64) {
        let (x, end) = (self.place_x(from), self.place_x(to));
        let (width, top, height) = ((end - x).max(1.5), self.top, self.height);
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
        );
    }

    /// A vertical line over the whole height.
    pub fn mark(&mut self, class: &str, at: f64) {
        let x = self.place_x(at);
        self.line(class, x, self.top, x, self.top + self.height);
    }

    /// A horizontal line over the whole width.
    pub fn level(&mut self, class: &str, at: f64) {
        let y = self.place_y(at);
        self.line(class, self.left, y, self.right, y);
    }

    /// The SVG elements drawn so far.
    pub fn into_body(self) -> String {
        self.body
    }
}

/// A whole drawing of `height`. The `description` is what a reader hears who does not see it.
pub fn svg(height: f64, description: &str, body: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{}">{body}</svg>"#, escape(description))
}

/// Names beside their colours; the second part of an entry is the class of its line.
pub fn legend(entries: &[(usize, &str, String)]) -> String {
    let one = |(color, class, name): &(usize, &str, String)| {
        format!(r#"<span><i class="{class}" style="border-color:var(--c{})"></i>{}</span>"#, color % 8, escape(name))
    };
    format!(r#"<div class="legend">{}</div>"#, entries.iter().map(one).collect::<String>())
}

/// A figure with its caption.
pub fn figure(title: &str, caption: &str, inside: &str) -> String {
    format!("<figure><h3>{}</h3><figcaption>{}</figcaption>{inside}</figure>\n", escape(title), escape(caption))
}

/// A table; the first row is its head. Cells are taken as they are.
pub fn table(rows: &[Vec<String>]) -> String {
    let mut out = String::from(r#"<div class="wide"><table>"#);
    for (i, row) in rows.iter().enumerate() {
        let tag = if i == 0 { "th" } else { "td" };
        let cells: String = row.iter().map(|cell| format!("<{tag}>{cell}</{tag}>")).collect();
        let _ = write!(out, "<tr>{cells}</tr>");
    }
    out + "</table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_axis_is_logarithmic_in_the_distance_from_one() {
        let axis = Axis::percentiles(0.9999);
        let place = |quantile| axis.share(nines(quantile));
        assert!((place(0.99) - place(0.9) - (place(0.999) - place(0.99))).abs() < 1e-9);
        assert_eq!((place(0.0), place(0.9999)), (0.0, 1.0));
        assert!(axis.ticks.iter().any(|(_, name)| name == "99.9%"));
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let linear = Axis::linear(0.0, 43_700.0, 5, |v| format!("{v}"));
        assert_eq!(linear.ticks.iter().map(|t| t.0).collect::<Vec<_>>(), [0.0, 1e4, 2e4, 3e4, 4e4]);
        let log = Axis::times([90e3, 3e6].into_iter());
        let names: Vec<&str> = log.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(names, ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms"]);
    }

    #[test]
    fn nothing_that_a_server_says_becomes_markup() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
