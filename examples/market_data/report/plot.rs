//! The percentile curves of all hops as one SVG.
//!
//! The horizontal axis stretches the tail as `HdrHistogram` plots do: 90 %, 99 %, 99.9 % and so on
//! at equal distances.

use std::error::Error;

use plotters::prelude::*;

use super::HopRow;
use crate::latency::{CurvePoint, micros};

const SIZE_PIXELS: (u32, u32) = (1_000, 600);
/// 99.9999 %.
const MAX_NINES: f64 = 6.0;

/// Draws the curves; a hop without messages has none.
pub(super) fn percentiles_svg(hops: &[HopRow]) -> String {
    let curves: Vec<_> = hops
        .iter()
        .map(|hop| (hop.name.as_str(), points(&hop.recorder.curve())))
        .collect();
    let mut svg = String::new();
    draw(&mut svg, &curves).expect("drawing to a String meets no error");
    svg
}

/// The number of nines of the quantile, and microseconds.
type Point = (f64, f64);

fn points(curve: &[CurvePoint]) -> Vec<Point> {
    curve
        .iter()
        .map(|point| {
            (
                (-(1.0 - point.quantile).log10()).min(MAX_NINES),
                micros(point.value_ns).max(0.001),
            )
        })
        .collect()
}

fn draw(svg: &mut String, curves: &[(&str, Vec<Point>)]) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::with_string(svg, SIZE_PIXELS).into_drawing_area();
    root.fill(&WHITE)?;
    let micros = || {
        curves
            .iter()
            .flat_map(|(_, points)| points)
            .map(|point| point.1)
    };
    let (lowest, highest) = (micros().fold(1.0, f64::min), micros().fold(10.0, f64::max));
    let mut chart = ChartBuilder::on(&root)
        .caption("Latency by percentile", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..MAX_NINES, (lowest..highest * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("microseconds")
        .x_labels(7)
        .x_label_formatter(&|nines| percentile_label(*nines))
        .y_label_formatter(&|micros| format!("{micros}"))
        .draw()?;
    for (index, (name, points)) in curves.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    root.present()?;
    drop(chart);
    drop(root);
    Ok(())
}

fn percentile_label(nines: f64) -> String {
    let percent = 100.0 * (1.0 - 10f64.powf(-nines.round()));
    let text = format!("{percent:.4}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report_of;

    #[test]
    fn the_plot_is_an_svg_that_names_every_hop() {
        let svg = percentiles_svg(&report_of(&[0, 1], &[0, 1]).hops);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(
            svg.contains("feed-&gt;book") && svg.contains("book-&gt;risk"),
            "{svg}"
        );
    }

    #[test]
    fn a_job_without_events_still_has_a_plot() {
        assert!(percentiles_svg(&report_of(&[], &[]).hops).starts_with("<svg"));
    }

    #[test]
    fn labels_count_the_nines() {
        assert_eq!(
            [0.0, 1.0, 3.0, 5.0, 6.0].map(percentile_label),
            ["0 %", "90 %", "99.9 %", "99.999 %", "99.9999 %"]
        );
    }
}
