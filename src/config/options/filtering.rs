//! What is sent.

use super::Group::Filtering as G;
use super::Opt;

pub(super) static OPTIONS: &[Opt] = &[
    Opt::text(
        G,
        "filter",
        "rules with commas between, the last that matches decides: `exclude: *.*, include: db.*, include: db./^tbl_/, \
         exclude: db.tbl.col=value, blacklist: db.tbl`",
    )
    .read(),
    Opt::text(G, "javascript", "a script that changes or suppresses rows").refused("scripts are not built yet").read(),
];
