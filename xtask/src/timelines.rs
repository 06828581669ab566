//! The pictures of `docs/loading.md`: one timeline per policy, drawn from what is said here.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A picture: what happens to one key, from left to right.
struct Timeline {
    name: &'static str,
    title: &'static str,
    lanes: &'static [Lane],
    /// How long it is.
    length: u32,
}

/// One who has to do with it.
struct Lane {
    label: &'static str,
    marks: &'static [Mark],
}

/// What somebody does, or how something is.
enum Mark {
    /// From, to, what.
    Span(Kind, u32, u32, &'static str),
    /// At, what.
    Point(u32, &'static str),
}

#[derive(Clone, Copy)]
enum Kind {
    Fresh,
    Stale,
    Load,
    Failed,
    Wait,
}

use Kind::{Failed, Fresh, Load, Stale, Wait};
use Mark::{Point, Span};

const TIMELINES: &[Timeline] = &[
    Timeline {
        name: "single-flight",
        title: "Single flight: however many ask, one loads",
        length: 100,
        lanes: &[
            Lane {
                label: "caller 1",
                marks: &[Span(Wait, 5, 60, "waits"), Point(60, "new")],
            },
            Lane {
                label: "caller 2",
                marks: &[Span(Wait, 20, 60, "joins"), Point(60, "new")],
            },
            Lane {
                label: "caller 3",
                marks: &[Span(Wait, 30, 42, "leaves"), Point(85, "hit")],
            },
            Lane {
                label: "loader",
                marks: &[Span(Load, 5, 60, "one call")],
            },
            Lane {
                label: "entry",
                marks: &[Span(Fresh, 60, 100, "fresh")],
            },
        ],
    },
    Timeline {
        name: "invalidated",
        title: "An invalidation during a load: the value is returned, and not stored",
        length: 100,
        lanes: &[
            Lane {
                label: "caller 1",
                marks: &[Span(Wait, 5, 50, "waits"), Point(50, "old")],
            },
            Lane {
                label: "delete",
                marks: &[Point(28, "delete")],
            },
            Lane {
                label: "caller 2",
                marks: &[Span(Wait, 38, 84, "a load of its own"), Point(84, "new")],
            },
            Lane {
                label: "loaders",
                marks: &[Span(Load, 5, 50, "first"), Span(Load, 52, 84, "second")],
            },
            Lane {
                label: "entry",
                marks: &[Span(Fresh, 84, 100, "fresh")],
            },
        ],
    },
    Timeline {
        name: "lease",
        title: "Across processes: the lease; a holder that dies is noticed within two seconds",
        length: 100,
        lanes: &[
            Lane {
                label: "process 1",
                marks: &[Span(Failed, 5, 35, "loads, is killed")],
            },
            Lane {
                label: "lease",
                marks: &[
                    Span(Stale, 5, 55, "renewed, then ends"),
                    Span(Stale, 57, 85, "of process 2"),
                ],
            },
            Lane {
                label: "process 2",
                marks: &[Span(Wait, 15, 57, "waits"), Span(Load, 57, 85, "loads")],
            },
            Lane {
                label: "process 3",
                marks: &[Span(Wait, 25, 86, "waits, is woken"), Point(86, "new")],
            },
            Lane {
                label: "entry",
                marks: &[Span(Fresh, 85, 100, "fresh")],
            },
        ],
    },
    Timeline {
        name: "fail-safe",
        title: "stale_for and throttle: an origin in trouble is called once per interval",
        length: 120,
        lanes: &[
            Lane {
                label: "callers",
                marks: &[
                    Point(10, "hit"),
                    Point(34, "stale"),
                    Point(46, "hit"),
                    Point(52, "hit"),
                    Point(66, "stale"),
                    Point(80, "hit"),
                    Point(104, "new"),
                ],
            },
            Lane {
                label: "loader",
                marks: &[
                    Span(Failed, 30, 34, ""),
                    Span(Failed, 62, 66, ""),
                    Span(Load, 98, 104, ""),
                ],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Fresh, 0, 28, "fresh"),
                    Span(Stale, 28, 34, ""),
                    Span(Fresh, 34, 60, "re-armed"),
                    Span(Stale, 60, 66, ""),
                    Span(Fresh, 66, 92, "re-armed"),
                    Span(Stale, 92, 104, ""),
                    Span(Fresh, 104, 120, "fresh"),
                ],
            },
        ],
    },
    Timeline {
        name: "soft-timeout",
        title: "soft_timeout: a stale value soon, the new one behind it",
        length: 100,
        lanes: &[
            Lane {
                label: "caller 1",
                marks: &[Span(Wait, 40, 52, "soft timeout"), Point(52, "stale")],
            },
            Lane {
                label: "caller 2",
                marks: &[Point(86, "hit, new")],
            },
            Lane {
                label: "loader",
                marks: &[Span(Load, 40, 75, "slow")],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Fresh, 0, 30, "fresh"),
                    Span(Stale, 30, 75, "stale"),
                    Span(Fresh, 75, 100, "fresh"),
                ],
            },
        ],
    },
    Timeline {
        name: "stale-while-revalidate",
        title: "stale_while_revalidate: nobody waits while a stale value is at hand",
        length: 100,
        lanes: &[
            Lane {
                label: "callers",
                marks: &[
                    Point(20, "hit"),
                    Point(44, "stale"),
                    Point(56, "stale"),
                    Point(82, "hit, new"),
                ],
            },
            Lane {
                label: "loader",
                marks: &[Span(Load, 44, 70, "behind")],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Fresh, 0, 35, "fresh"),
                    Span(Stale, 35, 70, "stale"),
                    Span(Fresh, 70, 100, "fresh"),
                ],
            },
        ],
    },
    Timeline {
        name: "timeout",
        title: "timeout: an origin that hangs",
        length: 100,
        lanes: &[
            Lane {
                label: "nothing there",
                marks: &[
                    Span(Wait, 10, 60, "timeout"),
                    Point(60, "error, or the default value"),
                ],
            },
            Lane {
                label: "stale there",
                marks: &[Span(Wait, 10, 60, "timeout"), Point(60, "stale, re-armed")],
            },
            Lane {
                label: "loader",
                marks: &[Span(Failed, 10, 60, "hangs, is dropped")],
            },
        ],
    },
    Timeline {
        name: "eager-refresh",
        title: "eager_refresh(0.8): before anybody has to wait",
        length: 100,
        lanes: &[
            Lane {
                label: "callers",
                marks: &[
                    Point(15, "hit"),
                    Point(50, "hit, due"),
                    Point(56, "hit"),
                    Point(80, "hit, new"),
                ],
            },
            Lane {
                label: "loader",
                marks: &[Span(Load, 50, 64, "behind")],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Fresh, 0, 64, "fresh for 60; due from 48"),
                    Span(Fresh, 64, 100, "fresh"),
                ],
            },
        ],
    },
    Timeline {
        name: "early-expiration",
        title: "early_expiration: each caller draws; the nearer the end, the likelier",
        length: 100,
        lanes: &[
            Lane {
                label: "node 1",
                marks: &[Point(20, "no"), Point(42, "no"), Point(50, "yes")],
            },
            Lane {
                label: "node 2",
                marks: &[Point(30, "no"), Point(53, "no"), Point(76, "hit, new")],
            },
            Lane {
                label: "loader",
                marks: &[Span(Load, 50, 60, "behind")],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Fresh, 0, 60, "fresh for 66"),
                    Span(Fresh, 60, 100, "fresh"),
                ],
            },
        ],
    },
    Timeline {
        name: "negative",
        title: "Loaded::absent: that there is nothing is remembered, for a time of its own",
        length: 100,
        lanes: &[
            Lane {
                label: "callers",
                marks: &[
                    Span(Wait, 5, 18, ""),
                    Point(18, "absent"),
                    Point(40, "absent"),
                    Point(55, "absent"),
                    Point(88, "new"),
                ],
            },
            Lane {
                label: "loader",
                marks: &[Span(Load, 5, 18, ""), Span(Load, 76, 88, "")],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Stale, 18, 70, "the record of an absence"),
                    Span(Fresh, 88, 100, ""),
                ],
            },
        ],
    },
    Timeline {
        name: "sliding",
        title: "sliding: what is asked for lives on",
        length: 120,
        lanes: &[
            Lane {
                label: "callers",
                marks: &[Point(18, "hit"), Point(40, "hit"), Point(100, "miss")],
            },
            Lane {
                label: "entry",
                marks: &[
                    Span(Fresh, 0, 30, ""),
                    Span(Fresh, 18, 48, ""),
                    Span(Fresh, 40, 80, "the time to live anew"),
                ],
            },
        ],
    },
];

