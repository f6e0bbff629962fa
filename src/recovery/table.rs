//! The table of cases: what stands where a segment's whole frames end, and what that means (rule W5).
//!
//! A torn tail is what a crash may leave of writes that nobody was told about. It is cut, and said. Everything else is corruption:
//! the server does not start.

use crate::log::Stop;

/// How the log goes on after a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continued {
    /// It does not: this is the tail.
    No,
    /// In the core's next segment.
    Segment,
    /// In a segment that overrides what a failed write may have left here (rule W7).
    Superseded,
    /// In a segment that recovery made for the kept part of a divided frame, or in the next generation.
    Elsewhere,
}

/// What is known about the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What stands there.
    pub stop: Stop,
    /// Whether the manifest says where the frames end, and whether that is here.
    pub sealed: Option<bool>,
    /// How the log goes on.
    pub continued: Continued,
    /// Whether the last frame says that it goes on in the next segment.
    pub closed: bool,
    /// Whether there is any frame.
    pub has_frames: bool,
    /// Whether an earlier segment of the core lost its end, which the log may go on without (rule X7).
    pub beyond: bool,
    /// Whether something other than filler, intact or rotten, follows.
    pub remains: bool,
    /// Whether the record that would come next is above every known `durable_lsn` of the core.
    pub above_durable: bool,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log ends here or goes on elsewhere, as it should.
    Intact,
    /// A crash tore the tail: cut it.
    Torn,
    /// Acknowledged records are or may be lost: refuse.
    Corrupt,
}

macro_rules! rows {
    ($($row:ident $label:literal $verdict:ident $text:literal;)*) => {
        /// A case of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Row {
            $(#[doc = $text] $row,)*
        }

        impl Row {
            /// Every case.
            pub const ALL: &[Row] = &[$(Row::$row),*];

            /// Its short name.
            pub fn label(self) -> &'static str {
                match self { $(Row::$row => $label),* }
            }

            /// What it says.
            pub fn text(self) -> &'static str {
                match self { $(Row::$row => $text),* }
            }

            /// What it means.
            pub fn verdict(self) -> Verdict {
                match self { $(Row::$row => Verdict::$verdict),* }
            }
        }
    };
}

rows! {
    FileEnds "@A" Corrupt "the file is shorter than its header says";
    SealedRight "@B" Intact "the frames end where the manifest says";
    SealedWrong "@C" Corrupt "the frames do not end where the manifest says";
    Superseded "@D" Intact "a failed write ended this segment, a later one repeats its records";
    OutOfOrder "@E" Corrupt "a whole frame does not follow the one before it";
    NotAFrame "@F" Corrupt "there is neither a frame nor the filler that was there before it";
    Empty "@G" Intact "nothing was ever written";
    CleanTail "@H" Intact "the log ends here";
    BehindClosing "@I" Corrupt "something was written behind the segment's closing frame";
    CleanTurn "@J" Intact "the log goes on elsewhere";
    NotClosed "@K" Corrupt "the log goes on in another segment, but this one's closing frame is missing";
    BrokenTurn "@L" Corrupt "a frame is bad although the log goes on in another segment";
    HoleTorn "@M" Torn "a frame was never written, only later ones, and none of them was acknowledged";
    HoleLost "@N" Corrupt "a frame is missing that was acknowledged";
    FrameTorn "@O" Torn "the last frame was written in part";
    FrameLost "@P" Corrupt "a frame is bad that was acknowledged";
    FrameRotten "@Q" Corrupt "the last frame was written in whole and its checksum is wrong";
    BeyondTear "@T" Torn "the end of an earlier segment was never written, and replies did not wait for it";
    BarrierBroken "@R" Corrupt "a barrier segment does not hold its one frame";
}

