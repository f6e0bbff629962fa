//! Geohashes as sorted set scores: positions to 52 bits and back, search areas, distances.
//!
//! Longitude and latitude are each cut into 2^26 steps and their bits interleaved, longitude in the odd places; latitude
//! goes to ±85.05112878 only, the square of the web's Mercator map. Every rounding is Redis's, so that scores, replies
//! and the order of results are the same.

use std::ops::Range;

/// Degrees east and west that can be stored.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Degrees north and south that can be stored.
pub const LATITUDE_MAX: f64 = 85.05112878;
/// Steps of a stored position: 26 bits each way.
const STEP_MAX: u32 = 26;
const EARTH_RADIUS_M: f64 = 6_372_797.560856;
/// Half the map's circumference in metres: a search of this radius covers everything.
const MERCATOR_MAX_M: f64 = 20_037_726.37;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Degrees east and degrees north.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// Degrees north, -85.05112878 to 85.05112878.
    pub latitude: f64,
}

impl Position {
    /// Whether it can be stored; never with NaN.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// Metres to another position on a sphere of Redis's radius, by the haversine formula.
    pub fn distance_m(self, other: Position) -> f64 {
        let sine = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        if sine == 0.0 {
            return latitude_distance_m(self.latitude, other.latitude);
        }
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let across = ((to - from) / 2.0).sin();
        let chord = across * across + from.cos() * to.cos() * sine * sine;
        2.0 * EARTH_RADIUS_M * chord.sqrt().asin()
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

fn latitude_distance_m(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_M * (radians(other) - radians(one)).abs()
}

/// A unit of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `m`
    Metres,
    /// `km`
    Kilometres,
    /// `ft`
    Feet,
    /// `mi`
    Miles,
}

impl Unit {
    /// Reads `m`, `km`, `ft` or `mi`, in any case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        [(&b"m"[..], Unit::Metres), (b"km", Unit::Kilometres), (b"ft", Unit::Feet), (b"mi", Unit::Miles)]
            .into_iter()
            .find_map(|(name, unit)| text.eq_ignore_ascii_case(name).then_some(unit))
    }

    /// Metres in one.
    pub fn metres(self) -> f64 {
        match self {
            Unit::Metres => 1.0,
            Unit::Kilometres => 1000.0,
            Unit::Feet => 0.3048,
            Unit::Miles => 1609.34,
        }
    }
}

/// Appends a distance as replies have it: four digits behind the point, halves rounded to even.
pub fn write_distance(distance: f64, out: &mut Vec<u8>) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    out.extend_from_slice(itoa::Buffer::new().format(scaled / 10_000).as_bytes());
    // With a leading 1 the fraction keeps its zeros.
    let mut fraction = itoa::Buffer::new();
    out.push(b'.');
    out.extend_from_slice(&fraction.format(10_000 + scaled % 10_000).as_bytes()[1..]);
}

/// The 52 bits of a position, which as a number are its score; `None` for one that can't be stored.
pub fn encode(position: Position) -> Option<u64> {
    position.is_valid().then(|| Cell::around(position, STEP_MAX, LATITUDE_MAX).bits)
}

/// The middle of the cell that a score names.
pub fn decode(score: f64) -> Position {
    let area = Cell { bits: score as u64, step: STEP_MAX }.area();
    Position {
        longitude: ((area.west + area.east) / 2.0).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
        latitude: ((area.south + area.north) / 2.0).clamp(-LATITUDE_MAX, LATITUDE_MAX),
    }
}

/// The usual geohash of a score in base 32: eleven letters, the last of which is always 0, as 52 bits don't fill it.
pub fn geohash(score: f64) -> [u8; 11] {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    // Geohashes elsewhere go to the poles, so the latitude is cut anew.
    let bits = Cell::around(decode(score), STEP_MAX, 90.0).bits;
    let mut text = [b'0'; 11];
    for (index, letter) in text[..10].iter_mut().enumerate() {
        *letter = ALPHABET[(bits >> (52 - 5 * (index + 1)) & 31) as usize];
    }
    text
}

/// A square of the map: the first `step` bits of each coordinate, interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    bits: u64,
    step: u32,
}

struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;
const LONGITUDE_BITS: u64 = !LATITUDE_BITS;

impl Cell {
    /// The cell that holds a position, where latitude runs from `-latitude_max` to `latitude_max`.
    fn around(position: Position, step: u32, latitude_max: f64) -> Self {
        let cut = |value: f64, max: f64| {
            let part = (value + max) / (max + max);
            // At the very edge this is 2^step: a bit more than there should be, which Redis keeps, too.
            (part * (1u64 << step) as f64) as u32
        };
        let latitude = spread(cut(position.latitude, latitude_max));
        let longitude = spread(cut(position.longitude, LONGITUDE_MAX));
        Cell { bits: latitude | longitude << 1, step }
    }

