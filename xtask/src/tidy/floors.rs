//! Floors: a crate uses lower floors only.

use anyhow::{Context, Result};

use super::manifest::Sections;
use super::{Complaint, Member};

/// The floor of each crate.
const FLOORS: [(&str, i8); 19] = [
    ("lanes", -1),
    ("whole-file", -1),
    ("lid", 0),
    ("partition", 0),
    ("pickle", 0),
    ("space", 0),
    ("rank", 0),
    ("data", 1),
    ("weights", 1),
    ("flex-ops", 1),
    ("cube-ops", 2),
    ("supernet", 3),
    ("nb201", 4),
    ("proxyless", 4),
    ("ofa", 4),
    ("search", 4),
    ("report", 5),
    ("nas-lid", 6),
    ("benches", 6),
];

/// Runs the crates as processes and stands on no floor.
const AUTOMATION: &str = "xtask";

/// The tensor library that floor 0 must not know.
const TENSOR_LIBRARY: &str = "burn";

fn floor_of(name: &str) -> Option<i8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|&(_, floor)| floor)
}

pub(super) fn check(members: &[Member]) -> Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    for member in members {
        let sections = Sections::of(&member.text).with_context(|| member.name.clone())?;
        if member.name == AUTOMATION {
            complaints.extend(check_automation(member, &sections));
        } else if let Some(floor) = floor_of(&member.name) {
            complaints.extend(check_member(member, floor, &sections));
        } else {
            let message =
                format!("crate `{}` has no floor in xtask/src/tidy/floors.rs", member.name);
            complaints.push(member.complaint(1, message));
        }
    }
    Ok(complaints)
}

fn check_automation(member: &Member, sections: &Sections) -> Vec<Complaint> {
    let linked = member.any.iter().filter(|name| floor_of(name).is_some());
    let complaint = |name: &String| {
        let message = format!("{AUTOMATION} links no crate of the workspace, but uses `{name}`");
        member.complaint(sections.line_of(name), message)
    };
    linked.map(complaint).collect()
}

fn check_member(member: &Member, floor: i8, sections: &Sections) -> Vec<Complaint> {
    let name = &member.name;
    let mut complaints = Vec::new();
    for used in &member.normal {
        let message = match floor_of(used) {
            Some(other) if floor <= other => {
                format!("`{name}` (floor {floor}) uses `{used}` (floor {other}), not a lower floor")
            }
            None if used == AUTOMATION => format!("`{name}` uses `{AUTOMATION}`"),
            Some(_) | None => continue,
        };
        complaints.push(member.complaint(sections.line_of(used), message));
    }
    if floor <= 0 && member.transitive.iter().any(|used| is_tensor_library(used)) {
        let message = format!("`{name}` (floor 0) depends on {TENSOR_LIBRARY}");
        complaints.push(member.complaint(sections.line_of(TENSOR_LIBRARY), message));
    }
    complaints
}

/// burn, or one of its parts such as `burn-tensor`.
fn is_tensor_library(name: &str) -> bool {
    name.strip_prefix(TENSOR_LIBRARY).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::super::listing;
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[track_caller]
    fn check_one(name: &str, normal: &[&str], dev: &[&str], transitive: &[&str], expected: &str) {
        let lines = |names: &[&str]| -> String {
            names.iter().map(|name| format!("{name}.workspace = true\n")).collect()
        };
        let text = format!("[dependencies]\n{}[dev-dependencies]\n{}", lines(normal), lines(dev));
        let member = Member {
            name: name.to_owned(),
            manifest: PathBuf::from("Cargo.toml"),
            text,
            normal: names(normal),
            any: names(&[normal, dev].concat()),
            transitive: names(transitive),
        };
        assert_eq!(listing(&check(&[member]).unwrap()), expected);
    }

    #[test]
    fn lower_floors_are_allowed() {
        check_one("search", &["serde", "lid", "supernet", "data"], &[], &[], "");
        check_one("nas-lid", &["report", "search", "nb201"], &[], &["burn"], "");
        check_one("xtask", &["anyhow"], &[], &[], "");
    }

    #[test]
    fn same_and_higher_floors_are_not() {
        let expected = "\
            Cargo.toml:3: `search` (floor 4) uses `nb201` (floor 4), not a lower floor\n\
            Cargo.toml:4: `search` (floor 4) uses `report` (floor 5), not a lower floor\n";
        let normal = ["lid", "nb201", "report"];
        check_one("search", &normal, &[], &[], expected);
    }

    #[test]
    fn tests_may_use_any_floor() {
        check_one("search", &["lid"], &["nb201"], &[], "");
    }

    #[test]
    fn floor_0_must_not_reach_burn() {
        let transitive = ["serde", "burn-tensor"];
        let expected = "Cargo.toml:1: `lid` (floor 0) depends on burn\n";
        check_one("lid", &["serde"], &[], &transitive, expected);
        check_one("lid", &["serde"], &[], &["burnish"], "");
    }

    #[test]
    fn automation_links_no_crate() {
        let expected = "Cargo.toml:3: xtask links no crate of the workspace, but uses `rank`\n";
        check_one("xtask", &[], &["rank"], &[], expected);
    }

    #[test]
    fn unknown_crates_are_errors() {
        let expected = "Cargo.toml:1: crate `utils` has no floor in xtask/src/tidy/floors.rs\n";
        check_one("utils", &[], &[], &[], expected);
    }
}
