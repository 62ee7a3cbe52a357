//! Distance on the earth.

use crate::{GeoCircle, Point};

/// IUGG mean radius R1 of the earth in metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Great-circle distance in metres by the haversine formula, which stays exact for neighbours and needs no care
/// at the antimeridian or the poles.
pub fn distance_m(a: Point, b: Point) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.lon - a.lon).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    // Rounding may carry `h` of antipodes past 1, where asin has no answer.
    2.0 * EARTH_RADIUS_M * h.min(1.0).sqrt().asin()
}

impl GeoCircle {
    /// Whether the point lies within the circle, edge included.
    pub fn contains(&self, point: Point) -> bool {
        // A degree of latitude is the same everywhere, so most circles are out without any trigonometry. The
        // metre of slack keeps the shortcut from ever disagreeing with the formula.
        let off_m = (point.lat - self.lat).abs().to_radians() * EARTH_RADIUS_M;
        if off_m > f64::from(self.radius_m) + 1.0 {
            return false;
        }
        let centre = Point { lat: self.lat, lon: self.lon };
        distance_m(centre, point) <= f64::from(self.radius_m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: Point = Point { lat: 52.520_008, lon: 13.404_954 };

    #[test]
    fn known_distances_come_out() {
        let potsdam = Point { lat: 52.390_569, lon: 13.064_473 };
        let quarter = Point { lat: 0.0, lon: 90.0 };
        let origin = Point { lat: 0.0, lon: 0.0 };
        assert!((distance_m(BERLIN, potsdam) - 27_200.0).abs() < 200.0);
        assert!((distance_m(origin, quarter) - EARTH_RADIUS_M * std::f64::consts::FRAC_PI_2).abs() < 1e-3);
    }

    #[test]
    fn the_antimeridian_is_no_border() {
        let fiji = GeoCircle { lat: -17.0, lon: 179.9, radius_m: 50_000 };
        assert!(fiji.contains(Point { lat: -17.0, lon: -179.9 }));
    }

    #[test]
    fn a_place_that_is_no_number_is_nowhere() {
        let all = GeoCircle { lat: 0.0, lon: 0.0, radius_m: 5_000_000 };
        assert!(!all.contains(Point { lat: f64::NAN, lon: 0.0 }));
        assert!(!all.contains(Point { lat: 0.0, lon: f64::NAN }));
    }
}