    fn area(self) -> Area {
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        let edge = |number: u32, max: f64| -max + f64::from(number) / (1u64 << self.step) as f64 * (max + max);
        Area {
            west: edge(longitude, LONGITUDE_MAX),
            east: edge(longitude.wrapping_add(1), LONGITUDE_MAX),
            south: edge(latitude, LATITUDE_MAX),
            north: edge(latitude.wrapping_add(1), LATITUDE_MAX),
        }
    }

    /// The cell so many steps (-1, 0, 1) to the east and to the north, around the edges of the map.
    fn neighbour(self, east: i32, north: i32) -> Self {
        let own = u64::MAX >> (64 - 2 * self.step);
        // With the other coordinate's bits all ones a sum carries across them, all zeros a difference lends across.
        let step = |mask: u64, by: i32| {
            let unit = mask & mask.wrapping_neg();
            match by {
                1 => (self.bits | !mask).wrapping_add(unit) & mask & own,
                -1 => (self.bits & mask).wrapping_sub(unit) & mask & own,
                _ => self.bits & mask,
            }
        };
        Cell { bits: step(LONGITUDE_BITS, east) | step(LATITUDE_BITS, north), step: self.step }
    }

    /// The scores of all positions within.
    fn scores(self) -> Range<f64> {
        let shift = 52 - 2 * self.step;
        (self.bits << shift) as f64..((self.bits + 1) << shift) as f64
    }
}

/// Spreads 32 bits to the even places of 64.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDE_BITS),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Gathers the even places of 64 bits.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// The outline of a search, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Everything up to this distance.
    Circle {
        /// The greatest distance, not negative.
        radius: f64,
    },
    /// A box along the axes.
    Box {
        /// From west to east, not negative.
        width: f64,
        /// From south to north, not negative.
        height: f64,
    },
}

/// A search around a position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The middle; valid.
    pub center: Position,
    /// The outline.
    pub shape: Shape,
    /// The unit of the outline.
    pub unit: Unit,
}

impl Search {
    /// The distance in metres from the middle, if the position is within.
    pub fn distance_within_m(&self, position: Position) -> Option<f64> {
        let metres = self.unit.metres();
        match self.shape {
            Shape::Circle { radius } => {
                let distance = self.center.distance_m(position);
                (distance <= radius * metres).then_some(distance)
            }
            Shape::Box { width, height } => {
                if latitude_distance_m(position.latitude, self.center.latitude) > height * metres / 2.0 {
                    return None;
                }
                let level = Position { longitude: self.center.longitude, latitude: position.latitude };
                if position.distance_m(level) > width * metres / 2.0 {
                    return None;
                }
                Some(self.center.distance_m(position))
            }
        }
    }

    /// The ranges of scores that hold everything within (and more: see [`Search::distance_within_m`]), in the order in
    /// which Redis goes through them: the middle cell, then those around it that matter.
    pub fn score_ranges(&self) -> ScoreRanges {
        let bounds = self.bounds();
        let mut step = self.estimate_step();
        let mut cell = Cell::around(self.center, step, LATITUDE_MAX);
        let around = |cell: Cell, east, north| cell.neighbour(east, north).area();
        let too_small = around(cell, 0, 1).north < bounds.north
            || around(cell, 0, -1).south > bounds.south
            || around(cell, 1, 0).east < bounds.east
            || around(cell, -1, 0).west > bounds.west;
        if step > 1 && too_small {
            step -= 1;
            cell = Cell::around(self.center, step, LATITUDE_MAX);
        }
        let area = cell.area();
        // From two steps on, cells on a side where the middle one already reaches beyond the search are left out.
        let exclude = step >= 2;
        let without = |east: i32, north: i32| {
            exclude
                && (north < 0 && area.south < bounds.south
                    || north > 0 && area.north > bounds.north
                    || east < 0 && area.west < bounds.west
                    || east > 0 && area.east > bounds.east)
        };
        let mut ranges = ScoreRanges { cells: [cell; 9], len: 1, next: 0 };
        for (east, north) in [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            let neighbour = cell.neighbour(east, north);
            // With the largest cells, neighbours are the same around the world.
            if !without(east, north) && !ranges.cells[..ranges.len].contains(&neighbour) {
                ranges.cells[ranges.len] = neighbour;
                ranges.len += 1;
            }
        }
        ranges
    }

    /// The degrees that the search reaches to.
    fn bounds(&self) -> Area {
        let Position { longitude, latitude } = self.center;
        let metres = self.unit.metres();
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (metres * radius, metres * radius),
            Shape::Box { width, height } => (metres * (width / 2.0), metres * (height / 2.0)),
        };
        let north = degrees(height / EARTH_RADIUS_M);
        // Degrees of longitude are shortest towards the pole.
        let poleward = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(width / EARTH_RADIUS_M / radians(poleward).cos());
        Area { west: longitude - east, east: longitude + east, south: latitude - north, north: latitude + north }
    }

    /// The step at which a cell and those around it should cover the search.
    fn estimate_step(&self) -> u32 {
        let mut reach = self.unit.metres()
            * match self.shape {
                Shape::Circle { radius } => radius,
                Shape::Box { width, height } => {
                    ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
                }
            };
        if reach == 0.0 {
            return STEP_MAX;
        }
        let mut step = 1i32;
        while reach < MERCATOR_MAX_M {
            reach *= 2.0;
            step += 1;
        }
        step -= 2;
        let latitude = self.center.latitude.abs();
        step -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        step.clamp(1, STEP_MAX as i32) as u32
    }
}

