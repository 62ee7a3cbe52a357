//! A grid over the earth: circles are filed under the cells that they touch.

use crate::{EARTH_RADIUS_M, GeoCircle, MAX_RADIUS_M, Point};

/// A cell: its level and its row and column there.
pub(super) type Cell = u32;

/// Sides are 180 / 2^level degrees, so that the finest are some five kilometres high.
const FINEST: u32 = 12;
/// A circle takes the finest level at which it touches no more cells than this.
const MOST_CELLS: u32 = 9;
/// Added to a circle on every side, in degrees: more than rounding could ever move a point.
const SLACK: f64 = 1e-6;

/// The cell of a place at a level.
fn cell(level: u32, row: u32, column: u32) -> Cell {
    level << 26 | row << 13 | column
}

fn rows(level: u32) -> u32 {
    1 << level
}

/// Row or column of an angle counted from the south pole or the antimeridian. What lies outside the grid is cut.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "angles are within the grid, and casts saturate"
)]
fn step(level: u32, degrees: f64) -> u32 {
    (degrees / 180.0 * f64::from(rows(level))) as u32
}

/// The cells of a place at the levels of which `levels` has the bit.
pub(super) fn of(place: Point, levels: u16) -> impl Iterator<Item = Cell> {
    (0..=FINEST).filter(move |level| levels >> level & 1 == 1).map(move |level| {
        let row = step(level, place.lat + 90.0).min(rows(level) - 1);
        // The antimeridian is one line with two names.
        let column = step(level, place.lon + 180.0) % (rows(level) * 2);
        cell(level, row, column)
    })
}

/// The level of a cell.
pub(super) fn level(cell: Cell) -> u32 {
    cell >> 26
}

/// Calls back with cells that together contain the circle; false when it is none that could be covered.
pub(super) fn cover(circle: &GeoCircle, mut each: impl FnMut(Cell)) -> bool {
    let Some(bounds) = bounds(circle) else {
        return false;
    };
    for level in (0..=FINEST).rev() {
        let last = rows(level) - 1;
        let (south, north) = (step(level, bounds.south).min(last), step(level, bounds.north).min(last));
        let columns = rows(level) * 2;
        let west = step(level, bounds.west.rem_euclid(360.0)) % columns;
        let east = step(level, bounds.east.rem_euclid(360.0)) % columns;
        let around = bounds.east - bounds.west >= 360.0 - 180.0 / f64::from(rows(level));
        let width = if around { columns } else { (east + columns - west) % columns + 1 };
        if (north - south + 1) * width <= MOST_CELLS || level == 0 {
            for row in south..=north {
                (0..width).for_each(|column| each(cell(level, row, (west + column) % columns)));
            }
            return true;
        }
    }
    false
}

/// Degrees from the south pole and from the antimeridian; `west` may be negative and `east` beyond a full turn.
struct Bounds {
    south: f64,
    north: f64,
    west: f64,
    east: f64,
}

/// The box around a circle; `None` for what [`validate`](crate::validate) refuses.
fn bounds(circle: &GeoCircle) -> Option<Bounds> {
    let centre = Point { lat: circle.lat, lon: circle.lon };
    if !centre.is_on_earth() || circle.radius_m > MAX_RADIUS_M {
        return None;
    }
    let angle = f64::from(circle.radius_m) / EARTH_RADIUS_M;
    let high = angle.to_degrees() + SLACK;
    let (south, north) = (circle.lat - high, circle.lat + high);
    // The farthest meridian that a circle touches, unless it has a pole inside.
    let wide = if south <= -90.0 || north >= 90.0 {
        180.0
    } else {
        (angle.sin() / circle.lat.to_radians().cos()).min(1.0).asin().to_degrees() + SLACK * 100.0
    };
    Some(Bounds {
        south: (south + 90.0).max(0.0),
        north: (north + 90.0).min(180.0),
        west: circle.lon + 180.0 - wide,
        east: circle.lon + 180.0 + wide,
    })
}

/// The corners of the box around a circle, for estimates.
pub(super) fn corners(circle: &GeoCircle) -> (Point, Point) {
    let bounds = bounds(circle).unwrap_or(Bounds { south: 0.0, north: 180.0, west: 0.0, east: 360.0 });
    let point = |lat, lon| Point { lat: lat - 90.0, lon: lon - 180.0 };
    (point(bounds.south, bounds.west), point(bounds.north, bounds.east))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Random;

    #[test]
    fn every_point_of_a_circle_lies_in_a_cell_of_its_cover() {
        let random = &mut Random::new(5);
        for round in 0..20_000 {
            let lat = match round % 4 {
                0 => 90.0 - random.fraction() * 2.0,
                1 => -90.0 + random.fraction() * 2.0,
                _ => random.fraction() * 180.0 - 90.0,
            };
            let lon = match round % 3 {
                0 => 180.0 - random.fraction(),
                1 => -180.0 + random.fraction(),
                _ => random.fraction() * 360.0 - 180.0,
            };
            let radius_m = 5_000_000_f64.powf(random.fraction()) as u32;
            let circle = GeoCircle { lat, lon, radius_m };
            let mut cells = Vec::new();
            assert!(cover(&circle, |cell| cells.push(cell)));
            assert!(cells.len() <= MOST_CELLS as usize, "{circle:?}: {}", cells.len());
            let levels = cells.iter().fold(0, |levels, cell| levels | 1 << level(*cell));
            for _ in 0..20 {
                let reach = f64::from(radius_m) / EARTH_RADIUS_M.to_radians();
                let place = Point {
                    lat: (lat + (random.fraction() * 2.0 - 1.0) * reach).clamp(-90.0, 90.0),
                    lon: (lon + (random.fraction() * 2.0 - 1.0) * reach / lat.to_radians().cos().max(0.01))
                        .clamp(-180.0, 180.0),
                };
                if circle.contains(place) {
                    assert!(of(place, levels).any(|cell| cells.contains(&cell)), "{circle:?} {place:?}");
                }
            }
        }
    }
}