/// Finds the case. The first that fits counts.
pub fn classify(facts: &Facts) -> Row {
    match (facts.stop, facts.continued) {
        (Stop::FileEnds, _) => Row::FileEnds,
        (Stop::Clean, _) if facts.sealed == Some(true) => Row::SealedRight,
        (_, _) if facts.sealed.is_some() => Row::SealedWrong,
        (_, _) if facts.beyond => Row::BeyondTear,
        (_, Continued::Superseded) => Row::Superseded,
        (Stop::OutOfOrder { .. }, _) => Row::OutOfOrder,
        (Stop::NotAFrame, _) => Row::NotAFrame,
        (Stop::Clean, _) if !facts.has_frames => Row::Empty,
        (Stop::Clean | Stop::Hole, _) if facts.closed && facts.remains => Row::BehindClosing,
        (Stop::Clean, Continued::No) => Row::CleanTail,
        (Stop::Clean, Continued::Elsewhere) => Row::CleanTurn,
        (Stop::Clean, Continued::Segment) if facts.closed => Row::CleanTurn,
        (Stop::Clean, Continued::Segment) => Row::NotClosed,
        (_, Continued::Segment | Continued::Elsewhere) => Row::BrokenTurn,
        (Stop::Hole, Continued::No) if facts.above_durable => Row::HoleTorn,
        (Stop::Hole, Continued::No) => Row::HoleLost,
        (Stop::BadFrame { .. }, Continued::No) if !facts.above_durable => Row::FrameLost,
        (Stop::BadFrame { holds_filler: true }, Continued::No) => Row::FrameTorn,
        (Stop::BadFrame { holds_filler: false }, Continued::No) => Row::FrameRotten,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: Facts = Facts {
        stop: Stop::Clean,
        sealed: None,
        continued: Continued::No,
        closed: false,
        has_frames: true,
        beyond: false,
        remains: false,
        above_durable: true,
    };

    #[test]
    fn w5_every_row_of_the_table_has_facts_that_lead_to_it() {
        let torn = Stop::BadFrame { holds_filler: true };
        let rotten = Stop::BadFrame { holds_filler: false };
        let turn = Facts { continued: Continued::Segment, ..TAIL };
        let cases = [
            (Facts { stop: Stop::FileEnds, ..TAIL }, Row::FileEnds),
            (Facts { sealed: Some(true), ..turn }, Row::SealedRight),
            (Facts { sealed: Some(false), ..TAIL }, Row::SealedWrong),
            (Facts { stop: torn, sealed: Some(false), ..TAIL }, Row::SealedWrong),
            (Facts { stop: rotten, continued: Continued::Superseded, ..TAIL }, Row::Superseded),
            (Facts { stop: Stop::OutOfOrder { expected: 2, found: 4 }, ..TAIL }, Row::OutOfOrder),
            (Facts { stop: Stop::NotAFrame, ..TAIL }, Row::NotAFrame),
            (Facts { has_frames: false, ..turn }, Row::Empty),
            (Facts { stop: Stop::Hole, closed: true, remains: true, ..TAIL }, Row::BehindClosing),
            (TAIL, Row::CleanTail),
            (Facts { closed: true, ..turn }, Row::CleanTurn),
            (Facts { continued: Continued::Elsewhere, ..TAIL }, Row::CleanTurn),
            (turn, Row::NotClosed),
            (Facts { stop: torn, ..turn }, Row::BrokenTurn),
            (Facts { stop: Stop::Hole, remains: true, ..TAIL }, Row::HoleTorn),
            (Facts { stop: Stop::Hole, remains: true, above_durable: false, ..TAIL }, Row::HoleLost),
            (Facts { stop: torn, ..TAIL }, Row::FrameTorn),
            (Facts { stop: torn, above_durable: false, ..TAIL }, Row::FrameLost),
            (Facts { stop: rotten, ..TAIL }, Row::FrameRotten),
            (Facts { beyond: true, ..TAIL }, Row::BeyondTear),
        ];
        for (facts, row) in cases {
            assert_eq!(classify(&facts), row, "{facts:?}");
        }
        let reached = |row: &&Row| cases.iter().any(|(_, other)| other == *row) || **row == Row::BarrierBroken;
        assert!(Row::ALL.iter().all(|row| reached(&row)));
    }
}