/// Up to nine ranges of scores: start included, end not.
#[derive(Clone, Debug)]
pub struct ScoreRanges {
    cells: [Cell; 9],
    len: usize,
    next: usize,
}

impl Iterator for ScoreRanges {
    type Item = Range<f64>;

    fn next(&mut self) -> Option<Range<f64>> {
        let cell = self.cells[..self.len].get(self.next)?;
        self.next += 1;
        Some(cell.scores())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn seed() -> u64 {
        let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
        eprintln!("SEED={seed}");
        seed
    }

    const PALERMO: Position = Position { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Position = Position { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn known_cities_have_their_known_hashes() {
        assert_eq!(encode(PALERMO), Some(3479099956230698));
        assert_eq!(encode(CATANIA), Some(3479447370796909));
        assert_eq!(&geohash(3479099956230698.0), b"sqc8b49rny0");
        assert_eq!(&geohash(3479447370796909.0), b"sqdtr74hyu0");
        let distance = decode(3479099956230698.0).distance_m(decode(3479447370796909.0));
        assert_eq!(format!("{distance:.4}"), "166274.1516");
        assert_eq!(encode(Position { longitude: 181.0, latitude: 0.0 }), None);
        assert_eq!(encode(Position { longitude: 0.0, latitude: 85.06 }), None);
        assert_eq!(encode(Position { longitude: f64::NAN, latitude: 0.0 }), None);
    }

    #[test]
    fn distances_have_four_digits() {
        for (distance, text) in
            [(0.0, "0.0000"), (0.7750, "0.7750"), (166274.15156960033, "166274.1516"), (12.00004, "12.0000")]
        {
            let mut out = Vec::new();
            write_distance(distance, &mut out);
            assert_eq!(std::str::from_utf8(&out).unwrap(), text);
        }
    }

    #[test]
    fn units_are_read_in_any_case() {
        assert_eq!(Unit::parse(b"KM"), Some(Unit::Kilometres));
        assert_eq!(Unit::parse(b"ft"), Some(Unit::Feet));
        assert_eq!(Unit::parse(b"parsec"), None);
    }

    #[test]
    fn neighbours_share_an_edge_all_around_the_world() {
        let mut rng = StdRng::seed_from_u64(seed());
        for _ in 0..2_000 {
            let step = rng.random_range(1..=26);
            let cell = Cell { bits: rng.random::<u64>() >> (64 - 2 * step), step };
            for (east, north) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)] {
                let size = 1i64 << step;
                let expected = |number: u32, by: i32| (i64::from(number) + i64::from(by)).rem_euclid(size) as u32;
                let moved = cell.neighbour(east, north);
                assert_eq!(gather(moved.bits), expected(gather(cell.bits), north));
                assert_eq!(gather(moved.bits >> 1), expected(gather(cell.bits >> 1), east));
            }
        }
    }

    #[test]
    fn a_position_comes_back_within_a_metre() {
        let mut rng = StdRng::seed_from_u64(seed());
        for _ in 0..2_000 {
            let position =
                Position { longitude: rng.random_range(-180.0..180.0), latitude: rng.random_range(-85.05..85.05) };
            let back = decode(encode(position).unwrap() as f64);
            assert!(position.distance_m(back) < 1.0);
        }
    }

    #[test]
    fn search_areas_miss_nothing_within() {
        let mut rng = StdRng::seed_from_u64(seed());
        for _ in 0..20_000 {
            let center =
                Position { longitude: rng.random_range(-170.0..170.0), latitude: rng.random_range(-75.0..75.0) };
            let reach = 10f64.powf(rng.random_range(0.0..5.7));
            let shape = if rng.random_bool(0.5) {
                Shape::Circle { radius: reach }
            } else {
                Shape::Box { width: reach, height: reach * rng.random_range(0.1..2.0) }
            };
            let search = Search { center, shape, unit: Unit::Metres };
            let near = |rng: &mut StdRng| rng.random_range(-1.5..1.5) * reach / 111_000.0;
            let position = Position {
                longitude: center.longitude + near(&mut rng) / radians(center.latitude).cos(),
                latitude: center.latitude + near(&mut rng),
            };
            let Some(bits) = encode(position) else { continue };
            if search.distance_within_m(decode(bits as f64)).is_some() {
                let holding = search.score_ranges().filter(|range| range.contains(&(bits as f64))).count();
                assert_eq!(holding, 1, "{search:?} {position:?}");
            }
        }
    }
}
