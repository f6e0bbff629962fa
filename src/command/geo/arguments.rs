//! Positions, distances and units as arguments.

use crate::command::expect::{Refused, refuse};
use crate::command::zset::score;
use crate::object::geo::{Position, Shape, Unit};
use crate::shard::Cx;

/// Demands a position that can be stored.
pub fn position(cx: &mut Cx<'_>, longitude: &[u8], latitude: &[u8]) -> Result<Position, Refused> {
    let longitude = score::demand(cx, longitude)?;
    let position = Position { longitude, latitude: score::demand(cx, latitude)? };
    if !position.is_valid() {
        let Position { longitude, latitude } = position;
        return refuse(cx, format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"));
    }
    Ok(position)
}

/// Demands a unit of length.
pub fn unit(cx: &mut Cx<'_>, text: &[u8]) -> Result<Unit, Refused> {
    match Unit::parse(text) {
        Some(unit) => Ok(unit),
        None => refuse(cx, "ERR unsupported unit provided. please use M, KM, FT, MI"),
    }
}

/// Demands a radius with its unit.
pub fn circle(cx: &mut Cx<'_>, radius: &[u8], unit_name: &[u8]) -> Result<(Shape, Unit), Refused> {
    let radius = score::demand_or(cx, radius, "ERR need numeric radius")?;
    if radius < 0.0 {
        return refuse(cx, "ERR radius cannot be negative");
    }
    Ok((Shape::Circle { radius }, unit(cx, unit_name)?))
}

/// Demands width and height with their unit.
pub fn rectangle(cx: &mut Cx<'_>, width: &[u8], height: &[u8], unit_name: &[u8]) -> Result<(Shape, Unit), Refused> {
    let width = score::demand_or(cx, width, "ERR need numeric width")?;
    let height = score::demand_or(cx, height, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return refuse(cx, "ERR height or width cannot be negative");
    }
    Ok((Shape::Box { width, height }, unit(cx, unit_name)?))
}