const LEFT: u32 = 110;
const UNIT: u32 = 6;
const ROW: u32 = 34;
const TOP: u32 = 40;

/// Draws a picture.
fn drawn(timeline: &Timeline) -> String {
    let width = LEFT + timeline.length * UNIT + 110;
    let rows = u32::try_from(timeline.lanes.len()).unwrap_or(u32::MAX);
    let height = TOP + rows * ROW + 12;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"22\" font-size=\"14\" font-weight=\"bold\" fill=\"#222\">{title}</text>\n",
        title = timeline.title
    );
    let mut y = TOP;
    for lane in timeline.lanes {
        let middle = y + ROW / 2;
        let end = LEFT + timeline.length * UNIT;
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{}\" fill=\"#222\">{}</text>\n\
             <line x1=\"{LEFT}\" y1=\"{middle}\" x2=\"{end}\" y2=\"{middle}\" stroke=\"#ccc\"/>",
            middle + 4,
            lane.label
        );
        for mark in lane.marks {
            svg.push_str(&mark_drawn(mark, y));
        }
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

fn mark_drawn(mark: &Mark, y: u32) -> String {
    let middle = y + ROW / 2;
    match mark {
        Span(kind, from, to, text) => {
            let (fill, stroke) = match kind {
                Fresh => ("#bfe3c0", "#3b7d3c"),
                Stale => ("#f3dfae", "#9a7412"),
                Load => ("#bcd4f2", "#2f5f9e"),
                Failed => ("#f2bcbc", "#9e2f2f"),
                Wait => ("#eee", "#777"),
            };
            let (x, width) = (LEFT + from * UNIT, (to - from) * UNIT);
            format!(
                "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"3\" fill=\"{fill}\" \
                 stroke=\"{stroke}\"/>\n<text x=\"{}\" y=\"{}\" fill=\"#222\">{text}</text>\n",
                y + 5,
                ROW - 10,
                x + 5,
                middle + 4
            )
        }
        Point(at, text) => {
            let x = LEFT + at * UNIT;
            format!(
                "<circle cx=\"{x}\" cy=\"{middle}\" r=\"4\" fill=\"#222\"/>\n\
                 <text x=\"{}\" y=\"{}\" fill=\"#222\">{text}</text>\n",
                x + 7,
                middle + 4
            )
        }
    }
}

const FOLDER: &str = "docs/loading";

/// Draws all pictures into the documentation.
pub(crate) fn draw(root: &Path) -> Result<String, String> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for timeline in TIMELINES {
        let path = folder.join(format!("{}.svg", timeline.name));
        fs::write(&path, drawn(timeline))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(format!("{} pictures in {FOLDER}", TIMELINES.len()))
}

/// Whether the pictures are those that are said here, and all of them are on the page.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let page = root.join("docs/loading.md");
    let page = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    for timeline in TIMELINES {
        let name = format!("loading/{}.svg", timeline.name);
        let there = fs::read_to_string(root.join("docs").join(&name)).unwrap_or_default();
        if there != drawn(timeline) {
            return Err(format!("docs/{name} is another one: cargo xtask timelines"));
        }
        if !page.contains(&name) {
            return Err(format!("docs/loading.md doesn't show {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_within_its_picture() {
        for timeline in TIMELINES {
            for mark in timeline.lanes.iter().flat_map(|lane| lane.marks) {
                let (from, to) = match mark {
                    Span(_, from, to, _) => (*from, *to),
                    Point(at, _) => (*at, at + 1),
                };
                assert!(from < to && to <= timeline.length, "{}", timeline.name);
            }
        }
    }
}
