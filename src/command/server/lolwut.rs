//! LOLWUT: the version, and columns of basalt, no two alike.

use crate::command::Flow;
use crate::command::answer::answer;
use crate::net::Conn;
use crate::observe::info::REDIS_VERSION;
use crate::resp::Args;
use crate::server::Core;

const COLUMNS: usize = 12;
const ROWS: usize = 6;

/// LOLWUT [VERSION version]
pub fn lolwut(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let heights: [u8; COLUMNS] = rand::random();
    let mut text = String::new();
    for row in (0..ROWS).rev() {
        for height in heights {
            let height = height as usize % ROWS;
            text.push_str(match row {
                row if row > height => "    ",
                row if row == height => " __ ",
                _ => "|  |",
            });
        }
        text.push('\n');
    }
    text.push_str(&format!("Redis ver. {REDIS_VERSION} (Basalt {})\n", env!("CARGO_PKG_VERSION")));
    answer(core, conn, |reply| reply.verbatim("txt", text.as_bytes()))
}
